// The search page: a picture may be pasted or dropped, and is shown before it is sent.
"use strict";

(function () {
  const input = document.querySelector("#search-form input[type=file]");
  const drop = document.getElementById("search-drop");
  const preview = document.getElementById("search-preview");
  if (!input || !drop) return;
  // unfold's own listener, which it leaves out with this, fails where a file input has no text input beside it.
  input.hasChangeListener = true;

  function show() {
    const file = input.files[0];
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
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

  input.addEventListener("change", show);
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

  // Enter searches, Shift+Enter makes a new line: the box is a search box first.
  const text = document.querySelector("#search-form textarea");
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      text.form.requestSubmit();
    }
  });
})();
