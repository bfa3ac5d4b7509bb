"use strict";
// The four charts, of the requests that pass the filters.

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400]; // seconds
const MOST_BARS = 80;
const SHORTEST = 5; // seconds of a run that has a pace worth drawing
const MOST_ROWS = 12;

let runIndex = null; // which run the pace is drawn of

function drawCharts(place, requests) {
  const unfolded = new Set([...place.querySelectorAll("details[open] > summary")].map((each) => each.dataset.key));
  place.replaceChildren(el("div", { class: "charts" },
    paceChart(requests, () => drawCharts(place, requests)),
    latencyChart(requests), outcomeChart(requests), spendChart(requests)));
  for (const each of place.querySelectorAll("details > summary")) each.parentNode.open = unfolded.has(each.dataset.key);
}

/** Give the requests of a run that ended with images, by time. */
function imagesOf(run, next, requests) {
  const from = Date.parse(run.at);
  const to = next ? Date.parse(next.at) : Infinity;
  return requests.filter((r) => r.images.length && r.time !== null && r.time >= from && r.time < to);
}

function paceChart(requests, redraw) {
  const series = REPORT.runs.map((run, i) => ({ run, made: imagesOf(run, REPORT.runs[i + 1], requests) }));
  const shown = series.filter((each) => each.made.length);
  if (!shown.length) return emptyFigure("Images a minute", "No image was made.");
  if (runIndex === null || runIndex >= shown.length) runIndex = shown.length - 1;
  const { run, made } = shown[runIndex];
  const total = made.reduce((sum, request) => sum + request.images.length, 0);
  const lasted = (made.reduce((latest, request) => Math.max(latest, request.time), 0) - Date.parse(run.at)) / 1000;
  if (lasted < SHORTEST) {
    return emptyFigure("Images a minute", `${plural(total, "image")} in ${seconds(lasted)}: too short a run for a curve.`,
      shown.length > 1 ? runPicker(shown, redraw) : null);
  }
  const { from, to, step, bars } = binImages(run, made, lasted);
  const highest = Math.max(...bars.map((bar) => bar.rate));
  const words = `${plural(total, "image")} in ${seconds(lasted)}`
    + (run.ipm ? `, held to ${trimmed(run.ipm)} a minute` : ", no limit set");
  return figure({
    title: "Images a minute",
    words,
    control: shown.length > 1 ? runPicker(shown, redraw) : null,
    columns: ["From", "Images", "A minute"],
    rows: bars.map((bar) => [new Date(bar.from).toLocaleTimeString("en", { hourCycle: "h23" }), whole(bar.images), trimmed(bar.rate)]),
  }, drawPace({ from, to, step, bars, highest, limit: run.ipm, words }));
}

function runPicker(shown, redraw) {
  const select = el("select", { "aria-label": "Run", onchange: () => { runIndex = select.selectedIndex; redraw(); } },
    ...shown.map(({ run }) => el("option", {}, `Run of ${moment(Date.parse(run.at))}`)));
  select.selectedIndex = runIndex;
  return select;
}

function binImages(run, made, lasted) {
  const from = Date.parse(run.at);
  const step = STEPS.find((each) => lasted / each <= MOST_BARS) || STEPS[STEPS.length - 1];
  const count = Math.floor(lasted / step) + 1;
  const bars = Array.from({ length: count }, (_, i) => ({ from: from + i * step * 1000, images: 0, rate: 0 }));
  for (const request of made) {
    bars[Math.floor((request.time - from) / 1000 / step)].images += request.images.length;
  }
  for (const bar of bars) bar.rate = (bar.images * 60) / step;
  // The last bar may cover a part of its step; less than a quarter would say nothing.
  const end = bars[count - 1];
  end.rate = (end.images * 60) / Math.max(step / 4, lasted - (count - 1) * step);
  return { from, to: from + count * step * 1000, step, bars };
}

