// The command palette: Ctrl-K, type, arrows, Enter. What it offers comes from the server.
const box = () => document.getElementById("palette");
const dialog = () => box()?.querySelector("[data-palette-dialog]");
const input = () => document.getElementById("palette-input");
const list = () => document.getElementById("palette-options");
const options = () => [...(list()?.querySelectorAll("[role=option]") ?? [])];

// Enter came before the answer to what was typed: it is for the answer, not for what stood there.
let pending = false;
let opening = false;
// What is typed while it opens is for it.
let early = "";

function choose(option) {
  for (const one of options()) one.setAttribute("aria-selected", String(one === option));
  if (option) input().setAttribute("aria-activedescendant", option.id);
  else input().removeAttribute("aria-activedescendant");
  option?.scrollIntoView({ block: "nearest" });
}

const chosen = () => options().find((one) => one.getAttribute("aria-selected") === "true");

function move(step) {
  const all = options();
  if (all.length === 0) return;
  const at = all.indexOf(chosen());
  const next = step === "first" ? 0 : step === "last" ? all.length - 1 : (at + step + all.length) % all.length;
  choose(all[next]);
}

const DO = {
  theme(option) {
    window.moorageTheme.choose(option.dataset.theme);
  },
  switch(option) {
    const values = { mode: option.dataset.mode };
    window.htmx.ajax("POST", "/console/switch", { source: document.body, values, swap: "none" });
  },
  "sign-out"() {
    document.querySelector('form[action="/console/sign-out"]').requestSubmit();
  },
};

function run(option) {
  if (!option) return;
  if (!option.dataset.run) return location.assign(option.href);
  dialog().close();
  DO[option.dataset.run]?.(option);
}

async function open() {
  if (opening || dialog()?.open) return;
  opening = true;
  early = "";
  try {
    // Anew each time: what somebody may do, and in which mode, changes.
    await window.htmx.ajax("GET", "/console/palette", { target: "#palette", swap: "innerHTML" });
  } finally {
    opening = false;
  }
  if (!dialog() || document.querySelector("dialog[open]")) return;
  const before = document.activeElement;
  dialog().addEventListener("close", () => before?.isConnected && before.focus?.(), { once: true });
  dialog().showModal();
  input().focus();
  choose(options()[0]);
  input().value = early + input().value;
  if (input().value) await ask();
}

// Not left to htmx: it listens to a new field a moment after somebody can type into it.
async function ask() {
  const values = { q: input().value };
  try {
    await window.htmx.ajax("GET", "/console/palette", { source: input(), target: "#palette-options", swap: "outerHTML", values });
  } catch {
    // A later key's request took its place.
  }
}

let asking = 0;
document.addEventListener("input", (event) => {
  if (event.target.id !== "palette-input") return;
  clearTimeout(asking);
  asking = setTimeout(() => dialog()?.open && ask(), 120);
});

document.addEventListener("keydown", (event) => {
  if (!opening || event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  early += event.key;
});

document.addEventListener("moorage:palette", () => (dialog()?.open ? dialog().close() : open()));

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "palette-input" || event.isComposing) return;
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: "last", PageUp: "first" };
  if (event.key in steps) {
    event.preventDefault();
    move(steps[event.key]);
  } else if (event.key === "Enter") {
    event.preventDefault();
    const isCurrent = list().dataset.typed === input().value.trim();
    if (isCurrent) run(chosen());
    else pending = true;
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "palette-options" || !dialog()?.open) return;
  choose(options()[0]);
  if (pending && list().dataset.typed === input().value.trim()) run(chosen());
  pending = false;
});

document.addEventListener("click", (event) => {
  if (event.target === dialog()) return dialog().close(); // beside it
  const option = event.target.closest("#palette-options [role=option]");
  if (!option) return;
  if (option.dataset.run) {
    event.preventDefault();
    run(option);
  }
});

document.addEventListener("mousemove", (event) => {
  const option = event.target.closest?.("#palette-options [role=option]");
  if (option && option !== chosen()) choose(option);
});
