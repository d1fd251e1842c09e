// Charts of telemetry: data-charts names where the figures are. A line is a mean; the band around it
// reaches from the lowest sample of its span to the highest. Colours are the page's, in both themes.
const EVERY_MS = 30000;
const HEIGHT = 150;
const PERCENT = { min: 0, max: 100, format: (value) => `${value.toFixed(0)} %` };
const CHARTS = [
  { title: "CPU", ...PERCENT, lines: [["cpu_percent", "CPU"]] },
  { title: "Memory", ...PERCENT, lines: [["memory_percent", "Memory"]] },
  { title: "Disk", ...PERCENT, lines: [["disk_percent", "Disk"]] },
  { title: "GPU", ...PERCENT, lines: [["gpu_percent", "GPU"]] },
  { title: "Temperature", format: (value) => `${value.toFixed(0)} °C`, lines: [["temperature_c", "Temperature"]] },
  {
    title: "Network",
    min: 0,
    format: rate,
    lines: [
      ["network_upload_bytes_per_sec", "Sending"],
      ["network_download_bytes_per_sec", "Receiving"],
    ],
  },
];
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

function rate(value) {
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 1024 && at < UNITS.length - 1) {
    left /= 1024;
    at += 1;
  }
  return `${left.toFixed(at && left < 10 ? 1 : 0)} ${UNITS[at]}/s`;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    text: of("--chart-text"),
    grid: of("--chart-grid"),
    lines: [of("--chart-first"), of("--chart-second")],
    band: of("--chart-band"),
  };
}

const shown = (value, format) => (value === null || value === undefined ? "–" : format(value));

// Times in the reader's own zone, in 24 hours.
function times(values, span) {
  const options = span > 2 * 86400 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hour12: false };
  const format = new Intl.DateTimeFormat(undefined, options);
  return values.map((value) => format.format(value * 1000));
}

const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function summary(chart, found) {
  const parts = chart.lines.map(([name, title]) => {
    const values = (found.series[name] ?? []).filter((value) => value !== null);
    if (!values.length) return null;
    const peaks = (found.series[`${name}_max`] ?? values).filter((value) => value !== null);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const named = chart.lines.length > 1 ? `${title.toLowerCase()} ` : "";
    return `${named}mean ${chart.format(mean)}, highest ${chart.format(Math.max(...peaks))}`;
  });
  return parts.filter(Boolean).join("; ");
}

function options(chart, found, width, colour) {
  const series = [{ value: (_, value) => (value === null ? "–" : whole.format(value * 1000)), label: "At" }];
  const data = [found.at];
  const bands = [];
  chart.lines.forEach(([name, title], at) => {
    if (!found.series[name]) return;
    data.push(found.series[name]);
    series.push({ label: title, stroke: colour.lines[at], width: 1.5, points: { size: 4 }, value: (_, value) => shown(value, chart.format) });
    const peaks = found.series[`${name}_max`];
    if (!peaks) return;
    for (const [label, values] of [["Highest", peaks], ["Lowest", found.series[`${name}_min`]]]) {
      data.push(values);
      series.push({ label, stroke: colour.band, width: 1, points: { show: false }, value: (_, value) => shown(value, chart.format) });
    }
    bands.push({ series: [series.length - 2, series.length - 1], fill: colour.band });
  });
  const axis = { stroke: colour.text, grid: { stroke: colour.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const scale = chart.max !== undefined ? { range: [chart.min, chart.max] } : { range: (_, low, high) => [chart.min ?? Math.floor(low - 1), high > (chart.min ?? low) ? high * 1.1 : (chart.min ?? low) + 1] };
  return {
    options: {
      width,
      height: HEIGHT,
      series,
      bands,
      scales: { x: { range: [found.start, found.end] }, y: scale },
      axes: [
        { ...axis, values: (_, values) => times(values, found.end - found.start), space: 70, size: 28 },
        { ...axis, values: (_, values) => values.map(chart.format), size: 62, space: 36 },
      ],
      cursor: { sync: { key: "device" }, drag: { x: false, y: false } },
      legend: { live: true },
    },
    data,
  };
}

const widthOf = (box) => Math.max(200, Math.floor(box.clientWidth));

function draw(place, found) {
  for (const old of place.plots ?? []) old.destroy();
  place.plots = [];
  place.found = found;
  const wanted = CHARTS.filter((chart) => chart.lines.some(([name]) => found.series[name]));
  place.replaceChildren();
  if (!wanted.length) {
    const nothing = document.createElement("p");
    nothing.className = "text-secondary";
    nothing.textContent = "No samples in this time.";
    place.append(nothing);
    return;
  }
  const grid = document.createElement("div");
  grid.className = "charts";
  place.append(grid);
  const colour = colours();
  const boxes = wanted.map((chart) => {
    const box = document.createElement("figure");
    box.className = "chart";
    const title = document.createElement("figcaption");
    title.textContent = chart.title;
    const said = document.createElement("span");
    said.className = "text-secondary chart-summary";
    said.textContent = summary(chart, found);
    title.append(" ", said);
    box.append(title);
    grid.append(box);
    return box;
  });
  // Only now are the boxes as wide as they will be.
  wanted.forEach((chart, at) => {
    const box = boxes[at];
    const made = options(chart, found, widthOf(box), colour);
    place.plots.push(new window.uPlot(made.options, made.data, box));
    box.querySelector("canvas").setAttribute("aria-hidden", "true");
  });
}

async function load(place) {
  if (document.hidden && place.found) return;
  try {
    const answer = await fetch(place.dataset.charts, { headers: { "HX-Request": "true" } });
    if (!answer.ok) throw new Error(String(answer.status));
    draw(place, await answer.json());
  } catch {
    if (place.found) return; // what is there stays; the next turn may fare better
    const failed = document.createElement("p");
    failed.className = "text-secondary";
    failed.textContent = "The telemetry could not be read. It is tried again by itself.";
    place.replaceChildren(failed);
  }
}

const places = () => document.querySelectorAll("[data-charts]");
const redraw = () => places().forEach((place) => place.found && draw(place, place.found));

let resizing = null;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(redraw, 150);
});
document.addEventListener("moorage:theme", redraw);
setInterval(() => places().forEach(load), EVERY_MS);
places().forEach(load);
