"use strict";
// Draws small charts as SVG: a frame with labelled axes, and a figure with its table.

const PLOT = { width: 560, height: 260, left: 56, right: 16, top: 16, bottom: 36 };

/** Make a scale from values to pixels. */
function scale(from, to, start, end) {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

/** Give round values from 0 up to at least `most`. */
function ticks(most, wanted = 4) {
  if (!(most > 0)) return [0, 1];
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Give about five moments between two, and how to write them. */
function timeTicks(from, to) {
  const span = Math.max(1, to - from);
  const options = span > 864e5 ? { month: "short", day: "numeric", hour: "2-digit" }
    : span > 18e4 ? { hour: "2-digit", minute: "2-digit" }
      : { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const format = new Intl.DateTimeFormat("en", { ...options, hourCycle: "h23" });
  return Array.from({ length: 4 }, (_, i) => from + (span * i) / 3).map((at) => [at, format.format(new Date(at))]);
}

function text(x, y, words, attributes = {}) {
  return svg("text", { x, y, ...attributes }, words);
}

/** Draw the horizontal grid lines of a scale, with their labels. */
function horizontalGrid(values, y, write) {
  return values.map((value) => svg("g", { class: "grid-line" },
    svg("line", { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y(value), y2: y(value) }),
    text(PLOT.left - 8, y(value) + 4, write(value), { "text-anchor": "end" })));
}

function timeAxis(from, to, x) {
  return timeTicks(from, to).map(([at, words], i, all) => text(x(at), PLOT.height - 12, words, {
    "text-anchor": i === 0 ? "start" : i === all.length - 1 ? "end" : "middle",
  }));
}

/** Make a drawing that a screen reader announces by its title and description. */
function drawing({ title, description, height = PLOT.height }, ...marks) {
  const id = `plot-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return svg("svg", {
    viewBox: `0 0 ${PLOT.width} ${height}`,
    role: "img",
    "aria-labelledby": `${id} ${id}-words`,
  }, svg("title", { id }, title), svg("desc", { id: `${id}-words` }, description), ...marks);
}

/** Make a figure: title, one line of words, the drawing, and the same as a table. */
function figure({ title, words, columns, rows, control = null }, plot) {
  const table = el("table", {},
    el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {},
      ...row.map((cell, i) => el(i ? "td" : "th", i ? {} : { scope: "row" }, el("bdi", {}, cell)))))));
  return el("figure", { class: "card" },
    el("figcaption", {}, el("h2", {}, title), control, el("p", { class: "quiet" }, words)),
    plot,
    rows.length ? el("details", {}, el("summary", { "data-key": title }, "As a table"), el("div", { class: "scroller" }, table)) : null);
}
