// Thumbs and keys of the search page.
"use strict";

(function () {
  const live = document.getElementById("search-live");
  const list = document.getElementById("search-keys");
  if (!live || !list) return;

  // ---- thumbs

  function say(text) {
    live.textContent = "";
    window.setTimeout(() => (live.textContent = text), 30); // the same words twice are announced twice
  }

  /** The buttons of every card of the item: both columns may show it. */
  function press(code, verdict) {
    for (const card of document.querySelectorAll(".ib-hit[data-hit]")) {
      if (card.dataset.hit !== code) continue;
      for (const button of card.querySelectorAll("[data-verdict]")) {
        const pressed = button.dataset.verdict === String(verdict);
        button.setAttribute("aria-pressed", String(pressed));
        button.value = pressed ? "0" : button.dataset.verdict;
      }
    }
  }

  async function mark(form, button) {
    const before = form.querySelector("[aria-pressed=true]");
    const body = new FormData(form);
    const code = body.get("item");
    body.set("verdict", button.value);
    press(code, button.value);
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      const json = (response.headers.get("Content-Type") || "").includes("json");
      const answer = json ? await response.json() : {};
      if (!response.ok || !("verdict" in answer)) throw Object.assign(new Error(), { said: answer.error });
      press(code, answer.verdict);
      say({ 1: form.dataset.up, "-1": form.dataset.down }[answer.verdict] || form.dataset.none);
    } catch (error) {
      press(code, before ? before.dataset.verdict : 0);
      failed(form, error.said || form.dataset.failed);
    }
  }

  function failed(form, text) {
    say(text);
    const note = form.parentElement.querySelector("[data-note]") || document.createElement("span");
    note.dataset.note = "";
    note.className = "ib-badge ib-bad";
    note.textContent = text;
    form.after(note);
    window.setTimeout(() => note.remove(), 6000);
  }

  for (const form of document.querySelectorAll("[data-thumbs]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter) mark(form, event.submitter);
    });
  }

  // ---- cards by keys

  const columns = Array.from(document.querySelectorAll(".ib-column"), (column) => Array.from(column.querySelectorAll(".ib-hit")));
  let last = null;

  function current() {
    const focused = document.activeElement.closest(".ib-column .ib-hit");
    return focused || last;
  }

  function place(card) {
    const column = columns.findIndex((cards) => cards.includes(card));
    return { column, row: column < 0 ? -1 : columns[column].indexOf(card) };
  }

  function go(card) {
    if (!card) return;
    last = card;
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const { column, row } = place(current());
    const cards = column < 0 ? columns.find((each) => each.length) || [] : columns[column];
    go(cards[Math.min(Math.max(row + by, 0), cards.length - 1)]);
  }

  function across(by) {
    const { column, row } = place(current());
    if (columns.length < 2) return step(by);
    const cards = columns[column + by];
    if (cards && cards.length) go(cards[Math.min(row, cards.length - 1)]);
  }

  function click(selector, card = current()) {
    const target = card && card.querySelector(selector);
    if (target) target.click();
    else if (!card) step(1); // the first card, so that one sees which it would have been
  }

  function why() {
    const card = current();
    if (!card) return step(1);
    const fold = card.querySelector("[data-why]");
    fold.open = !fold.open;
    card.scrollIntoView({ block: "nearest" });
  }

  function query() {
    const box = document.querySelector("#search-form textarea, #search-form [name=formula]");
    window.scrollTo({ top: 0 });
    if (!box) return document.querySelector("#search-form [data-instead]").focus();
    box.focus();
    box.select();
  }

  function toggle() {
    if (list.open) list.close();
    else list.showModal();
  }

  const keys = {
    "/": query,
    "?": toggle,
    j: () => step(1),
    k: () => step(-1),
    s: () => click("[data-similar]"),
    w: why,
    u: () => click("[data-verdict='1']"),
    d: () => click("[data-verdict='-1']"),
    c: () => click("[data-compare]", document),
  };
  // Only from a card: elsewhere they scroll the page.
  const onCards = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    ArrowRight: () => across(1),
    ArrowLeft: () => across(-1),
    Enter: () => click("[data-open]"),
  };
  // The same keys while a Korean keyboard is on, where the browser names the syllable and not the key.
  const codes = { KeyJ: "j", KeyK: "k", KeyS: "s", KeyW: "w", KeyU: "u", KeyD: "d", KeyC: "c" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && event.target.closest("#search-form .ib-query")) return event.target.blur();
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (list.open && event.key !== "?") return;
    const act = (event.target.matches(".ib-hit") && onCards[event.key]) || keys[event.key] || keys[codes[event.code]];
    if (!act || (event.shiftKey && event.key !== "?" && event.key !== "/")) return;
    event.preventDefault();
    act();
  });

  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", toggle);
  }
})();
