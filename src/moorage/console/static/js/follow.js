// The log of a device: new lines as they come, older ones when asked for, and never more of them in
// the page than a browser scrolls with ease.
//
// Lines are <li data-key> whose keys sort as the lines do. A list's first row says where it goes on:
// data-older, data-newer, data-follow. At the end of the log it is followed; who scrolls up is left
// alone, and what comes in waits behind a button.
import { connectionIsLost } from "./requests.js";

const MOST_LINES = 2000;
const MOST_WAITING = 1000;
const EVERY_MS = 1500;
const AT_END_PX = 24;
const AWAY = "the server does not answer";

const pages = new WeakMap();
const pad = (number, length = 2) => String(number).padStart(length, "0");

function current() {
  const log = document.querySelector("[data-log]");
  if (!log) return null;
  if (!pages.has(log)) pages.set(log, new Log(log));
  return pages.get(log);
}

async function fetched(address) {
  const answer = await fetch(address, { headers: { "HX-Request": "true" } });
  if (!answer.ok) {
    throw new Error(answer.status === 401 ? "you are signed out" : `refused (${answer.status})`);
  }
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const rows = [...template.content.querySelectorAll("li[data-key]")];
  rows.forEach(tellTime);
  return { rows, ends: template.content.querySelector("[data-log-ends]").dataset };
}

