// Reviewing: a key judges, the next pair is there at once, and what was said is sent behind the scenes.
// What is not saved yet stays in the tab's storage until the server has it.
"use strict";

(function () {
  const AGAIN = 10000; // ms until what could not be sent is sent again by itself
  const root = document.getElementById("review");
  const form = document.getElementById("review-form");
  if (!root || !form) return;

  const place = document.getElementById("review-pair");
  const wait = document.getElementById("review-wait");
  const fault = document.getElementById("review-error");
  const hint = document.getElementById("review-hint");
  const words = document.getElementById("review-messages").dataset;
  const comment = form.elements.comment;
  const storage = `review-${root.dataset.person}-${root.dataset.round}`;
  const addresses = {
    judge: form.getAttribute("action"),
    undo: form.querySelector("[data-key=undo]").getAttribute("formaction"),
    reveal: form.querySelector("[data-key=reveal]").getAttribute("formaction"),
  };

  const queue = stored(); // what is to be sent, in order; the first is on its way
  const said = new Set(queue.filter((entry) => entry.kind === "judge").map((entry) => entry.pair));
  const ahead = Array.from(document.querySelectorAll("template[data-ahead]"), (each) => each.content.firstElementChild);
  const comments = new Map(); // by pair, for one that comes back
  let sending = false;
  let undoing = false;
  let timer = 0;

  function stored() {
    try {
      return JSON.parse(window.sessionStorage.getItem(storage)) || [];
    } catch {
      return [];
    }
  }

  function keep() {
    window.sessionStorage.setItem(storage, JSON.stringify(queue));
    for (const mark of root.querySelectorAll("[data-saving]")) mark.hidden = queue.length === 0;
  }

  function current() {
    return place.querySelector("[data-pair]");
  }

  // ---- showing

  function show(pair) {
    place.replaceChildren(pair);
    form.elements.pair.value = pair.dataset.pair;
    comment.value = comments.get(pair.dataset.pair) || "";
    wait.hidden = true;
    offer(true);
    window.scrollTo({ top: 0 });
  }

  function offer(can) {
    for (const part of form.querySelectorAll("[data-answers]")) part.hidden = !can;
  }

  function advance() {
    const next = ahead.shift();
    if (next) return show(next);
    place.replaceChildren();
    wait.hidden = false;
    offer(false);
  }

  function parsed(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  }

  /** Pairs that the server dealt: those not held yet go behind the others, their pictures are loaded now. */
  function take(pairs) {
    const held = new Set(holding());
    for (const { id, html } of pairs) {
      if (held.has(String(id)) || said.has(String(id))) continue;
      ahead.push(parsed(html));
    }
    load();
    if (!current() && ahead.length) advance();
  }

  function load() {
    for (const pair of ahead) for (const image of pair.querySelectorAll("img")) new Image().src = image.src;
  }

  function holding() {
    return [current(), ...ahead].filter(Boolean).map((pair) => pair.dataset.pair);
  }

  function tell(progress) {
    for (const name of ["settled", "disputed", "mine"]) {
      for (const element of root.querySelectorAll(`[data-${name}]`)) element.textContent = progress[name];
    }
    root.querySelector("[data-bar]").style.width = `${progress.percent}%`;
  }

  function notice(text) {
    hint.textContent = text;
    hint.hidden = !text;
  }

  // ---- sending

  async function post(address, values) {
    const body = new FormData();
    body.set("csrfmiddlewaretoken", token());
    for (const [name, value] of Object.entries(values)) body.set(name, value);
    const response = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
    // A page instead of data is the sign-in page, or that of a session that changed.
    if (!(response.headers.get("Content-Type") || "").includes("json")) {
      throw Object.assign(new Error(), { said: response.status < 500 ? words.signedOut : words.offline });
    }
    const answer = await response.json();
    if (!response.ok || answer.error) throw Object.assign(new Error(), { said: answer.error || words.refused, refused: true });
    return answer;
  }

  function token() {
    const cookie = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie); // another one after a new sign-in
    return cookie ? cookie[1] : form.elements.csrfmiddlewaretoken.value;
  }

  async function send() {
    if (sending || !queue.length) return;
    window.clearTimeout(timer);
    sending = true;
    const { kind, ...values } = queue[0];
    try {
      const answer = await post(addresses[kind], { ...values, held: holding().join(",") });
      fault.hidden = true;
      sent(kind, answer);
    } catch (error) {
      failed(kind, error);
    } finally {
      sending = false;
    }
    if (fault.hidden) send();
  }

  function sent(kind, answer) {
    queue.shift();
    keep();
    tell(answer.progress);
    if (kind === "undo") return restored(answer.pairs);
    take(answer.pairs);
    if (answer.end && !current() && !queue.length) {
      place.innerHTML = answer.end;
      wait.hidden = true;
    }
  }

  function failed(kind, error) {
    if (kind === "undo" && error.refused) {
      queue.shift();
      keep();
      undoing = false;
      fault.hidden = true;
      return notice(error.said);
    }
    fault.querySelector("[data-message]").textContent = error.said || words.offline;
    fault.hidden = false;
    if (!error.refused) timer = window.setTimeout(send, AGAIN);
  }

  /** The pair that was taken back comes first, the one that was on the page behind it. */
  function restored(pairs) {
    undoing = false;
    const [first, ...rest] = pairs;
    const id = String(first.id);
    said.delete(id);
    const held = current();
    if (held) comments.set(held.dataset.pair, comment.value);
    if (held && held.dataset.pair !== id) ahead.unshift(held);
    const double = ahead.findIndex((pair) => pair.dataset.pair === id);
    if (double >= 0) ahead.splice(double, 1);
    show(parsed(first.html));
    take(rest);
  }

  // ---- what a person does

  function answer(value) {
    const pair = current();
    if (!pair || undoing) return;
    notice("");
    const { pair: id } = pair.dataset;
    said.add(id);
    comments.set(id, comment.value);
    queue.push({ kind: "judge", pair: id, answer: value, comment: comment.value });
    keep();
    advance();
    send();
  }

  function undo() {
    if (undoing) return;
    undoing = true;
    notice("");
    queue.push({ kind: "undo" });
    keep();
    send();
  }

  async function reveal() {
    const pair = current();
    const spot = pair && pair.querySelector("[data-judgement]");
    if (!spot || spot.children.length) return;
    try {
      const shown = await post(addresses.reveal, { pair: pair.dataset.pair });
      spot.innerHTML = shown.html;
      if (current() === pair) spot.firstElementChild.scrollIntoView({ block: "nearest" });
    } catch (error) {
      notice(error.said || words.offline);
    }
  }

  function guidelines() {
    const details = document.getElementById("review-guidelines");
    details.open = !details.open;
    if (details.open) details.scrollIntoView({ block: "nearest" });
  }

  const keys = {
    0: () => answer("0"),
    1: () => answer("1"),
    2: () => answer("2"),
    3: () => answer("3"),
    s: () => answer("skip"),
    u: () => answer("unsure"),
    z: undo,
    m: reveal,
    g: guidelines,
    c: () => comment.focus(),
  };
  // The same keys while a Korean keyboard is on, where the browser names the syllable and not the key.
  const codes = { KeyS: "s", KeyU: "u", KeyZ: "z", KeyM: "m", KeyG: "g", KeyC: "c" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "Escape" && event.target === comment) return comment.blur();
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const act = keys[event.key] || keys[codes[event.code]];
    if (!act) return;
    event.preventDefault();
    act();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter;
    if (!button) return;
    button.blur();
    if (button.name === "answer") answer(button.value);
    else (button.dataset.key === "undo" ? undo : reveal)();
  });
  fault.querySelector("[data-again]").addEventListener("click", send);
  fault.querySelector("[data-discard]").addEventListener("click", () => {
    said.delete(queue.shift().pair); // the server deals its pair again
    undoing = false;
    keep();
    fault.hidden = true;
    if (!queue.length && !current()) return window.location.reload();
    send();
  });
  window.addEventListener("online", send);
  window.addEventListener("beforeunload", (event) => {
    if (queue.length) event.preventDefault();
  });

  // A page that was left with something unsent: its pairs were judged, whatever the server still thinks.
  for (let at = ahead.length - 1; at >= 0; at -= 1) if (said.has(ahead[at].dataset.pair)) ahead.splice(at, 1);
  if (current() && said.has(current().dataset.pair)) advance();
  undoing = queue.some((entry) => entry.kind === "undo");
  load();
  keep();
  send();
})();
