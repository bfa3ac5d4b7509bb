"use strict";
// The page while it is served: takes what the server tells, and passes commands on.
// A page from disk has no `REPORT.live`, and nothing here is used.

const REST = 250; // ms between two redrawings, at least
const LONG_REST = 2000; // ms between two of the filters and the charts
const TROUBLE_SECONDS = 6; // for which the words about a refused command stay
const SHARE = 8; // a redrawing that took longer is followed by a rest that many times as long

/** Does some work soon, however often it is asked for, and rests in between. */
class Pacer {
  constructor(work, rest) {
    this.work = work;
    this.rest = rest;
    this.timer = null;
    this.next = 0;
  }

  ask() {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      const from = performance.now();
      this.work();
      const to = performance.now();
      this.next = to + Math.max(this.rest, SHARE * (to - from));
    }, Math.max(0, this.next - performance.now()));
  }
}

class Live {
  constructor({ onNews, onSlowNews }) {
    this.pacers = [new Pacer(onNews, REST), new Pacer(onSlowNews, LONG_REST)];
    this.isConnected = false;
    this.isOver = false;
    this.trouble = ""; // what the server said of a command that it did not take
    this.hasFieldChanged = false;
  }

  start() {
    byId("live").hidden = false;
    byId("pause").addEventListener("click", () => this.command(this.isPaused ? "resume" : "pause"));
    const field = byId("concurrency");
    field.addEventListener("input", () => { this.hasFieldChanged = true; });
    field.addEventListener("change", () => this.changeConcurrency(field));
    this.listen();
    this.show();
  }

  get isPaused() {
    return Boolean(REPORT.standing) && REPORT.standing.paused === "by hand";
  }

  listen() {
    const source = new EventSource(`events?after=${encodeURIComponent(REPORT.live.cursor)}`);
    const connect = (isConnected) => { this.isConnected = isConnected; this.show(); };
    source.addEventListener("open", () => connect(true));
    // A browser tries again by itself, but for an answer that is no stream.
    source.addEventListener("error", () => {
      this.isOver = source.readyState === EventSource.CLOSED;
      connect(false);
    });
    source.addEventListener("requests", (event) => this.takeRequests(JSON.parse(event.data)));
    source.addEventListener("run", (event) => this.takeRun(JSON.parse(event.data)));
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("end", () => {
      source.close();
      this.isOver = true;
      this.takeRun({ standing: null });
      connect(false);
    });
  }

  takeRequests(told) {
    const taken = told.map(takeRequest);
    taken.forEach(noticeVariables);
    settleFlights(Boolean(REPORT.standing), taken);
    this.ask();
  }

  takeRun(told) {
    Object.assign(REPORT, told);
    settleFlights(Boolean(REPORT.standing));
    this.show();
    this.ask();
  }

  ask() {
    for (const pacer of this.pacers) pacer.ask();
  }

  /** Say where the run stands, and let only what can be done be done. */
  show() {
    const { standing } = REPORT;
    const [words, status] = this.describe(standing);
    if (byId("live-words").textContent !== words) byId("live-words").textContent = words;
    byId("live-words").className = `live-words is-${status}`;
    const isAble = this.isConnected && Boolean(standing);
    if (this.isOver) byId("live-pace").textContent = "To see it again: batcher watch DIR";
    else byId("live-pace").textContent = isAble ? describePace(standing) : "";
    byId("live-controls").hidden = this.isOver || !REPORT.live.may_control;
    byId("pause").disabled = !isAble;
    byId("pause").textContent = this.isPaused ? "Resume" : "Pause";
    byId("concurrency").disabled = !isAble;
    if (standing && !this.hasFieldChanged) byId("concurrency").value = standing.concurrency;
  }

  describe(standing) {
    if (this.isOver) return ["No longer followed", "pending"];
    if (!this.isConnected) return ["Connecting…", "failed"];
    if (!standing) return ["No run is going on", "pending"];
    if (this.trouble) return [this.trouble, "rejected"];
    if (this.isPaused) return ["Paused", "failed"];
    if (standing.paused) return [`Waiting: ${standing.paused}`, "failed"];
    return ["Running", "succeeded"];
  }

  changeConcurrency(field) {
    this.hasFieldChanged = false;
    if (field.value) this.command("concurrency", field.value);
    else this.show();
  }

  /** Have the run told something; what comes of it is told by the next event. */
  async command(name, value = null) {
    try {
      const answer = await fetch("control", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name, value }),
      });
      this.trouble = answer.ok ? "" : await answer.text();
    } catch {
      this.trouble = "The command did not get through.";
    }
    this.show();
    if (this.trouble) setTimeout(() => this.forgive(), TROUBLE_SECONDS * 1000);
  }

  /** Say again how the run stands. */
  forgive() {
    this.trouble = "";
    this.show();
  }
}

function describePace({ in_flight, concurrency, rate, limit, seconds_left }) {
  const parts = [`${whole(in_flight)} of ${whole(concurrency)} in flight`, `${trimmed(rate)} images a minute`];
  if (limit) parts[1] += ` of at most ${trimmed(limit)}`;
  if (seconds_left) parts.push(`goes on in ${seconds(seconds_left)}`);
  return parts.join(" · ");
}