function drawPace({ from, to, step, bars, highest, limit, words }) {
  const values = ticks(Math.max(highest, limit || 0));
  const y = scale(0, values[values.length - 1], PLOT.height - PLOT.bottom, PLOT.top);
  const x = scale(from, to, PLOT.left, PLOT.width - PLOT.right);
  const width = Math.max(1, x(from + step * 1000) - x(from) - (bars.length > 40 ? 1 : 3));
  const marks = bars.filter((bar) => bar.rate).map((bar) => svg("rect", {
    class: "bar", x: x(bar.from) + 1, y: y(bar.rate), width, height: y(0) - y(bar.rate), rx: Math.min(3, width / 3),
  }, svg("title", {}, `${trimmed(bar.rate)} images a minute`)));
  const line = limit ? [
    svg("line", { class: "limit", x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y(limit), y2: y(limit) }),
    text(PLOT.width - PLOT.right, y(limit) - 6, `limit ${trimmed(limit)}`, { class: "limit-words", "text-anchor": "end" }),
  ] : [];
  return drawing({ title: "Images a minute over time", description: `${words}; at most ${trimmed(highest)} a minute.` },
    ...horizontalGrid(values, y, whole), ...timeAxis(from, to, x), ...marks, ...line);
}

function latencyChart(requests) {
  const bySize = new Map();
  for (const request of requests) {
    if (!request.latency) continue;
    const size = sizeOf(request) || "not set";
    if (!bySize.has(size)) bySize.set(size, []);
    bySize.get(size).push(request.latency);
  }
  const rows = [...bySize].map(([size, all]) => ({ size, count: all.length, ...spread(all) }))
    .sort((a, b) => b.count - a.count).slice(0, MOST_ROWS).sort((a, b) => a.half - b.half);
  if (!rows.length) return emptyFigure("Latency by size", "No request has a latency.");
  const columns = ["Size", "Requests", "5 %", "25 %", "Median", "75 %", "95 %"];
  return figure({
    title: "Latency by size",
    words: "Box: the middle half of the requests; line: 5 % to 95 %; mark: the median.",
    columns,
    rows: rows.map((r) => [r.size, whole(r.count), ...[r.low, r.quarter, r.half, r.most, r.high].map(seconds)]),
  }, drawLatency(rows));
}

/** Give the quantiles of some numbers. */
function spread(numbers) {
  const sorted = Float64Array.from(numbers).sort();
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  };
  return { low: at(0.05), quarter: at(0.25), half: at(0.5), most: at(0.75), high: at(0.95) };
}

function drawLatency(rows) {
  const pitch = 44;
  const left = 104;
  const bottom = PLOT.top + rows.length * pitch;
  const values = ticks(Math.max(...rows.map((row) => row.high)));
  const x = scale(0, values[values.length - 1], left, PLOT.width - 28);
  const grid = values.map((value) => svg("g", { class: "grid-line" },
    svg("line", { x1: x(value), x2: x(value), y1: PLOT.top, y2: bottom }),
    text(x(value), bottom + 20, values[values.length - 1] < 600 ? `${value} s` : seconds(value), { "text-anchor": "middle" })));
  const boxes = rows.map((row, i) => {
    const middle = PLOT.top + (i + 0.5) * pitch;
    const words = `${row.size}: median ${seconds(row.half)}, 95 % within ${seconds(row.high)}`;
    return svg("g", { class: "box" }, svg("title", {}, words),
      text(left - 12, middle - 1, row.size.replace("x", " × "), { "text-anchor": "end", class: "row-name" }),
      text(left - 12, middle + 14, plural(row.count, "request"), { "text-anchor": "end" }),
      svg("line", { x1: x(row.low), x2: x(row.high), y1: middle, y2: middle, class: "whisker" }),
      svg("rect", { x: x(row.quarter), y: middle - 9, width: Math.max(2, x(row.most) - x(row.quarter)), height: 18, rx: 4 }),
      svg("line", { x1: x(row.half), x2: x(row.half), y1: middle - 13, y2: middle + 13, class: "median" }));
  });
  const description = rows.map((row) => `${row.size}: median ${seconds(row.half)}`).join("; ");
  return drawing({ title: "Latency by size", description, height: bottom + 32 }, ...grid, ...boxes);
}

