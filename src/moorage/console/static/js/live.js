// What happens in the workspace, as events on <body>: live:hello, live:status, live:event, live:log.
// A page part asks for itself anew with hx-trigger="live:status from:body throttle:2s".
//
// One connection for each page that is looked at: a browser has six for one server, and a tab in the
// background needs none.
import { connectionIsLost } from "./requests.js";

const KINDS = ["hello", "status", "event", "log"];
const HIDDEN_FOR_MS = 15000;
const AGAIN_MS = [1000, 2000, 5000, 10000, 30000];
const WORDS = { live: "live", connecting: "connecting", away: "not live", over: "signed out" };

let source = null;
let hiding = null;
let tries = 0;

function show(state) {
  for (const one of document.querySelectorAll("[data-live-state]")) {
    one.dataset.liveState = state;
    one.querySelector(".live-word").textContent = WORDS[state];
  }
}

function close() {
  source?.close();
  source = null;
}

async function open() {
  const url = document.body?.dataset.live;
  if (!url || source || document.hidden) return;
  source = new EventSource(url);
  for (const kind of KINDS) {
    source.addEventListener(kind, (message) => {
      tries = 0;
      show("live");
      connectionIsLost(false);
      const detail = JSON.parse(message.data);
      document.body.dispatchEvent(new CustomEvent(`live:${kind}`, { detail, bubbles: true }));
    });
  }
  source.addEventListener("error", () => {
    // While it connects anew by itself there is nothing to do; closed, it was refused.
    if (source?.readyState !== EventSource.CLOSED) return show("connecting");
    close();
    later();
  });
}

async function later() {
  show("away");
  try {
    const answer = await fetch("/console/session", { headers: { "HX-Request": "true" } });
    if (answer.status === 401) return show("over");
  } catch {
    // the server is away: try on
  }
  const pause = AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)];
  setTimeout(open, pause);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(close, HIDDEN_FOR_MS);
  else open();
});
document.addEventListener("moorage:signed-in", open);
addEventListener("pagehide", close);
addEventListener("pageshow", open);
open();
