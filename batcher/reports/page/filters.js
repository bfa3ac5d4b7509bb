"use strict";
// Which requests are shown, and in which order: facets, search, sorting.

const MOST_VALUES = 60; // a variable with more is for the search, not for a list
const ORDERS = {
  "In the ledger's order": (a, b) => a.index - b.index,
  "By name": (a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true }),
  "Newest first": (a, b) => (b.time || 0) - (a.time || 0),
  "Slowest first": (a, b) => (b.latency || 0) - (a.latency || 0),
  "Dearest first": (a, b) => (b.cost_usd || 0) - (a.cost_usd || 0),
  "Most attempts first": (a, b) => (b.attempts || 0) - (a.attempts || 0),
};

const facet = (title, valuesOf) => ({ title, valuesOf });
const one = (read) => (request) => {
  const value = read(request);
  return value === null || value === undefined ? NONE : [plain(value)];
};

/** Every facet: its title and the values a request has in it; variables come third. */
const FACETS = [
  facet("Status", (request) => [STATUSES[request.status].word]),
  facet("Mark", (request) => [MARK_WORDS[markOf(request)]]),
  facet("Model", one((request) => request.request.model)),
  facet("Size", one(sizeOf)),
  facet("Quality", one((request) => request.request.quality)),
  facet("Error", one(errorOf)),
  facet("Warning", (request) => request.warnings),
];
const variables = new Set();

REPORT.requests.forEach(noticeVariables);

const chosen = new Map(); // facet → set of the values asked for
let words = [];
let order = Object.keys(ORDERS)[0];

/** Give every variable that is new a facet, after those of the others. */
function noticeVariables(request) {
  for (const name of Object.keys(request.vars)) {
    if (variables.has(name)) continue;
    const added = { ...facet(name, one((each) => each.vars[name])), variable: true };
    FACETS.splice(2 + variables.size, 0, added);
    variables.add(name);
  }
}

/** Count a facet's values; null for one with too many to list. */
function countValues(facet, most = MOST_VALUES) {
  const counts = new Map();
  for (const request of REPORT.requests) {
    for (const value of facet.valuesOf(request)) {
      counts.set(value, (counts.get(value) || 0) + 1);
    }
    if (counts.size > most) return null;
  }
  return counts;
}

/** Put values as the ledger first named them, numbers by size. */
function inOrder(values) {
  const isNumeric = values.every((value) => value !== "" && !Number.isNaN(Number(value)));
  return isNumeric ? values.sort((a, b) => a - b) : values;
}

/** Give the requests that pass every facet and hold every word, in order. */
function selectRequests() {
  const asked = FACETS.filter((facet) => chosen.has(facet));
  const passes = (request) =>
    asked.every((facet) => {
      const values = chosen.get(facet);
      return facet.valuesOf(request).some((value) => values.has(value));
    }) && words.every((word) => haystack(request).includes(word));
  const selected = REPORT.requests.filter(passes);
  return order === Object.keys(ORDERS)[0] ? selected : selected.sort(ORDERS[order]);
}

function isFiltered() {
  return chosen.size > 0 || words.length > 0;
}

/** Give what the search looks in; made when first needed. */
function haystack(request) {
  if (request.haystack === undefined) {
    const revised = request.images.map((image) => image.revised_prompt || "");
    const parts = [nameOf(request), request.id, request.prompt || "", ...revised];
    request.haystack = parts.join("\n").toLowerCase();
  }
  return request.haystack;
}

function search(text) {
  words = text.toLowerCase().split(/\s+/).filter(Boolean);
}

function choose(facet, value, isAsked) {
  const values = chosen.get(facet) || new Set();
  if (isAsked) values.add(value);
  else values.delete(value);
  if (values.size) chosen.set(facet, values);
  else chosen.delete(facet);
}

/** Draw the facets; `onChange` is called after each choice. */
function drawFilters(place, onChange) {
  const groups = FACETS.map((facet) => drawFacet(facet, onChange)).filter(Boolean);
  place.replaceChildren(...groups);
}

function drawFacet(facet, onChange) {
  const counts = countValues(facet);
  const isMark = facet.title === "Mark" && !facet.variable;
  if (!counts || (counts.size < 2 && !chosen.has(facet) && !isMark)) return null;
  const values = isMark ? Object.values(MARK_WORDS) : inOrder([...counts.keys()]);
  const rows = values.map((value) => drawValue(facet, value, counts.get(value) || 0, onChange));
  return el("fieldset", {},
    el("legend", {}, el("bdi", {}, facet.title)), ...rows);
}

function drawValue(facet, value, count, onChange) {
  const values = chosen.get(facet);
  const key = JSON.stringify([facet.title, value]);
  const box = el("input", { type: "checkbox", "data-key": key, onchange: (event) => {
    choose(facet, value, event.target.checked);
    onChange();
  } });
  box.checked = Boolean(values && values.has(value));
  const words = value === "" ? "(empty)" : value;
  return el("label", { class: "value" }, box,
    el("bdi", { class: "words", title: words }, words),
    el("span", { class: "quiet" }, whole(count)));
}

function clearFilters() {
  chosen.clear();
  words = [];
}
