// The secret of a link stands behind "#", which no browser sends: it goes into the form, and from
// the address at once, so that it stays in no history.
const form = document.querySelector("[data-secret-link]");
const text = location.hash.slice(1);
if (text) history.replaceState(null, "", location.pathname + location.search);
form.elements.namedItem("token").value = text;
const warning = document.querySelector("[data-no-secret]");
if (warning) warning.hidden = Boolean(text);
