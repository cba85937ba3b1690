"""What can be measured on a page: errors in the browser, contrast, focus, names of inputs, width."""

from __future__ import annotations

from pathlib import Path

SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
WIDTHS = {1280: 900, 380: 800}
SCHEMES = ("light", "dark")

# A request that a click on a link or button broke off.
ABORTED = "net::ERR_ABORTED"

# Browsers ask for it on every site that names no icon.
FAVICON = "/favicon.ico"

LOW_CONTRAST = """
least => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = color => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = element => {
    if (element === null) return rgba("Canvas");
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const light = color => {
    const [r, g, b] = color.slice(0, 3).map(value => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = element => {
    const under = ground(element);
    const lights = [light(over(rgba(getComputedStyle(element).color), under)), light(under)];
    return (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
  };
  const isShown = element => {
    const box = element.getBoundingClientRect();
    const visible = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return visible && box.width > 1 && box.height > 1;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const elements = new Set(document.querySelectorAll(".payram-badge, main input:not([type=hidden])"));
  while (texts.nextNode()) {
    if (texts.currentNode.data.trim()) elements.add(texts.currentNode.parentElement);
  }
  const seen = [...elements].filter(element => !element.closest("script, style, noscript") && isShown(element));
  const described = element => `${ratio(element).toFixed(2)} <${element.localName} class="${element.className}"> `
    + element.textContent.trim().slice(0, 40);
  return { count: seen.length, low: seen.filter(element => ratio(element) < least).map(described) };
}
"""

UNNAMED = """
() => {
  const named = control => (control.labels !== null && control.labels.length > 0)
    || control.ariaLabel || control.getAttribute("aria-labelledby") || control.textContent.trim();
  const controls = document.querySelectorAll("input:not([type=hidden]), select, textarea, button");
  const links = [...document.querySelectorAll("a[href]")].filter(
    link => !(link.textContent.trim() || link.ariaLabel || link.querySelector("img[alt]:not([alt=''])")));
  const pictures = document.querySelectorAll("img:not([alt])");
  return [...[...controls].filter(control => !named(control)), ...links, ...pictures].map(one => one.outerHTML);
}
"""

# The element itself, or a card around it that shows the focus of the one link inside.
SHOWS_FOCUS = """
() => {
  for (let one = document.activeElement; one !== null && one !== document.body; one = one.parentElement) {
    const style = getComputedStyle(one);
    if (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) return true;
  }
  return false;
}
"""

FOCUSED = """
() => {
  const one = document.activeElement;
  return (one.labels && one.labels.length ? one.labels[0] : one).textContent.trim();
}
"""

# The texts whose first character does not stand left of a later one, or on a line above it. In a paragraph of the other
# direction an amount changes places with its currency, and the groups of a reference with each other.
OUT_OF_ORDER = """
selector => {
  const box = (text, at) => {
    const range = document.createRange();
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect();
  };
  const isInOrder = element => {
    const text = document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode();
    const first = box(text, 0);
    return [6, text.length - 1].map(at => box(text, Math.min(at, text.length - 1))).every(
      later => first.left < later.left || first.bottom <= later.top);
  };
  const found = [...document.querySelectorAll(selector)];
  return found.length ? found.filter(one => !isInOrder(one)).map(one => one.outerHTML) : ["nothing is there"];
}
"""

TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


class ErrorLog:
    """Collects the errors in the tabs of a context: on the console, in scripts, of requests."""

    def __init__(self, context):
        self.errors = []
        self.expected = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self._add(f"script: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def expect(self, text):
        """Ignore errors with this text: the test causes them."""
        self.expected.append(text)

    @property
    def unexpected(self):
        return [error for error in self.errors if not any(text in error for text in self.expected)]

    def _add(self, error):
        self.errors.append(error)

    def _console(self, message):
        if message.type in {"error", "warning"} and not message.location["url"].endswith(FAVICON):
            self._add(f"console: {message.text} {message.location['url']}")

    def _failed(self, request):
        if request.failure != ABORTED:
            self._add(f"request: {request.failure} {request.url}")

    def _answered(self, response):
        if response.status >= 400 and not response.url.endswith(FAVICON):
            self._add(f"answer: status of {response.status} from {response.url}")


def each_viewport(tab):
    """Show the page in every width and colour scheme, one after the other, without animations."""
    for width, height in WIDTHS.items():
        tab.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            yield width, scheme


def tab_to(tab, name, *, most=60):
    """Press Tab until the control called ``name`` has the focus, which every stop on the way has to show."""
    for _ in range(most):
        tab.keyboard.press("Tab")
        here = tab.evaluate(FOCUSED)
        assert tab.evaluate(SHOWS_FOCUS), f"The focus on {here!r} cannot be seen."
        if here == name:
            return
    raise AssertionError(f"{name!r} cannot be reached with the Tab key on {tab.url}")
