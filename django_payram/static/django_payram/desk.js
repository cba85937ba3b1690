// Forms that are sent once, however often their button is pressed, and a box that chooses all the others.
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

  document.addEventListener("DOMContentLoaded", () => {
    for (const all of document.querySelectorAll("input[data-all]")) {
      const boxes = [...all.form.querySelectorAll(`input[name="${all.dataset.all}"]`)];
      all.closest("[hidden]").hidden = boxes.length < 2;
      all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
      for (const box of boxes) box.addEventListener("change", () => { all.checked = boxes.every((one) => one.checked); });
    }
  });
})();
