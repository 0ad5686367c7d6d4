// Progress of jobs: every element with data-progress asks its address again while its job runs.
"use strict";

(function () {
  const PAUSE = 1500; // ms between two answers
  const PAUSE_AFTER_FAILURE = 5000;

  function set(root, name, value) {
    for (const element of root.querySelectorAll(`[data-${name}]`)) element.textContent = value;
  }

  function show(root, answer) {
    set(root, "percent", answer.percent);
    set(root, "finished", answer.finished);
    set(root, "rate", answer.rate);
    set(root, "left", answer.left);
    for (const [name, value] of Object.entries(answer.figures || {})) set(document, name, value);
    for (const part of answer.parts) {
      const bar = root.querySelector(`.ib-bar > .${part.look}`);
      if (bar) bar.style.width = `${part.percent}%`;
      const count = root.querySelector(`[data-part="${part.look}"] b`);
      if (count) count.textContent = part.count;
    }
  }

  async function follow(root) {
    let pause = PAUSE;
    try {
      const response = await fetch(root.dataset.progress, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(response.status);
      const answer = await response.json();
      show(root, answer);
      // Another state means other buttons and perhaps quarantined items: the server draws those.
      if (answer.state !== root.dataset.state) return window.location.reload();
    } catch {
      pause = PAUSE_AFTER_FAILURE; // the server is away for a moment; the numbers stay as they were
    }
    window.setTimeout(follow, pause, root);
  }

  const UNFINISHED = '[data-progress][data-state="running"], [data-progress][data-state="waiting"]';
  for (const root of document.querySelectorAll(UNFINISHED)) {
    window.setTimeout(follow, PAUSE, root);
  }
})();
