// Uploads: the page of one asks how far it is while a worker is at it; the form takes dropped files and is sent once.
"use strict";

(function () {
  const PAUSE = 1000; // ms between two answers
  const PAUSE_AFTER_FAILURE = 5000;

  function show(root, answer) {
    root.querySelector("[data-words]").textContent = answer.words;
    for (const part of answer.counts) {
      root.querySelector(`[data-count="${part.name}"]`).textContent = part.count;
    }
    const bar = root.querySelector("[data-bar]");
    if (bar && answer.percent !== null) bar.style.width = `${answer.percent}%`;
  }

  async function follow(root) {
    let pause = PAUSE;
    try {
      const response = await fetch(root.dataset.follow, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(response.status);
      const answer = await response.json();
      // Another state means other buttons, and a preview that the server draws.
      if (answer.state !== root.dataset.state) return window.location.reload();
      show(root, answer);
    } catch {
      pause = PAUSE_AFTER_FAILURE; // the server is away for a moment; the numbers stay as they were
    }
    window.setTimeout(follow, pause, root);
  }

  for (const root of document.querySelectorAll("[data-follow]")) {
    if (["checking", "importing"].includes(root.dataset.state)) window.setTimeout(follow, PAUSE, root);
  }

  function takeFiles(drop) {
    const input = drop.querySelector("input[type=file]");
    // unfold's own listener, which it leaves out with this, fails where a file input has no text input beside it.
    input.hasChangeListener = true;
    input.addEventListener("change", () => {
      if (input.files[0]) drop.querySelector("[data-chosen]").textContent = input.files[0].name;
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("ib-over", name === "dragover");
        if (name !== "drop" || !event.dataTransfer.files.length) return;
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event("change"));
      });
    }
  }

  for (const form of document.querySelectorAll("form[data-upload]")) {
    form.querySelectorAll("[data-drop]").forEach(takeFiles);
    form.addEventListener("submit", () => {
      const button = form.querySelector("button[type=submit]");
      button.disabled = true;
      button.lastElementChild.textContent = form.dataset.busy;
    });
  }
})();
