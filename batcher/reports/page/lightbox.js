"use strict";
// One request at full size, beside everything the ledger knows of it.

class Lightbox {
  constructor(dialog, { onMark, onClose }) {
    this.dialog = dialog;
    this.onMark = onMark;
    this.onClose = onClose;
    this.requests = [];
    this.position = 0;
    this.number = 0; // which of the request's images
    dialog.addEventListener("keydown", (event) => this.onKey(event));
    dialog.addEventListener("close", () => this.onClose(this.request));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  get request() {
    return this.requests[this.position];
  }

  get isOpen() {
    return this.dialog.open;
  }

  open(requests, request) {
    this.requests = requests;
    this.go(requests.indexOf(request));
    this.dialog.showModal();
    this.dialog.querySelector(".panel").focus();
  }

  go(position) {
    if (position < 0 || position >= this.requests.length) return;
    this.position = position;
    this.number = Math.max(0, this.request.images.indexOf(coverOf(this.request)));
    this.draw();
  }

  /** Go on with requests of which some are new or changed. */
  update(requests) {
    if (!this.isOpen) return;
    const before = this.request;
    const position = requests.findIndex((request) => request.id === before.id);
    if (position < 0) return; // the filters leave it out: what was open stays
    this.requests = requests;
    this.position = position;
    if (this.request === before) {
      this.dialog.querySelector(".place").textContent = this.place();
      this.dialog.querySelector(".previous").disabled = position === 0;
      this.dialog.querySelector(".next").disabled = position === requests.length - 1;
    } else {
      this.number = Math.min(this.number, Math.max(0, this.request.images.length - 1));
      this.draw();
    }
  }

  place() {
    return `${whole(this.position + 1)} of ${whole(this.requests.length)}`;
  }

  draw() {
    const hadFocus = document.activeElement && document.activeElement.dataset.key;
    this.dialog.replaceChildren(this.makeStage(), this.makePanel());
    const again = hadFocus && this.dialog.querySelector(`[data-key="${hadFocus}"]`);
    if (this.isOpen) (again && !again.disabled ? again : this.dialog.querySelector(".panel")).focus();
  }

  makeStage() {
    const request = this.request;
    const image = request.images[this.number];
    const stage = el("div", { class: "stage" });
    stage.append(image && image.src ? this.makeImage(image) : makeReason(request));
    if (request.images.length > 1) stage.append(this.makeStrip());
    stage.append(
      this.makeButton("previous", "‹", "Previous", () => this.go(this.position - 1), this.position === 0),
      this.makeButton("next", "›", "Next", () => this.go(this.position + 1), this.position === this.requests.length - 1));
    return stage;
  }

  makeImage(image) {
    const picture = el("img", {
      alt: this.request.prompt || nameOf(this.request),
      decoding: "async",
      width: image.width,
      height: image.height,
      onclick: () => this.zoom(),
    });
    picture.addEventListener("error", () => picture.replaceWith(el("p", { class: "note" }, "The file cannot be shown.")));
    picture.src = image.src;
    return el("div", { class: "canvas" }, picture);
  }

  makeStrip() {
    const buttons = this.request.images.map((image, number) => el("button", {
      type: "button",
      "data-key": `image-${number}`,
      "aria-label": `Image ${number + 1} of ${this.request.images.length}`,
      "aria-pressed": number === this.number,
      onclick: () => { this.number = number; this.draw(); },
    }, String(number + 1)));
    return el("div", { class: "strip", role: "group", "aria-label": "Images of this request" }, ...buttons);
  }

  makeButton(key, sign, label, onclick, disabled = false) {
    return el("button", { type: "button", class: `round ${key}`, "data-key": key, "aria-label": label, onclick, disabled }, sign);
  }

  makePanel() {
    const request = this.request;
    return el("div", { class: "panel", tabindex: -1 },
      el("div", { class: "panel-head" },
        el("span", { class: `chip is-${request.status}` }, STATUSES[request.status].word),
        el("span", { class: "quiet place" }, this.place()),
        this.makeButton("close", "✕", "Close", () => this.dialog.close())),
      el("h2", { id: "lightbox-name" }, el("bdi", {}, nameOf(request))),
      this.makeMarks(),
      ...describeFailure(request),
      ...describePrompts(request, this.number),
      ...describeFacts(request, this.number));
  }

  makeMarks() {
    const mark = markOf(this.request);
    const button = (key, words, shortcut) => el("button", {
      type: "button",
      class: `mark-${key}`,
      "data-key": key,
      "aria-pressed": mark === key,
      onclick: () => this.mark(key),
    }, words, " ", el("kbd", { "aria-hidden": true }, shortcut));
    return el("div", { class: "marks", role: "group", "aria-label": "Mark" },
      button("pick", "★ Pick", "p"), button("reject", "✕ Reject", "x"));
  }

  mark(mark) {
    this.onMark(this.request, mark);
    this.draw();
  }

  zoom() {
    const canvas = this.dialog.querySelector(".canvas");
    if (canvas) canvas.classList.toggle("is-full");
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const actions = {
      ArrowLeft: () => this.go(this.position - 1),
      ArrowRight: () => this.go(this.position + 1),
      Home: () => this.go(0),
      End: () => this.go(this.requests.length - 1),
      p: () => this.mark("pick"),
      x: () => this.mark("reject"),
      z: () => this.zoom(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}

function describeFailure(request) {
  if (!request.error && request.status === "succeeded" && coverOf(request)) return [];
  const { class: kind, status, code } = request.error || {};
  const detail = [kind, status && `HTTP ${status}`, code].filter(Boolean).join(" · ");
  return [el("div", { class: `failure is-${request.status}` },
    detail ? el("strong", {}, detail) : null,
    el("p", {}, el("bdi", {}, reasonOf(request))))];
}

function describePrompts(request, number) {
  const image = request.images[number];
  const revised = image && image.revised_prompt;
  const block = (title, text) => [el("h3", {}, title), el("p", { class: "prompt", dir: "auto" }, text)];
  return [
    ...(request.prompt ? block("Prompt", request.prompt) : []),
    ...(revised ? block("Revised by the gateway", revised) : []),
  ];
}

function describeFacts(request, number) {
  return [
    ...facts("Variables", Object.entries(request.vars)),
    ...facts("Sent", Object.entries(request.request)),
    ...facts("Image", imageFacts(request.images[number])),
    ...facts("Outcome", outcomeFacts(request)),
  ];
}

function imageFacts(image) {
  if (!image) return [];
  const file = image.src ? el("a", { href: image.src, target: "_blank", rel: "noopener" }, image.path) : image.path;
  return [
    ["pixels", `${image.width} × ${image.height}`],
    ["format", `${image.format}, ${fileSize(image.bytes)}`],
    ["file", file],
  ];
}

function outcomeFacts(request) {
  return [
    ["attempts", request.attempts ? whole(request.attempts) : null],
    ["cost", ["succeeded", "lost"].includes(request.status) ? usd(request.cost_usd) : null],
    ["maybe billed", maybeBilled(request) ? usd(maybeBilled(request)) : null],
    ["latency", request.latency ? seconds(request.latency) : null],
    ["warnings", request.warnings.join(", ") || null],
    ["at", request.time === null ? null : moment(request.time)],
    ["request id", request.request_id],
    ["id", request.id],
  ];
}

/** Make a titled list of pairs; what is null or undefined is left out. */
function facts(title, pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined);
  if (!known.length) return [];
  const rows = known.map(([term, value]) => el("div", {},
    el("dt", {}, el("bdi", {}, term)),
    el("dd", {}, value instanceof Node ? value : el("bdi", {}, plain(value)))));
  return [el("h3", {}, title), el("dl", { class: "facts" }, ...rows)];
}
