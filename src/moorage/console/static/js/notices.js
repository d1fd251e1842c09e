// Sentences about what was done or refused, in the corner; read out by screen readers.
const STAYS_MS = 8000;
const MOST = 4;

const box = () => document.getElementById("notices");

export function tell(text, kind = "success") {
  const template = document.getElementById("notice-template");
  const notice = template.content.firstElementChild.cloneNode(true);
  notice.className = `notice notice-${kind}`;
  notice.querySelector(".notice-text").textContent = text;
  box().append(notice);
  return notice;
}

// A dialog that is open lies above everything else: what is said must stand in it to be seen.
const home = new Map();

function move() {
  const modal = [...document.querySelectorAll("dialog:modal")].at(-1);
  for (const one of [box(), document.getElementById("lost")]) {
    if (!one) continue;
    if (!home.has(one)) home.set(one, { parent: one.parentElement, next: one.nextSibling });
    const { parent, next } = home.get(one);
    if (modal && one.parentElement !== modal) modal.prepend(one);
    else if (!modal && one.parentElement !== parent) parent.insertBefore(one, next?.isConnected ? next : null);
  }
}

document.addEventListener("close", move, true);

// What went well goes by itself; what was refused stays until it was read.
function tend() {
  move();
  const all = [...box().querySelectorAll(".notice")];
  for (const old of all.slice(0, Math.max(0, all.length - MOST))) old.remove();
  for (const notice of all) {
    if (notice.dataset.tended) continue;
    notice.dataset.tended = "yes";
    if (notice.classList.contains("notice-success")) setTimeout(() => notice.remove(), STAYS_MS);
  }
}

if (box()) {
  new MutationObserver(tend).observe(box(), { childList: true });
  const lost = document.getElementById("lost");
  if (lost) new MutationObserver(move).observe(lost, { attributeFilter: ["hidden"] });
  tend();
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".notice")?.remove();
});
document.addEventListener("moorage:told", (event) => tell(event.detail.text, event.detail.kind));
