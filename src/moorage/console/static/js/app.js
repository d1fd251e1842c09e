// What every page has. Each part finds its elements by attributes, also in what is swapped in later.
import "./notices.js";
import "./requests.js";
import "./live.js";
import "./times.js";
import "./copy.js";
import "./confirm.js";
import "./palette.js";
import "./quiet.js";

const WORDS = { auto: "as the system has them", light: "light", dark: "dark" };
const NEXT = { auto: "light", light: "dark", dark: "auto" };

function nameTheme() {
  const choice = window.moorageTheme.choice();
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.setAttribute("aria-label", `Colours: ${WORDS[choice]}`);
    button.title = `Colours: ${WORDS[choice]}`;
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) {
    window.moorageTheme.choose(NEXT[window.moorageTheme.choice()]);
  }
  if (event.target.closest("[data-palette]")) openPalette();
});

// palette.js listens for this.
function openPalette() {
  document.dispatchEvent(new CustomEvent("moorage:palette"));
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
  }
});

document.addEventListener("moorage:theme", nameTheme);
nameTheme();
