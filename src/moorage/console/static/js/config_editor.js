// The editor of a config: line numbers, lines that are wrong, indentation, and a warning before what
// was typed is left behind. What fits is the server's to say.
const START = "data-editor";

function refresh(box) {
  const area = box.querySelector("textarea");
  const lines = box.querySelector(".editor-lines");
  const count = area.value.split("\n").length;
  while (lines.childElementCount > count) lines.lastElementChild.remove();
  while (lines.childElementCount < count) {
    const line = document.createElement("div");
    line.textContent = String(lines.childElementCount + 1);
    lines.append(line);
  }
  area.rows = Math.min(32, Math.max(12, count + 1));
  lines.scrollTop = area.scrollTop;
}

function begin(root) {
  for (const box of root.querySelectorAll(`[${START}]`)) {
    if (box.dataset.begun) continue;
    box.dataset.begun = "yes";
    const area = box.querySelector("textarea");
    area.dataset.first = area.value;
    area.addEventListener("scroll", () => (box.querySelector(".editor-lines").scrollTop = area.scrollTop));
    area.addEventListener("input", () => refresh(box));
    refresh(box);
  }
}

// What the check named is marked beside the text.
function mark(root) {
  const told = root.querySelector("[data-bad-lines]");
  const box = told?.closest("form")?.querySelector(`[${START}]`);
  if (!box) return;
  const bad = new Set(told.dataset.badLines.split(" ").filter(Boolean).map(Number));
  [...box.querySelectorAll(".editor-lines > div")].forEach((line, at) => line.classList.toggle("bad", bad.has(at + 1)));
  box.querySelector("textarea").setAttribute("aria-invalid", String(bad.size > 0));
}

function goTo(area, number) {
  const lines = area.value.split("\n");
  const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[number - 1]?.length ?? 0));
  const height = area.scrollHeight / Math.max(1, lines.length);
  area.scrollTop = Math.max(0, (number - 4) * height);
}

document.addEventListener("click", (event) => {
  const line = event.target.closest("[data-go-line]");
  if (line) goTo(line.closest("form").querySelector(`[${START}] textarea`), Number(line.dataset.goLine));
  const choice = event.target.closest("[data-fill]");
  if (!choice) return;
  const around = choice.closest("#config-conflict");
  const area = around.querySelector(`[${START}] textarea`);
  area.value = around.querySelector(`[data-version="${choice.dataset.fill}"]`).value;
  for (const one of around.querySelectorAll("[data-fill]")) one.classList.toggle("active", one === choice);
  area.dispatchEvent(new Event("input", { bubbles: true }));
});

// A new line begins where the one before did; the browser can undo it.
document.addEventListener("keydown", (event) => {
  const area = event.target.closest?.(`[${START}] textarea`);
  if (!area || event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
  const before = area.value.slice(0, area.selectionStart);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const indent = line.match(/^ */)[0] + (/[[{]\s*$/.test(line) ? "  " : "");
  event.preventDefault();
  document.execCommand("insertText", false, `\n${indent}`);
});

// --- nothing typed is left behind unasked

let leaving = false;
const typed = () => [...document.querySelectorAll(`[${START}] textarea`)].some((area) => area.value !== area.dataset.first);

addEventListener("beforeunload", (event) => {
  if (!leaving && (typed() || document.getElementById("config-conflict"))) event.preventDefault();
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Redirect")) leaving = true;
});

document.addEventListener("htmx:afterSwap", () => {
  begin(document);
  mark(document);
});
begin(document);
