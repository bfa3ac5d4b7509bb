"use strict";
// The grid: two axes of the run as rows and columns of a table.

const MOST_CELLS = 2500;
const MOST_MORE = 50;
const axes = { row: null, column: null };
let drawn = new Map(); // a cell's row and column → its requests and its element

/** List what can be an axis: facets with a few values each, variables first. */
function axisFacets() {
  const known = FACETS.filter((facet) => facet.variable || ["Model", "Size", "Quality"].includes(facet.title));
  return known.filter((facet) => {
    const counts = countValues(facet, 200);
    return counts && counts.size > 1;
  });
}

/** Draw the grid of some requests; asked to keep, without drawing a same cell anew. */
function drawMatrix(place, requests, onOpen, { isKept = false } = {}) {
  if (!isKept) drawn = new Map();
  const facets = axisFacets();
  if (!facets.length) {
    place.replaceChildren(el("p", { class: "note" },
      "A grid needs a variable, model, size or quality that takes more than one value."));
    return;
  }
  axes.row = facets.find((facet) => facet === axes.row) || facets[0];
  axes.column = facets.find((facet) => facet === axes.column) || facets[1] || facets[0];
  const redraw = () => drawMatrix(place, requests, onOpen);
  const picker = el("div", { class: "axes" },
    axisPicker("Rows", "row", facets, redraw),
    axisPicker("Columns", "column", facets, redraw));
  const before = place.querySelector(".scroller");
  const { scrollTop, scrollLeft } = before || { scrollTop: 0, scrollLeft: 0 };
  const table = makeTable(requests, onOpen);
  place.replaceChildren(picker, table);
  if (isKept) table.scrollTo(scrollLeft, scrollTop);
}

function axisPicker(label, axis, facets, redraw) {
  const select = el("select", { onchange: (event) => {
    axes[axis] = facets[event.target.selectedIndex];
    redraw();
    document.querySelector(`.axes [data-key="${axis}"]`).focus();
  }, "data-key": axis },
  ...facets.map((facet) => el("option", {}, facet.title)));
  select.selectedIndex = facets.indexOf(axes[axis]);
  return el("label", {}, label, select);
}

function makeTable(requests, onOpen) {
  const { rows, columns, cells } = sortIntoCells(requests);
  if (rows.length * columns.length > MOST_CELLS) {
    return el("p", { class: "note" },
      `${whole(rows.length)} by ${whole(columns.length)} is too large a grid; choose other axes, or filter first.`);
  }
  const single = axes.row === axes.column;
  const head = el("tr", {}, el("td", {}),
    ...columns.map((value) => el("th", { scope: "col" }, el("bdi", {}, value))));
  const body = rows.map((row) => el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, row)),
    ...columns.map((column) => makeCell(JSON.stringify([row, column]), cells, onOpen))));
  const caption = single ? axes.row.title : `${axes.row.title} by ${axes.column.title}`;
  return el("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": caption },
    el("table", { class: "matrix" }, el("caption", { class: "hidden" }, caption),
      el("thead", {}, head), el("tbody", {}, ...body)));
}

function sortIntoCells(requests) {
  const rows = new Set();
  const columns = new Set();
  const cells = new Map();
  for (const request of requests) {
    const [row] = axes.row.valuesOf(request);
    const [column] = axes.column.valuesOf(request);
    if (row === undefined || column === undefined) continue;
    rows.add(row);
    columns.add(column);
    const key = JSON.stringify([row, column]);
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(request);
  }
  return { rows: axisValues(axes.row, rows), columns: axisValues(axes.column, columns), cells };
}

/** Give the values that occur, in an order that no filter and no sorting changes. */
function axisValues(facet, values) {
  return inOrder([...countValues(facet, Infinity).keys()].filter((value) => values.has(value)));
}

function makeCell(key, cells, onOpen) {
  const requests = cells.get(key) || NONE;
  const before = drawn.get(key);
  const isSame = before && before.requests.length === requests.length
    && requests.every((request, i) => request === before.requests[i]);
  const cell = isSame ? before.cell : drawCell(requests, onOpen);
  drawn.set(key, { requests, cell });
  return cell;
}

function drawCell(requests, onOpen) {
  if (!requests.length) return el("td", { class: "empty" }, el("span", { class: "hidden" }, "none"));
  const [shown, ...more] = [...requests].sort((a, b) => Boolean(coverOf(b)) - Boolean(coverOf(a)));
  const cell = el("td", {}, makeTile(shown, { onOpen, caption: false }));
  cell.querySelector(".tile").dataset.key = shown.id;
  if (more.length) cell.append(makeMore(more, onOpen));
  return cell;
}

/** Make what unfolds the rest of a cell; its tiles are made when it is unfolded. */
function makeMore(requests, onOpen) {
  const more = el("details", { class: "more", ontoggle: () => {
    if (!more.open || more.querySelector(".tile")) return;
    more.append(...requests.slice(0, MOST_MORE).map((request) => makeTile(request, { onOpen, caption: false })));
    const left = requests.length - MOST_MORE;
    if (left > 0) more.append(el("p", { class: "quiet" }, `and ${whole(left)} more: filter to see them`));
  } }, el("summary", {}, `${whole(requests.length)} more`));
  return more;
}