// Times in the reader's own zone, short: the whole of it stands in the title.
function tellTime(row) {
  const time = row.querySelector(".log-time");
  const at = new Date(time?.dataset.at ?? "");
  if (Number.isNaN(at.getTime())) return;
  const day = `${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((one) => pad(one)).join(":");
  time.textContent = `${day} ${clock}.${pad(at.getMilliseconds(), 3)}`;
}

class Log {
  constructor(log) {
    this.log = log;
    this.part = (name) => log.querySelector(`[data-log-${name}]`);
    this.rows = this.part("rows");
    const ends = this.part("ends");
    ({ older: this.older, newer: this.newer, follow: this.follow } = ends.dataset);
    ends.remove();
    this.lines().forEach(tellTime);
    this.waiting = [];
    this.trouble = "";
    this.busy = 0;
    this.last = Promise.resolve();
    this.following = Boolean(this.follow) && !log.hasAttribute("data-log-at-line");
    const mark = log.querySelector(".log-marked");
    if (mark) mark.scrollIntoView({ block: "center" });
    else this.toEnd();
    this.show();
  }

  lines() {
    return [...this.rows.querySelectorAll(":scope > [data-key]")];
  }

  isAtEnd() {
    const view = this.part("view");
    return view.scrollHeight - view.scrollTop - view.clientHeight <= AT_END_PX;
  }

  toEnd() {
    const view = this.part("view");
    view.scrollTop = view.scrollHeight;
  }

  show() {
    const waits = this.waiting.length;
    const many = waits >= MOST_WAITING ? `${MOST_WAITING}+` : waits;
    this.part("older-edge").hidden = !this.older;
    this.part("newer-edge").hidden = !this.newer;
    this.part("none").hidden = Boolean(this.rows.querySelector("[data-key]"));
    this.part("pending").hidden = waits === 0;
    this.part("pending").textContent = `${many} new line${waits === 1 ? "" : "s"}`;
    this.part("follow").hidden = !this.follow;
    this.part("follow").setAttribute("aria-pressed", String(this.following));
    this.part("word").textContent = this.following ? "Pause" : "Follow";
    this.part("play").hidden = this.following;
    this.part("pause").hidden = !this.following;
    this.part("newest").hidden = Boolean(this.follow);
    const state = this.following ? "following" : this.follow ? "paused" : "";
    const said = this.trouble || state;
    if (this.part("state").textContent !== said) this.part("state").textContent = said;
  }

  setFollowing(on) {
    this.following = on && Boolean(this.follow);
    if (this.following) this.release();
    this.show();
  }

  // Puts lines in by their keys: one may come late, and one may come twice.
  insert(rows) {
    for (const row of rows) {
      if (document.getElementById(row.id)) continue;
      let before = this.rows.lastElementChild;
      while (before && before.dataset.key > row.dataset.key) before = before.previousElementSibling;
      if (before) before.after(row);
      else if (!this.older || !this.rows.firstElementChild) this.rows.prepend(row);
    }
  }

  release() {
    this.insert(this.waiting.splice(0));
    const lines = this.lines();
    for (const old of lines.slice(0, Math.max(0, lines.length - MOST_LINES))) old.remove();
    if (lines.length > MOST_LINES) this.older = this.placeFrom("before");
    this.toEnd();
  }

  // The address of the lines before the first one here, or after the last.
  placeFrom(way) {
    const lines = this.lines().filter((line) => line.dataset.cursor);
    const line = way === "before" ? lines[0] : lines.at(-1);
    const here = new URL(this.part("newest").href);
    here.pathname += "/lines";
    here.searchParams.set(way, line.dataset.cursor);
    return here.pathname + here.search;
  }

  async look() {
    if (!this.follow || this.busy || document.hidden) return;
    await this.during(async () => {
      const { rows, ends } = await fetched(this.follow);
      if (!this.log.isConnected || !this.follow) return;
      this.follow = ends.follow;
      const known = new Set(this.waiting.map((row) => row.id));
      this.waiting.push(
        ...rows.filter((row) => !known.has(row.id) && !document.getElementById(row.id)),
      );
      if (this.following) this.release();
      else if (this.waiting.length > MOST_WAITING) this.letGo();
      return "again" in ends;
    });
  }

  // Too much waits: it is read again from where this page ends, when somebody wants it.
  letGo() {
    if (!this.rows.querySelector("[data-cursor]")) return this.waiting.splice(0, MOST_WAITING / 2);
    this.waiting = [];
    this.newer = this.placeFrom("after");
    this.follow = undefined;
  }

  async goOlder() {
    await this.during(async () => {
      if (!this.older) return;
      const { rows, ends } = await fetched(this.older);
      const view = this.part("view");
      const below = view.scrollHeight - view.scrollTop;
      this.rows.prepend(...rows.filter((row) => !document.getElementById(row.id)));
      this.older = ends.older;
      this.following = false;
      view.scrollTop = view.scrollHeight - below;
      const lines = this.lines();
      if (lines.length <= MOST_LINES) return;
      for (const late of lines.slice(MOST_LINES)) late.remove();
      this.waiting = [];
      this.follow = undefined;
      this.newer = this.placeFrom("after");
    });
  }

  async goNewer() {
    await this.during(async () => {
      if (!this.newer) return;
      const { rows, ends } = await fetched(this.newer);
      this.rows.append(...rows.filter((row) => !document.getElementById(row.id)));
      ({ newer: this.newer, follow: this.follow } = ends);
      const view = this.part("view");
      const lines = this.lines();
      const surplus = lines.slice(0, Math.max(0, lines.length - MOST_LINES));
      const above = view.scrollHeight;
      for (const old of surplus) old.remove();
      view.scrollTop -= above - view.scrollHeight;
      if (surplus.length) this.older = this.placeFrom("before");
    });
  }

  // One request after the other: each goes on from where the one before came to.
  during(work) {
    this.busy += 1;
    this.last = this.last.then(() => this.tried(work));
    return this.last;
  }

  async tried(work) {
    let again = false;
    try {
      again = await work();
      if (this.trouble) connectionIsLost(false);
      this.trouble = "";
    } catch (error) {
      this.trouble = error instanceof TypeError ? AWAY : error.message;
    }
    this.busy -= 1;
    this.show();
    if (again) this.look();
  }
}

document.addEventListener("click", (event) => {
  const log = event.target.closest("[data-log]") && current();
  if (!log) return;
  if (event.target.closest("[data-log-follow]")) log.setFollowing(!log.following);
  if (event.target.closest("[data-log-pending]")) log.setFollowing(true);
  if (event.target.closest("[data-log-older]")) log.goOlder();
  if (event.target.closest("[data-log-newer]")) log.goNewer();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-log-wrap]")) {
    current().rows.classList.toggle("log-nowrap", !event.target.checked);
  }
  if (event.target.matches("#log-span")) {
    document.querySelector("[data-log-between]").hidden = event.target.value !== "between";
  }
});

// Who scrolls up reads; who is at the end again goes on following.
let lastTop = 0;
document.addEventListener(
  "scroll",
  (event) => {
    const log = event.target.matches?.("[data-log-view]") && current();
    if (!log) return;
    const up = event.target.scrollTop < lastTop;
    lastTop = event.target.scrollTop;
    if (log.following && up && !log.isAtEnd()) log.setFollowing(false);
    else if (!log.following && !up && log.isAtEnd()) log.setFollowing(true);
  },
  true,
);

document.addEventListener("htmx:afterSwap", () => current());
current();
setInterval(() => current()?.look(), EVERY_MS);
