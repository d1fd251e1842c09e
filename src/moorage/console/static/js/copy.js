// Copying, also where the page came over plain HTTP: there browsers offer no clipboard.
import { tell } from "./notices.js";

function copyOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "out-of-sight";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOldWay(text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const done = await copy(button.dataset.copy);
  button.focus();
  if (done) tell("Copied.");
  else tell("The browser does not let this page copy; select the text instead.", "warning");
});
