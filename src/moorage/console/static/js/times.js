// Times in the reader's own zone; "3 min ago" goes on counting.
const STEPS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];
const EVERY_MS = 5000;
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function spelled(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, unit] of STEPS) {
    if (whole >= 2 * size) return `${Math.floor(whole / size)} ${unit}`;
  }
  return `${whole} s`;
}

function tell(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const local = format.format(at);
    if (time.title !== local) time.title = local;
    if (!time.hasAttribute("data-ago")) {
      if (time.textContent !== local) time.textContent = local;
      continue;
    }
    const seconds = (Date.now() - at.getTime()) / 1000;
    const text = seconds < 0 ? `in ${spelled(-seconds)}` : `${spelled(seconds)} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
}

tell(document);
setInterval(() => document.hidden || tell(document), EVERY_MS);
document.addEventListener("htmx:afterSettle", (event) => tell(event.target));
