// What somebody opened stays open when its part of the page comes anew: <details id> within
// [data-keep-folds] is found again by its id.
const open = new Set();

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.target.closest?.("[data-keep-folds]");
  if (!part) return;
  open.clear();
  for (const one of part.querySelectorAll("details[id][open]")) open.add(one.id);
});

document.addEventListener("htmx:afterSwap", () => {
  for (const id of open) {
    const one = document.getElementById(id);
    if (one) one.open = true;
  }
});
