// The fleet page: what is selected, and rows that go on living without moving.
const EVERY_MS = 15000;
const AFTER_MS = 2000;

const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

// --- selection

const picks = () => all('#selection input[name="id"]');
const matching = () => Number(one("#selection")?.dataset.matching ?? 0);
const allField = () => one('#selection input[name="all"]');

function show() {
  const bar = one("[data-bulk-bar]");
  if (!bar) return;
  const chosen = picks().filter((box) => box.checked);
  const isAll = allField().value === "1";
  bar.hidden = chosen.length === 0;
  one("[data-bulk-count]").textContent = (isAll ? matching() : chosen.length).toLocaleString();
  one("[data-bulk-all]").hidden = isAll || chosen.length < picks().length || matching() <= chosen.length;
  const head = one("[data-pick-all]");
  if (!head) return; // an empty table
  head.checked = chosen.length > 0 && chosen.length === picks().length;
  head.indeterminate = chosen.length > 0 && !head.checked;
}

let last = null;

document.addEventListener("click", (event) => {
  const box = event.target.closest?.('#selection input[name="id"]');
  if (box) {
    // With the shift key everything between this and the last one follows.
    if (event.shiftKey && last?.isConnected) {
      const boxes = picks();
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    allField().value = "";
    show();
  }
  if (event.target.closest("[data-bulk-all]")) {
    allField().value = "1";
    show();
  }
  if (event.target.closest("[data-bulk-none]")) {
    allField().value = "";
    for (const each of picks()) each.checked = false;
    show();
  }
  if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog")?.close();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-pick-all]")) return;
  allField().value = "";
  for (const each of picks()) each.checked = event.target.checked;
  show();
});

// --- the dialog of a change to several

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "bulk-body" && event.detail.xhr.status < 400) {
    const dialog = one("#bulk");
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
  }
  show();
});

one("#bulk")?.addEventListener("close", () => {
  // Whatever is under way ends with what drives it.
  const wasRun = one("#bulk [data-bulk-run]") !== null;
  one("#bulk-body").replaceChildren();
  if (wasRun) window.htmx.ajax("GET", location.pathname + location.search, { target: "#fleet", swap: "outerHTML" });
});

// --- the search box says what is searched for, unless somebody types in it

document.addEventListener("htmx:afterSettle", () => {
  const box = one("#fleet-q");
  const text = one("#fleet")?.dataset.text ?? "";
  if (box && document.activeElement !== box && box.value !== text) box.value = text;
});

one("[data-fleet-search]")?.addEventListener("submit", (event) => event.preventDefault());

// --- rows are read anew in place: nothing moves, what is selected stays selected

let wanted = false;
let waiting = null;

async function refresh() {
  const body = one("[data-fleet-rows]");
  const rows = all("[data-fleet-rows] tr[data-device]");
  if (!body || rows.length === 0 || document.hidden) return;
  const url = new URL(body.dataset.rowsUrl, location.href);
  for (const row of rows) url.searchParams.append("id", row.dataset.device);
  let answer;
  try {
    answer = await fetch(url, { headers: { "HX-Request": "true" } });
  } catch {
    return; // the next one tells
  }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const row of rows) {
    const other = fresh.getElementById(row.id);
    row.classList.toggle("gone", !other);
    if (!other) continue;
    for (const cell of other.cells) {
      const mine = row.querySelector(`:scope > .${CSS.escape(cell.className)}`);
      if (mine && mine.innerHTML !== cell.innerHTML && !mine.contains(document.activeElement)) {
        mine.replaceChildren(...cell.childNodes);
      }
    }
  }
}

function soon() {
  wanted = true;
  waiting ??= setTimeout(() => {
    waiting = null;
    if (wanted) refresh();
    wanted = false;
  }, AFTER_MS);
}

document.addEventListener("live:status", (event) => {
  if (document.getElementById(`row-${event.detail.device_id}`)) soon();
});
setInterval(refresh, EVERY_MS);
show();
