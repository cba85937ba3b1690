// Asks for the page again every few seconds and swaps the card when it says something new.
// Without JavaScript the page refreshes itself instead.
(() => {
  "use strict";
  const INTERVAL = 4000;
  const card = () => document.getElementById("payram-status");
  let known = card() && meaning(card());

  // What the server said. Tokens against forged requests differ each time, and scripts may have changed the page since.
  // What was wrong with a choice is said once, and must stay long enough to be read.
  function meaning(section) {
    const copy = section.cloneNode(true);
    for (const field of copy.querySelectorAll("input[name=csrfmiddlewaretoken], [role=alert]")) field.remove();
    return copy.outerHTML;
  }

  // As a document: where a policy wants trusted types, no text may be made into one.
  function loaded() {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("GET", window.location.href);
      request.responseType = "document";
      request.timeout = 20000;
      request.onload = () => resolve(request.status === 200 ? request.response : null);
      // Offline, for instance: the next round may work.
      request.onerror = request.ontimeout = () => resolve(null);
      request.send();
    });
  }

  async function look() {
    const page = await loaded();
    const fresh = page && page.getElementById("payram-status");
    if (fresh === null || meaning(fresh) === known) return;
    known = meaning(fresh);
    const shown = card();
    for (const name of ["data-tone", "data-status"]) shown.setAttribute(name, fresh.getAttribute(name));
    shown.toggleAttribute("data-payram-live", fresh.hasAttribute("data-payram-live"));
    const focused = shown.contains(document.activeElement) ? name(document.activeElement) : null;
    // The text of the live region changes in place, so that a screen reader speaks what is new, and nothing else.
    const shownNews = shown.querySelector("[role=status]");
    const news = fresh.querySelector("[role=status]");
    if (news.innerHTML !== shownNews.innerHTML) shownNews.replaceChildren(...news.childNodes);
    news.replaceWith(shownNews);
    shown.replaceChildren(...fresh.childNodes);
    document.title = page.title;
    if (focused !== null) keepFocus(shown, focused);
  }

  const name = (element) => element.getAttribute("href") ?? element.dataset.copy ?? element.value;

  // Whoever walks by keyboard stays where they were, or comes to the next thing to do.
  function keepFocus(shown, focused) {
    const places = [...shown.querySelectorAll("a[href], button")];
    for (const place of places) if (place.dataset.copy) place.hidden = !navigator.clipboard;
    const same = places.find((place) => name(place) === focused);
    (same ?? places[0])?.focus({ preventScroll: true });
  }

  async function round() {
    if (card() === null || !card().hasAttribute("data-payram-live")) return;
    if (!document.hidden) await look();
    window.setTimeout(round, INTERVAL);
  }

  window.setTimeout(round, INTERVAL);
})();
