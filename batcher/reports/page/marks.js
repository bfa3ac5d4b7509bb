"use strict";
// Picks and rejects: kept in the browser, saved as a CSV file.

const MARK_WORDS = { pick: "Picked", reject: "Rejected by me", none: "Unmarked" };

/** Name the place where a browser keeps them: the first run's, once it has begun. */
function marksKey() {
  return `batcher.marks.${REPORT.runs.length ? REPORT.runs[0].run : REPORT.title}`;
}

const marks = readMarks(); // id → "pick" or "reject"

/** Read what an earlier visit left; a browser may refuse to keep anything. */
function readMarks() {
  try {
    const kept = JSON.parse(localStorage.getItem(marksKey())) || {};
    return new Map(Object.entries(kept).filter(([, mark]) => mark in MARK_WORDS));
  } catch {
    return new Map();
  }
}

function markOf(request) {
  return marks.get(request.id) || "none";
}

/** Mark a request, or take the same mark back. */
function toggleMark(request, mark) {
  if (markOf(request) === mark) marks.delete(request.id);
  else marks.set(request.id, mark);
  try {
    localStorage.setItem(marksKey(), JSON.stringify(Object.fromEntries(marks)));
  } catch {
    // They last as long as the page; saving them still works.
  }
}

/** Write the marks as CSV (RFC 4180), in the ledger's order. */
function marksAsCsv() {
  const marked = REPORT.requests.filter((request) => marks.has(request.id));
  const rows = marked.map((request) => [request.id, request.name || "", marks.get(request.id)]);
  return [["id", "name", "mark"], ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function saveMarks() {
  const url = URL.createObjectURL(new Blob([marksAsCsv()], { type: "text/csv" }));
  el("a", { href: url, download: `${REPORT.title}-marks.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
