// Buttons that copy a field or a text, where the browser lets a page copy.
(() => {
  "use strict";
  if (!navigator.clipboard) return;

  const show = () => { for (const button of document.querySelectorAll("button[data-copy][hidden]")) button.hidden = false; };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button === null) return;
    const field = document.getElementById(button.dataset.copy);
    // Where the browser refuses, a field is chosen and can be copied by keyboard.
    field.select?.();
    navigator.clipboard.writeText(field.value ?? field.textContent).then(() => {
      button.textContent = button.dataset.copied;
      // A screen reader would go on to call it by the label.
      button.removeAttribute("aria-label");
    }, () => {});
  });
  show();
  // A part of the page may be exchanged for a newer one.
  new MutationObserver(show).observe(document.documentElement, { childList: true, subtree: true });
})();
