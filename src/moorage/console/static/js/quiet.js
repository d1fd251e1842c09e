// What asks for itself anew (data-quiet) waits while somebody is asked something, for it may be the
// place the question came from; and it says once what it was refused.
let refused = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches("[data-quiet]") && document.querySelector("dialog[open]")) {
    event.preventDefault();
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (!requestConfig?.elt?.matches("[data-quiet]")) return;
  const now = xhr.status < 400 ? null : xhr.status;
  if (now !== null && now === refused) event.detail.shouldSwap = false;
  refused = now;
});
