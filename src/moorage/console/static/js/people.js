// A choice that was refused goes back to what holds.
document.addEventListener("htmx:responseError", (event) => {
  event.target.closest?.("form[data-back-when-refused]")?.reset();
});
