"use strict";
// Makes elements and writes numbers. Text is only ever set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `el("a", {href: "x", class: "y", onclick: f}, "text", child)`. */
function el(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** Make an SVG element, as `el` does. */
function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    // To assistive software, false and absent are not the same.
    if (name.startsWith("aria-")) element.setAttribute(name, String(value));
    else if (value === false) continue;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Draw a place anew; what had the focus has it again, found by its `data-key`. */
function redrawKeepingFocus(place, draw) {
  const focused = document.activeElement;
  const key = place.contains(focused) ? focused.dataset.key : undefined;
  draw();
  const again = key && place.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (again) again.focus({ preventScroll: true });
}

function byId(id) {
  return document.getElementById(id);
}

const WHOLE = new Intl.NumberFormat("en");
const TIME = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

function whole(number) {
  return WHOLE.format(number);
}

function plural(number, word) {
  return `${whole(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** Write money; what has no price is said to have none, never $0. */
function usd(amount) {
  if (amount === null || amount === undefined) return "unpriced";
  return `$${amount.toLocaleString("en", {
    minimumFractionDigits: 2,
    maximumFractionDigits: amount >= 1 || amount === 0 ? 2 : 4,
  })}`;
}

function seconds(value) {
  if (value === 0) return "0";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${trimmed(value)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${pad(value % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

function pad(value) {
  return String(Math.floor(value)).padStart(2, "0");
}

/** Write at most three digits that mean something. */
function trimmed(value) {
  return String(Number(value.toPrecision(value >= 100 ? 4 : 3)));
}

function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const kilo = bytes / 1000;
  return kilo < 1000 ? `${trimmed(kilo)} kB` : `${trimmed(kilo / 1000)} MB`;
}

function moment(milliseconds) {
  return TIME.format(new Date(milliseconds));
}

/** Write any JSON value for a person. */
function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
