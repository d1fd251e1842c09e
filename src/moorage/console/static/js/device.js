// A device's page: what happens to it is told as `device:changed` on <body>, so that parts ask for
// themselves anew; buttons that reveal a part of the page (data-reveal names it) and hide it again.
const device = () => document.querySelector("[data-device]")?.dataset.device;

for (const kind of ["live:status", "live:event"]) {
  document.addEventListener(kind, (event) => {
    if (event.detail?.device_id !== device()) return;
    document.body.dispatchEvent(new CustomEvent("device:changed", { detail: event.detail }));
  });
}

function reveal(id) {
  const part = document.getElementById(id);
  if (!part) return;
  part.hidden = !part.hidden;
  for (const one of document.querySelectorAll(`[data-reveal="${CSS.escape(id)}"][aria-expanded]`)) {
    one.setAttribute("aria-expanded", String(!part.hidden));
  }
  if (!part.hidden) part.querySelector("input:not([type=hidden]), textarea, button")?.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (button) reveal(button.dataset.reveal);
});

document.addEventListener("keydown", (event) => {
  const part = event.target.closest?.("form[id]");
  if (event.key !== "Escape" || !part || part.hidden) return;
  const opener = document.querySelector(`[data-reveal="${CSS.escape(part.id)}"]`);
  if (!opener) return;
  reveal(part.id);
  opener.focus();
});

// On a phone the tabs are wider than the page.
document.querySelector(".device-tabs .active")?.scrollIntoView({ block: "nearest", inline: "nearest" });
