// hx-confirm asks in a dialog of the page. With data-confirm-typed a word must be typed first.
const dialog = () => document.getElementById("confirm");

document.addEventListener("htmx:confirm", (event) => {
  const { question, elt } = event.detail;
  if (!question || !dialog()) return;
  event.preventDefault();
  const from = elt.closest("[data-confirm-title]") ?? elt;
  const yes = dialog().querySelector("#confirm-yes");
  const input = dialog().querySelector("#confirm-input");
  const typed = from.dataset.confirmTyped ?? "";
  dialog().querySelector("#confirm-title").textContent = from.dataset.confirmTitle ?? "Are you sure?";
  dialog().querySelector("#confirm-question").textContent = question;
  dialog().querySelector("#confirm-typed").hidden = !typed;
  dialog().querySelector("#confirm-typed code").textContent = typed;
  yes.textContent = from.dataset.confirmButton ?? "Go on";
  yes.className = `btn ${from.hasAttribute("data-confirm-danger") ? "btn-danger" : "btn-primary"}`;
  input.value = "";
  yes.disabled = typed !== "";
  input.oninput = () => (yes.disabled = input.value.trim() !== typed);
  dialog().onclose = () => {
    if (dialog().returnValue === "yes") event.detail.issueRequest(true);
    else elt.focus?.();
  };
  dialog().returnValue = "no";
  dialog().showModal();
});
