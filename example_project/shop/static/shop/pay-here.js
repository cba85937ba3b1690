// Pays without leaving the page: makes the payment, shows its coins, then the address, then what has arrived.
(() => {
  "use strict";
  const box = document.getElementById("pay-here");
  if (box === null) return;
  const [button, news, coins, send] = ["button", ".news", ".coins", ".send"].map((name) => box.querySelector(name));
  let token = "";
  const address = (name) => box.dataset[name].replace("00000000-0000-0000-0000-000000000000", token);

  async function ask(url, body) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": box.dataset.csrf };
    const options = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(url, options);
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.detail ?? said.message);
    return said;
  }

  function show({ methods, chosen }) {
    coins.replaceChildren(...methods.filter((one) => one.amount).map((one) => {
      const choice = Object.assign(document.createElement("button"), { type: "button", className: "button" });
      choice.textContent = `${one.amount} ${one.coin} (${one.network})`;
      choice.onclick = () => attempt(async () => show(await ask(address("methods"), { method: one.code })));
      return choice;
    }));
    send.hidden = chosen === null;
    for (const field of send.querySelectorAll("[data-field]")) field.textContent = chosen?.[field.dataset.field] ?? "";
  }

  async function watch() {
    let now;
    try {
      now = await ask(address("state"));
      if (news.textContent !== now.message) news.textContent = now.message;
      show(await ask(address("methods")));
    } finally {
      // A call that fails is not the end.
      if (!now?.is_final) setTimeout(() => attempt(watch), 4000);
    }
  }

  const attempt = (work) => work().catch((problem) => { news.textContent = problem.message; });

  button.onclick = () => attempt(async () => {
    ({ token } = await ask(box.dataset.checkout, {}));
    button.hidden = true;
    await watch();
  });
  box.hidden = false;
})();