function outcomeChart(requests) {
  const counts = new Map();
  for (const request of requests) {
    const key = JSON.stringify([request.status, request.status === "succeeded" ? null : errorOf(request)]);
    counts.set(key, (counts.get(key) || 0) + 1);
  }
  const ended = [...counts].map(([key, count]) => {
    const [status, kind] = JSON.parse(key);
    return { label: kind ? `${STATUSES[status].word}: ${kind}` : STATUSES[status].word, count, status };
  });
  const order = Object.keys(STATUSES);
  ended.sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status) || b.count - a.count);
  const retried = isFiltered() ? [] : Object.entries(REPORT.retries).sort((a, b) => b[1] - a[1])
    .map(([kind, count]) => ({ label: `Tried again: ${kind}`, count, status: "retried" }));
  const rows = [...ended, ...retried].slice(0, 2 * MOST_ROWS);
  if (!rows.length) return emptyFigure("Outcomes", "There is nothing to count.");
  return figure({
    title: "Outcomes",
    words: retried.length ? "Requests by how they ended, and attempts that were followed by another." : "Requests by how they ended.",
    columns: ["Outcome", "Count"],
    rows: rows.map((row) => [row.label, whole(row.count)]),
  }, drawOutcomes(rows));
}

function drawOutcomes(rows) {
  const pitch = 34;
  const left = 190;
  const x = scale(0, Math.max(...rows.map((row) => row.count)), left, PLOT.width - 64);
  const bars = rows.map((row, i) => {
    const top = PLOT.top + i * pitch;
    return svg("g", { class: `outcome is-${row.status}` }, svg("title", {}, `${row.label}: ${whole(row.count)}`),
      text(left - 12, top + 16, row.label, { "text-anchor": "end", class: "row-name" }),
      svg("rect", { x: left, y: top + 2, width: Math.max(3, x(row.count) - left), height: 20, rx: 4 }),
      text(Math.max(left + 3, x(row.count)) + 8, top + 16, whole(row.count)));
  });
  const description = rows.map((row) => `${row.label} ${whole(row.count)}`).join("; ");
  return drawing({ title: "Outcomes by class", description, height: PLOT.top + rows.length * pitch + 8 }, ...bars);
}

function spendChart(requests) {
  const paid = requests.filter((r) => r.cost_usd !== undefined && r.time !== null).sort((a, b) => a.time - b.time);
  const maybe = requests.reduce((sum, request) => sum + maybeBilled(request), 0);
  if (!paid.length) return emptyFigure("Spend", "Nothing here has a price.");
  let sum = 0;
  const points = paid.map((request) => ({ at: request.time, sum: (sum += request.cost_usd) }));
  const words = `${usd(sum)} for ${plural(paid.length, "request")}, ${usd(sum / paid.length)} each`
    + (maybe ? `; maybe billed for nothing ${usd(maybe)}` : "");
  return figure({
    title: "Spend",
    words,
    columns: ["Model, size and quality", "Requests", "Spent"],
    rows: spendByKind(paid),
  }, drawSpend(thinned(points), words));
}

function spendByKind(paid) {
  const kinds = new Map();
  for (const request of paid) {
    const { model, size, quality } = request.request;
    const kind = [model, size, quality].filter(Boolean).map(plain).join(", ");
    const before = kinds.get(kind) || { count: 0, sum: 0 };
    kinds.set(kind, { count: before.count + 1, sum: before.sum + request.cost_usd });
  }
  return [...kinds].sort((a, b) => b[1].sum - a[1].sum).map(([kind, { count, sum }]) => [kind, whole(count), usd(sum)]);
}

/** Keep of many points about as many as the plot has pixels, the last one with them. */
function thinned(points) {
  const every = Math.ceil(points.length / PLOT.width);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

function drawSpend(points, words) {
  const from = points[0].at;
  const to = Math.max(points[points.length - 1].at, from + 1000);
  const values = ticks(points[points.length - 1].sum);
  const y = scale(0, values[values.length - 1], PLOT.height - PLOT.bottom, PLOT.top);
  const x = scale(from, to, PLOT.left, PLOT.width - PLOT.right);
  const steps = points.map((point) => `H${x(point.at).toFixed(1)}V${y(point.sum).toFixed(1)}`).join("");
  const line = `M${x(from)} ${y(0)}${steps}H${x(to)}`;
  return drawing({ title: "Spend over time", description: words },
    ...horizontalGrid(values, y, (value) => (value >= 100 ? `$${whole(value)}` : usd(value))), ...timeAxis(from, to, x),
    svg("path", { class: "area", d: `${line}V${y(0)}Z` }),
    svg("path", { class: "line", d: line }));
}

function emptyFigure(title, words, control = null) {
  return figure({ title, words, control, columns: [], rows: [] }, el("div", { class: "nothing", "aria-hidden": true }));
}
