"use strict";
// The report's requests, with the fields filled in that the data leaves out.

const STATUSES = {
  succeeded: { word: "Kept", sign: "✓" },
  failed: { word: "Failed", sign: "!" },
  rejected: { word: "Rejected", sign: "⊘" },
  unknown: { word: "Unknown", sign: "?" },
  lost: { word: "Lost", sign: "✗" },
  in_flight: { word: "In flight", sign: "↑" },
  pending: { word: "Pending", sign: "…" },
};

const EMPTY = Object.freeze({});
const NONE = Object.freeze([]);

const positions = new Map(); // id → index

for (const request of REPORT.requests.splice(0)) takeRequest(request);

/** Take a request as it was told, in the place of what was told of it before. */
function takeRequest(told) {
  const index = positions.has(told.id) ? positions.get(told.id) : REPORT.requests.length;
  positions.set(told.id, index);
  REPORT.requests[index] = {
    ...told,
    index,
    images: told.images || NONE,
    vars: told.vars || EMPTY,
    request: told.request || EMPTY,
    warnings: told.warnings || NONE,
    time: told.at ? Date.parse(told.at) : null,
  };
  return REPORT.requests[index];
}

/** Say of what was sent whether it is still awaited; the ledger alone cannot know. */
function settleFlights(isRunning, requests = REPORT.requests) {
  const run = REPORT.runs[REPORT.runs.length - 1];
  const from = isRunning && run ? Date.parse(run.at) : Infinity;
  for (const request of requests) {
    if (request.error || !["unknown", "in_flight"].includes(request.status)) continue;
    const status = request.time >= from ? "in_flight" : "unknown";
    if (status !== request.status) REPORT.requests[request.index] = { ...request, status };
  }
}

settleFlights(Boolean(REPORT.standing));

/** Give what a person calls a request. */
function nameOf(request) {
  return request.name || request.id;
}

/** Give the first of a request's files that is still there. */
function coverOf(request) {
  return request.images.find((image) => image.src) || null;
}

/** Give what may have been billed for nothing: not what is still awaited. */
function maybeBilled(request) {
  return request.status === "in_flight" ? 0 : request.maybe_billed_usd || 0;
}

/** Say why a request has no image to show. */
function reasonOf(request) {
  if (request.status === "lost") {
    const what = coverOf(request) ? "A file has changed or is gone." : "The file is gone.";
    return `${what} The next run buys it again.`;
  }
  if (request.images.length && !coverOf(request)) return "The file is gone.";
  if (request.error && request.error.message) return request.error.message;
  if (request.is_replied) return "Paid; its image is still to be fetched.";
  if (request.status === "in_flight") return "Sent; the gateway is at it.";
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

/** Find the shape most images have, so that tiles fit them; null without images. */
function commonShape(requests) {
  const shapes = new Map();
  for (const request of requests) {
    const image = coverOf(request);
    if (!image || !image.height) continue;
    const shape = Math.min(1.8, Math.max(0.66, image.width / image.height)).toFixed(2);
    shapes.set(shape, (shapes.get(shape) || 0) + 1);
  }
  const [common] = [...shapes].sort((a, b) => b[1] - a[1]);
  return common ? Number(common[0]) : null;
}
