"use strict";
// The contact sheet. Only the rows in view are in the document, so that a hundred
// thousand tiles scroll as ten do. One tile is in the tab order; arrows move it.

const GAP = 14;
const CAPTION = 34;
const SPARE_ROWS = 2; // above and below, so that scrolling meets drawn tiles

class Sheet {
  constructor(place, onOpen) {
    this.place = place;
    this.list = el("ul", { class: "sheet", role: "list" });
    this.onOpen = onOpen;
    this.requests = [];
    this.current = 0; // position of the tile in the tab order
    this.tiles = new Map(); // position → list item
    this.shape = null;
    place.append(this.list);
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("focusin", (event) => this.onFocus(event));
    addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(place);
  }

  /** Show requests of which some are new or changed; what is the same stays drawn. */
  update(requests) {
    const current = this.requests[this.current];
    const hadFocus = this.list.contains(document.activeElement);
    this.requests = requests;
    this.current = current ? Math.max(0, requests.findIndex((request) => request.id === current.id)) : 0;
    for (const [position, tile] of this.tiles) {
      if (requests[position] === tile.request) {
        tile.setAttribute("aria-setsize", requests.length);
        tile.firstChild.tabIndex = position === this.current ? 0 : -1;
        continue;
      }
      tile.remove();
      this.tiles.delete(position);
    }
    this.width = 0;
    this.measure();
    const tile = this.tiles.get(this.current);
    if (hadFocus && tile && !tile.contains(document.activeElement)) tile.firstChild.focus({ preventScroll: true });
  }

  show(requests) {
    this.requests = requests;
    this.current = Math.min(this.current, Math.max(0, requests.length - 1));
    this.redraw();
    this.measure();
  }

  /** Forget the drawn tiles, because what they show has changed. */
  redraw() {
    const hadFocus = this.list.contains(document.activeElement);
    this.tiles.clear();
    this.list.replaceChildren();
    this.width = 0;
    this.measure();
    if (hadFocus) this.focus(this.current);
  }

  measure() {
    const width = this.place.clientWidth;
    if (!width || width === this.width) return this.draw();
    this.width = width;
    this.shape = this.shape || commonShape(REPORT.requests);
    const narrow = width < 520;
    this.gap = narrow ? 10 : GAP;
    const wanted = narrow ? 150 : 215;
    this.columns = Math.max(narrow ? 2 : 1, Math.floor((width + this.gap) / (wanted + this.gap)));
    this.tileWidth = (width - (this.columns - 1) * this.gap) / this.columns;
    this.tileHeight = Math.round(this.tileWidth / (this.shape || 1)) + CAPTION;
    const rows = Math.ceil(this.requests.length / this.columns);
    this.list.style.height = `${rows * (this.tileHeight + this.gap)}px`;
    this.tiles.forEach((tile, position) => this.put(tile, position));
    this.draw();
  }

  /** Draw the rows in view, and remove the others. */
  draw() {
    if (this.place.hidden || !this.columns) return;
    const pitch = this.tileHeight + this.gap;
    const top = -this.list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / pitch) - SPARE_ROWS) * this.columns;
    const last = (Math.ceil((top + innerHeight) / pitch) + SPARE_ROWS) * this.columns;
    const isWanted = (position) =>
      (position >= first && position < last) || position === this.current;
    for (const [position, tile] of this.tiles) {
      if (isWanted(position)) continue;
      tile.remove();
      this.tiles.delete(position);
    }
    this.add(this.current);
    for (let position = first; position < last; position += 1) this.add(position);
  }

  add(position) {
    const request = this.requests[position];
    if (!request || this.tiles.has(position)) return;
    const button = makeTile(request, { onOpen: this.onOpen });
    button.tabIndex = position === this.current ? 0 : -1;
    button.dataset.position = position;
    const tile = el("li", { "aria-posinset": position + 1, "aria-setsize": this.requests.length }, button);
    tile.request = request;
    this.put(tile, position);
    this.tiles.set(position, tile);
    const next = [...this.tiles.keys()].filter((other) => other > position).sort((a, b) => a - b)[0];
    this.list.insertBefore(tile, next === undefined ? null : this.tiles.get(next));
  }

  put(tile, position) {
    const row = Math.floor(position / this.columns);
    const column = position % this.columns;
    tile.style.width = `${this.tileWidth}px`;
    tile.style.height = `${this.tileHeight}px`;
    tile.style.transform = `translate(${column * (this.tileWidth + this.gap)}px, ${row * (this.tileHeight + this.gap)}px)`;
  }

  /** Bring a tile into view and focus it. */
  focus(position) {
    this.current = Math.max(0, Math.min(position, this.requests.length - 1));
    this.reveal(this.current);
    this.draw();
    this.tiles.forEach((tile, at) => { tile.firstChild.tabIndex = at === this.current ? 0 : -1; });
    const tile = this.tiles.get(this.current);
    if (tile) tile.firstChild.focus({ preventScroll: true });
  }

  reveal(position) {
    const pitch = this.tileHeight + this.gap;
    const top = this.list.getBoundingClientRect().top + Math.floor(position / this.columns) * pitch;
    const bar = document.querySelector(".toolbar").offsetHeight + this.gap;
    if (top < bar) scrollBy({ top: top - bar, behavior: "instant" });
    else if (top + pitch > innerHeight) scrollBy({ top: top + pitch - innerHeight, behavior: "instant" });
  }

  onFocus(event) {
    const position = Number(event.target.dataset.position);
    if (Number.isNaN(position)) return;
    const before = this.tiles.get(this.current);
    if (before) before.firstChild.tabIndex = -1;
    this.current = position;
    event.target.tabIndex = 0;
  }

  onKey(event) {
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -this.columns,
      ArrowDown: this.columns,
      Home: -this.requests.length,
      End: this.requests.length,
    };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const target = this.current + step;
    const isFar = event.key === "Home" || event.key === "End";
    if (isFar || (target >= 0 && target < this.requests.length)) this.focus(target);
  }
}
