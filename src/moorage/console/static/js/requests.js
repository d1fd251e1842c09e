// Requests that fail: a lost connection, a busy server, a refusal. What was typed stays where it is.
import { tell } from "./notices.js";

// What was asked without success, to ask again: by its element, how it was asked.
const failed = new Map();

const lost = () => document.getElementById("lost");

export function connectionIsLost(isLost) {
  if (lost()) lost().hidden = !isLost;
}

function remember(detail) {
  failed.set(detail.elt, detail.requestConfig);
}

// All of it: behind what somebody asked for, parts that ask by themselves may have failed as well.
function tryAgain() {
  const there = [...failed].filter(([elt]) => elt.isConnected);
  failed.clear();
  if (!there.length) location.reload();
  for (const [elt, { verb, path }] of there) {
    if (elt.tagName === "FORM") elt.requestSubmit();
    // Not by its trigger: one that waits for a change would see none.
    else window.htmx.ajax(verb, path, { source: elt });
  }
}

document.addEventListener("htmx:sendError", (event) => {
  remember(event.detail);
  connectionIsLost(true);
});
document.addEventListener("htmx:timeout", (event) => {
  remember(event.detail);
  connectionIsLost(true);
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr?.status) connectionIsLost(false);
  if (event.detail.successful) failed.delete(event.detail.elt);
});
document.addEventListener("htmx:responseError", (event) => remember(event.detail));

// An error that is not ours (a proxy's page, say) is not put into the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400 || xhr.getResponseHeader("HX-Retarget")) return;
  if (xhr.getResponseHeader("Content-Security-Policy")) return; // a page of ours, such as a form anew
  event.detail.shouldSwap = false;
  tell(`The server, or what stands before it, answered ${xhr.status}. Try again.`, "danger");
});

// What is wrong with a form stands at its fields. A pointer ends in the field's name.
function clearFaults(form) {
  for (const one of form.querySelectorAll(".is-invalid")) {
    one.classList.remove("is-invalid");
    one.removeAttribute("aria-invalid");
  }
  for (const one of form.querySelectorAll("[data-wrong]")) one.textContent = "";
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt.closest("form");
  if (!form) return;
  clearFaults(form);
  // What was wrong before is asked anew.
  for (const notice of document.querySelectorAll("#notices .notice[data-code]")) notice.remove();
});

document.addEventListener("moorage:faults", (event) => {
  const form = event.target.closest?.("form");
  const faults = Array.isArray(event.detail) ? event.detail : (event.detail?.value ?? []);
  if (!form) return;
  let first = null;
  for (const { pointer, detail } of faults) {
    const whole = pointer.replace(/^\//, "");
    const names = [whole, whole.split("/")[0], whole.split("/").at(-1)];
    const field = names.map((name) => form.elements.namedItem(name)).find(Boolean);
    const input = field instanceof RadioNodeList ? field[0] : field;
    if (!input) continue;
    input.classList.add("is-invalid");
    input.setAttribute("aria-invalid", "true");
    const place = form.querySelector(`[data-wrong="${CSS.escape(input.name)}"]`);
    if (place) place.textContent = detail;
    first ??= input;
  }
  first?.focus();
});

// Whoever signed in again in another tab goes on here with the new session's token.
async function refreshToken() {
  const body = document.body;
  if (!body.hasAttribute("hx-headers")) return;
  try {
    const answer = await fetch("/console/session", { headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    const { csrf } = await answer.json();
    const told = JSON.parse(body.getAttribute("hx-headers"));
    if (told["X-CSRF-Token"] === csrf) return;
    body.setAttribute("hx-headers", JSON.stringify({ ...told, "X-CSRF-Token": csrf }));
    for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = csrf;
    for (const notice of document.querySelectorAll('.notice[data-code="session_over"]')) {
      notice.remove();
    }
    document.dispatchEvent(new CustomEvent("moorage:signed-in"));
  } catch {
    // not reachable: the next request says so
  }
}

addEventListener("focus", refreshToken);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-try-again]")) {
    event.target.closest(".notice")?.remove();
    tryAgain();
  }
});
