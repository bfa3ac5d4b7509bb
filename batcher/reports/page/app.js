"use strict";
// Puts the page together: what is shown, when it is drawn anew, and the keys.

const VIEWS = ["sheet", "grid", "charts"];

let shown = []; // the requests that pass the filters, in order
let view = "sheet";

const lightbox = new Lightbox(byId("lightbox"), { onMark: mark, onClose: returnFocus });
const sheet = new Sheet(byId("sheet"), openRequest);

function openRequest(request) {
  lightbox.open(shown, request);
}

/** Show what the filters leave, in the current view. */
function refresh() {
  shown = selectRequests();
  byId("count").setAttribute("aria-live", "polite");
  showCount();
  drawView();
}

function showCount() {
  const total = REPORT.requests.length;
  byId("count").textContent = isFiltered() ? `${whole(shown.length)} of ${plural(total, "request")}` : plural(total, "request");
  byId("clear").hidden = !isFiltered();
}

/** Show what came in, and leave alone what the reader is at. */
function goOn() {
  shown = selectRequests();
  byId("count").setAttribute("aria-live", "off"); // nobody wants every image read out
  showCount();
  describeRun();
  if (view === "sheet") sheet.update(shown);
  if (view === "grid") redrawKeepingFocus(byId("grid"), () => drawMatrix(byId("grid"), shown, openRequest, { isKept: true }));
  lightbox.update(shown);
}

/** The same, of what takes longer to draw and is read more slowly. */
function goOnSlowly() {
  const filters = byId("filters");
  const charts = byId("charts");
  if (!filters.matches(":active")) redrawKeepingFocus(filters, () => drawFilters(filters, refresh));
  const isChoosing = document.activeElement.matches("#charts select");
  if (view === "charts" && !isChoosing) redrawKeepingFocus(charts, () => drawCharts(charts, shown));
}

function drawView() {
  for (const name of VIEWS) {
    byId(name).hidden = name !== view;
    if (name !== "sheet" && name !== view) byId(name).replaceChildren();
  }
  byId("order").hidden = view === "charts";
  if (view === "sheet") sheet.show(shown);
  if (view === "grid") drawMatrix(byId("grid"), shown, openRequest);
  if (view === "charts") drawCharts(byId("charts"), shown);
}

function changeView() {
  const asked = location.hash.slice(1);
  view = VIEWS.includes(asked) ? asked : "sheet";
  for (const tab of document.querySelectorAll("[data-view]")) {
    if (tab.dataset.view === view) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  drawView();
  scrollTo({ top: 0, behavior: "instant" });
}

function mark(request, word) {
  toggleMark(request, word);
  showMarks();
  drawFilters(byId("filters"), refresh);
  // A request that no longer passes stays in view until the filters change.
  if (view === "sheet") sheet.redraw();
  else drawView();
}

function showMarks() {
  const button = byId("save");
  button.disabled = marks.size === 0;
  button.textContent = marks.size ? `Save ${plural(marks.size, "mark")}` : "Save marks";
}

/** After the lightbox: focus the tile of the request that was last looked at. */
function returnFocus(request) {
  if (view === "sheet") {
    const position = sheet.requests.findIndex((each) => each.id === request.id);
    if (position >= 0) sheet.focus(position);
    return;
  }
  const tile = document.querySelector(`[data-index="${request.index}"]`);
  if (tile) tile.focus();
}

function describeRun() {
  const { title } = REPORT;
  const summary = withFlights(REPORT.summary);
  document.title = REPORT.live ? `${whole(summary.succeeded)} of ${whole(summary.total)} · ${title}` : `${title} · report`;
  byId("title").textContent = title;
  const last = REPORT.runs[REPORT.runs.length - 1];
  const from = last ? `${last.manifests.join(", ")} at ${last.endpoint}` : "";
  const made = REPORT.live ? "" : `made ${moment(Date.parse(REPORT.made_at))}`;
  byId("subtitle").textContent = [from, made].filter(Boolean).join(" · ");
  const numbers = [
    ["kept", `${whole(summary.succeeded)} of ${whole(summary.total)}`, "succeeded"],
    ["images", whole(summary.images)],
    ["failed", summary.failed && whole(summary.failed), "failed"],
    ["rejected", summary.rejected && whole(summary.rejected), "rejected"],
    ["in flight", summary.in_flight && whole(summary.in_flight), "in_flight"],
    ["unknown", summary.unknown && whole(summary.unknown), "unknown"],
    ["lost", summary.lost && whole(summary.lost), "lost"],
    ["pending", summary.pending > summary.lost && whole(summary.pending - summary.lost), "pending"],
    ["spent", usd(summary.spent_usd)],
    ["maybe billed", summary.maybe_billed_usd && usd(summary.maybe_billed_usd), "unknown"],
  ];
  byId("numbers").replaceChildren(...numbers.filter(([, value]) => value).map(([term, value, status]) =>
    el("div", { class: status ? `is-${status}` : "" }, el("dt", {}, term), el("dd", {}, value))));
}

/** Set apart from what is unknown what is only not known yet. */
function withFlights(summary) {
  const { standing } = REPORT;
  if (!standing) return summary;
  const out = Math.min(standing.in_flight, summary.unknown);
  return { ...summary, in_flight: out, unknown: summary.unknown - out, maybe_billed_usd: standing.maybe_billed_usd };
}

function toggleFilters(isOpen = !document.body.classList.contains("has-filters")) {
  document.body.classList.toggle("has-filters", isOpen);
  byId("toggle-filters").setAttribute("aria-expanded", String(isOpen));
}

function clearAll() {
  clearFilters();
  byId("search").value = "";
  drawFilters(byId("filters"), refresh);
  refresh();
  byId("search").focus();
}

/** Find the request whose tile has the focus. */
function focusedRequest() {
  const tile = document.activeElement.closest(".tile");
  return tile ? REPORT.requests[Number(tile.dataset.index)] : null;
}

function onKey(event) {
  const isTyping = event.target.matches("input[type=search], select, textarea");
  if (event.key === "Escape" && event.target.id === "search") event.target.blur();
  if (isTyping || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const request = focusedRequest();
  const actions = {
    "/": () => byId("search").focus(),
    "?": () => byId("help").showModal(),
    p: request && (() => mark(request, "pick")),
    x: request && (() => mark(request, "reject")),
    ArrowDown: document.activeElement === document.body && view === "sheet" && (() => sheet.focus(sheet.current)),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

function start() {
  byId("order").append(...Object.keys(ORDERS).map((words) => el("option", {}, words)));
  byId("order").addEventListener("change", (event) => { order = event.target.value; refresh(); });
  byId("search").addEventListener("input", (event) => { search(event.target.value); refresh(); });
  byId("clear").addEventListener("click", clearAll);
  byId("save").addEventListener("click", saveMarks);
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("toggle-filters").addEventListener("click", () => toggleFilters());
  addEventListener("hashchange", changeView);
  document.addEventListener("keydown", onKey);
  describeRun();
  drawFilters(byId("filters"), refresh);
  showMarks();
  shown = selectRequests();
  changeView();
  refresh();
  if (REPORT.live) new Live({ onNews: goOn, onSlowNews: goOnSlowly }).start();
}

start();
