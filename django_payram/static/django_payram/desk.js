// Forms that are sent once, however often their button is pressed.
(() => {
  "use strict";
  const STOPPED = 10_000; // milliseconds, after which a form that led nowhere may be sent again

  const sent = new Set();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!("once" in form.dataset)) return;
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    sent.add(form);
    setTimeout(() => sent.delete(form), STOPPED);
  });
  // The way back may show the page as it was left.
  addEventListener("pageshow", () => sent.clear());
})();
