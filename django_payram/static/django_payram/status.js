// Asks for the page again every few seconds and swaps the card when it says something new.
// Without JavaScript the page refreshes itself instead.
(() => {
  "use strict";
  const INTERVAL = 4000;
  const card = () => document.getElementById("payram-status");

  async function look() {
    let response;
    try {
      response = await fetch(window.location.href, { cache: "no-store", credentials: "same-origin" });
    } catch {
      return; // offline: the next round may work
    }
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("payram-status");
    const shown = card();
    if (fresh === null || fresh.outerHTML === shown.outerHTML) return;
    // Attributes and the live region's text change in place, so that a screen reader speaks the news.
    for (const name of ["data-tone", "data-status"]) shown.setAttribute(name, fresh.getAttribute(name));
    shown.toggleAttribute("data-payram-live", fresh.hasAttribute("data-payram-live"));
    const focused = shown.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const shownNews = shown.querySelector("[role=status]");
    const news = fresh.querySelector("[role=status]");
    shownNews.replaceChildren(...news.childNodes);
    news.replaceWith(shownNews);
    shown.replaceChildren(...fresh.childNodes);
    document.title = page.title;
    if (focused !== null) keepFocus(shown, focused);
  }

  // Whoever walks by keyboard stays where they were, or comes to the next thing to do.
  function keepFocus(shown, address) {
    const links = [...shown.querySelectorAll("a[href]")];
    const same = links.find((link) => link.getAttribute("href") === address);
    (same ?? links[0])?.focus({ preventScroll: true });
  }

  async function round() {
    if (card() === null || !card().hasAttribute("data-payram-live")) return;
    if (!document.hidden) await look();
    window.setTimeout(round, INTERVAL);
  }

  window.setTimeout(round, INTERVAL);
})();
