"use strict";
// The report's requests, with the fields filled in that the data leaves out.

const STATUSES = {
  succeeded: { word: "Kept", sign: "✓" },
  failed: { word: "Failed", sign: "!" },
  rejected: { word: "Rejected", sign: "⊘" },
  unknown: { word: "Unknown", sign: "?" },
  pending: { word: "Pending", sign: "…" },
};

const EMPTY = Object.freeze({});
const NONE = Object.freeze([]);

REPORT.requests.forEach((request, index) => {
  request.index = index;
  request.images = request.images || NONE;
  request.vars = request.vars || EMPTY;
  request.request = request.request || EMPTY;
  request.warnings = request.warnings || NONE;
  request.time = request.at ? Date.parse(request.at) : null;
});

/** Give what a person calls a request. */
function nameOf(request) {
  return request.name || request.id;
}

/** Give the first of a request's files that is still there. */
function coverOf(request) {
  return request.images.find((image) => image.src) || null;
}

/** Say why a request has no image to show. */
function reasonOf(request) {
  if (request.images.length && !coverOf(request)) return "The file is gone.";
  if (request.error && request.error.message) return request.error.message;
  if (request.is_replied) return "Paid; its image is still to be fetched.";
  if (request.status === "unknown") return "Sent, outcome not known, maybe billed.";
  return request.status === "pending" ? "Not made yet." : "";
}

/** Give the class of a request's failure, as the ledger names it. */
function errorOf(request) {
  return request.error ? request.error.class : null;
}

function sizeOf(request) {
  return request.request.size ? plain(request.request.size) : null;
}

/** Find the shape most images have, so that tiles fit them. */
function commonShape(requests) {
  const shapes = new Map();
  for (const request of requests) {
    const image = coverOf(request);
    if (!image || !image.height) continue;
    const shape = Math.min(1.8, Math.max(0.66, image.width / image.height)).toFixed(2);
    shapes.set(shape, (shapes.get(shape) || 0) + 1);
  }
  const [common] = [...shapes].sort((a, b) => b[1] - a[1]);
  return common ? Number(common[0]) : 1;
}
