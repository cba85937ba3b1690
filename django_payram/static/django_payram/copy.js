// Shows the buttons that copy a field, where the browser lets a page copy.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", () => {
      field.select();
      // Where the browser refuses, the field is chosen and can be copied by keyboard.
      navigator.clipboard.writeText(field.value).then(() => { button.textContent = button.dataset.copied; }, () => {});
    });
  }
});
