"use strict";
// One request as a tile of the sheet or a cell of the grid.

/** Make a request's tile; `onOpen` is called with the request. */
function makeTile(request, { onOpen, caption = true }) {
  const image = coverOf(request);
  const mark = markOf(request);
  const button = el("button", {
    type: "button",
    class: `tile is-${request.status} mark-${mark}`,
    "data-index": request.index,
    "aria-label": describeTile(request),
    onclick: () => onOpen(request),
  });
  button.append(image ? makeBed(request, image) : makeReason(request));
  if (mark !== "none") button.append(el("span", { class: "mark", "aria-hidden": true }, mark === "pick" ? "★" : "✕"));
  if (caption) button.append(makeCaption(request));
  return button;
}

function describeTile(request) {
  const parts = [nameOf(request), STATUSES[request.status].word.toLowerCase()];
  if (!coverOf(request)) parts.push(reasonOf(request));
  if (request.images.length > 1) parts.push(plural(request.images.length, "image"));
  if (request.warnings.length) parts.push(`warning: ${request.warnings.join(", ")}`);
  if (markOf(request) !== "none") parts.push(MARK_WORDS[markOf(request)].toLowerCase());
  return parts.filter(Boolean).join("; ");
}

function makeBed(request, image) {
  const picture = el("img", { alt: "", loading: "lazy", decoding: "async", draggable: "false" });
  const bed = el("span", { class: "bed" }, picture);
  picture.addEventListener("error", () => {
    if (picture.getAttribute("src") === image.src) bed.replaceChildren("The file cannot be shown.");
    else picture.src = image.src;
  });
  picture.src = image.thumb || image.src;
  if (request.images.length > 1) bed.append(el("span", { class: "badge" }, `${request.images.length} images`));
  return bed;
}

function makeReason(request) {
  const { word, sign } = STATUSES[request.status];
  return el("span", { class: `bed reason is-${request.status}` },
    el("span", { class: "sign", "aria-hidden": true }, sign),
    el("strong", {}, errorOf(request) ? `${word}: ${errorOf(request)}` : word),
    el("bdi", { class: "why" }, reasonOf(request)));
}

function makeCaption(request) {
  const caption = el("span", { class: "caption" }, el("bdi", { class: "name" }, nameOf(request)));
  if (request.warnings.length) {
    caption.append(el("span", { class: "warn", title: request.warnings.join(", ") }, "⚠"));
  }
  if (coverOf(request) && request.status !== "succeeded") {
    caption.append(el("span", { class: `chip is-${request.status}` }, STATUSES[request.status].word));
  }
  return caption;
}
