// The search page's form: a picture may be pasted or dropped, a formula shows itself, values are suggested.
"use strict";

(function () {
  const form = document.getElementById("search-form");
  if (!form) return;

  // ---- the picture

  const input = form.elements.image;
  const drop = document.getElementById("search-drop");
  const preview = document.getElementById("search-preview");
  const without = document.getElementById("search-without");

  function show() {
    const file = input.files[0];
    preview.hidden = without.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
    form.elements.image_kept.value = ""; // the picture of the search before
  }

  function take(files) {
    const picture = Array.from(files || []).find((file) => file.type.startsWith("image/"));
    if (!picture) return false;
    const holder = new DataTransfer();
    holder.items.add(picture);
    input.files = holder.files;
    show();
    return true;
  }

  if (input && drop) {
    // unfold's own listener, which it leaves out with this, fails where a file input has no text input beside it.
    input.hasChangeListener = true;
    input.addEventListener("change", () => input.files.length && show());
    document.addEventListener("paste", (event) => {
      if (event.clipboardData && take(event.clipboardData.files)) event.preventDefault();
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("ib-over", name === "dragover");
        if (name === "drop") take(event.dataTransfer.files);
      });
    }
    without.addEventListener("click", (event) => {
      event.preventDefault();
      input.value = "";
      show();
    });
  }

  // ---- text and formula

  function later(act, milliseconds) {
    let timer = 0;
    return () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(act, milliseconds);
    };
  }

  async function data(address) {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    const json = (response.headers.get("Content-Type") || "").includes("json");
    return response.ok && json ? response.json() : null; // a page instead of data is the sign-in page
  }

  // Enter searches, Shift+Enter makes a new line: the box is a search box first.
  const text = form.elements.text;
  if (text && text.tagName === "TEXTAREA") {
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
  }

  const formula = form.elements.formula;
  const shown = document.getElementById("search-formula");

  async function draw() {
    const asked = formula.value.trim();
    const found = asked ? await data(`${shown.dataset.address}?formula=${encodeURIComponent(asked)}`).catch(() => null) : { html: "" };
    if (formula.value.trim() !== asked || !found) return; // more was typed meanwhile
    const broken = Boolean(asked) && (!found.html || found.html.includes("latex-source"));
    shown.classList.toggle("ib-quiet", broken);
    if (broken) shown.textContent = shown.dataset.broken;
    else shown.innerHTML = found.html; // made and cleaned by the server, as items are
  }

  if (formula && shown) {
    formula.addEventListener("input", later(draw, 250));
    if (formula.value) draw();
  }

  // ---- the side

  const side = document.getElementById("search-side");
  if (window.matchMedia("(max-width: 1099px)").matches) side.open = false;

  for (const slider of form.querySelectorAll("input[type=range]")) {
    const output = slider.closest("label").querySelector("output");
    slider.addEventListener("input", () => (output.textContent = slider.value));
  }

  for (const field of form.querySelectorAll("[data-suggest]")) {
    const suggest = async () => {
      const typed = field.value;
      const found = typed ? await data(`${field.dataset.suggest}&typed=${encodeURIComponent(typed)}`).catch(() => null) : null;
      if (!found || field.value !== typed) return;
      field.list.replaceChildren(...found.values.map(([value, label]) => new Option(label, value)));
    };
    field.addEventListener("input", later(suggest, 200));
  }

  // Without a link (a picture is asked with) clearing sends the form; what is typed goes along in either case.
  for (const clear of form.querySelectorAll("[data-clear]")) {
    clear.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      for (const field of form.querySelectorAll("[data-facet] input")) {
        field.checked = false;
        if (field.type === "text") field.value = "";
      }
      form.requestSubmit();
    });
  }

  // ---- an answer on its way: a text takes a moment, a reranker seconds

  const page = document.getElementById("search");
  form.addEventListener("submit", () => page.setAttribute("aria-busy", "true"));
  for (const link of document.querySelectorAll("[data-similar]")) {
    link.addEventListener("click", (event) => {
      if (!event.ctrlKey && !event.metaKey) page.setAttribute("aria-busy", "true");
    });
  }
  window.addEventListener("pageshow", () => page.removeAttribute("aria-busy")); // also on the way back

  // ---- the link

  const live = document.getElementById("search-live");
  for (const link of document.querySelectorAll("[data-copy]")) {
    link.addEventListener("click", async (event) => {
      if (!navigator.clipboard || event.ctrlKey || event.metaKey) return; // the address opens, and can be copied there
      event.preventDefault();
      await navigator.clipboard.writeText(link.href);
      live.textContent = link.dataset.copied;
      const label = link.lastElementChild;
      const before = label.textContent;
      label.textContent = link.dataset.copied;
      window.setTimeout(() => (label.textContent = before), 2000);
    });
  }
})();
