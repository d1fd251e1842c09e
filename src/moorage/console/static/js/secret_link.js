// The secret of a link stands behind "#", which no browser sends: it goes into the form, and from
// the address at once, so that it stays in no history. Where signing in comes in between
// (data-keep), this tab remembers it until then.
const box = document.querySelector("[data-secret-link]");
const field = box.querySelector("[name=token]");
const kept = box.dataset.keep ? `moorage:${box.dataset.keep}` : null;
let text = location.hash.slice(1);
if (text) history.replaceState(null, "", location.pathname + location.search);
if (kept && text) sessionStorage.setItem(kept, text);
if (kept && !text) text = sessionStorage.getItem(kept) ?? "";
field.value = text;
const warning = document.querySelector("[data-no-secret]");
if (warning) warning.hidden = Boolean(text);
