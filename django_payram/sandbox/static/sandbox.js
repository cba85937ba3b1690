// Without this script all works; with it the payment page notices changes and addresses can be copied.
(() => {
  "use strict";

  const EVERY = 2000;

  const watchPayment = (page) => {
    let typed = false;
    let leaving = false;
    document.addEventListener("input", () => { typed = true; });
    document.addEventListener("submit", () => { leaving = true; });

    const look = async () => {
      if (document.hidden || leaving) return;
      const answer = await fetch(page.dataset.watch, { headers: { Accept: "application/json" } });
      if (!answer.ok || leaving) return;
      const { mark } = await answer.json();
      if (mark === page.dataset.mark) return;
      if (!typed) {
        leaving = true;
        location.reload();
        return;
      }
      page.querySelector("[data-news]").hidden = false;
    };

    // A sandbox that was stopped answers again when it is started again.
    setInterval(() => look().catch(() => {}), EVERY);
  };

  const offerCopy = (button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const said = button.parentElement.querySelector("[data-copied]");
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      said.textContent = "Copied.";
      setTimeout(() => { said.textContent = ""; }, 3000);
    });
  };

  const page = document.querySelector("[data-watch]");
  if (page) watchPayment(page);
  document.querySelectorAll("[data-copy]").forEach(offerCopy);
})();
