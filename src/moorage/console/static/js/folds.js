// Parts that ask for themselves anew, [data-keep-folds], do not take away what somebody is at: what
// was opened stays open (<details id> is found again by its id), and while a menu of theirs is open
// or a question is asked they wait.
const PART = "[data-keep-folds]";
const open = new Set();

const isInUse = (part) =>
  Boolean(document.querySelector("#confirm[open]") || part.querySelector(".dropdown-menu.show"));

// Only for what they ask by themselves: who clicked wants to see what came of it.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.matches(PART) && isInUse(part)) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.target.closest?.(PART);
  if (!part) return;
  if (event.detail.requestConfig?.elt === part && isInUse(part)) {
    event.detail.shouldSwap = false;
    return;
  }
  open.clear();
  for (const one of part.querySelectorAll("details[id][open]")) open.add(one.id);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const id of open) {
    const one = document.getElementById(id);
    if (one) one.open = true;
  }
});
