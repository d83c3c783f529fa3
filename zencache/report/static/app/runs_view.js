// The list of runs: filtered by pipeline, state and text, of any length, and two of them to be compared.

import { el, fill, say } from "zencache/dom";
import { Rows } from "zencache/rows";
import { go, here, link } from "zencache/route";
import { source } from "zencache/source";
import { runPill } from "zencache/status";
import { count, moment, plural, seconds } from "zencache/format";

const FIRST = 100; // runs of the first page
const NEXT = 1000; // runs of each further page
const AT_ONCE = 20000; // runs that are fetched without being asked for
const SOON = 4000; // milliseconds until the newest are asked for again

export class RunsView {
  constructor() {
    this.title = "Runs";
    this.runs = [];
    this.hasMore = true;
    this.marked = new Set();
    this.search = el("input", { type: "search", class: "search", placeholder: "Find a run  /", "aria-label": "Find a run", oninput: () => this.#filterSoon(), onkeydown: (event) => { if (event.key === "ArrowDown") { event.preventDefault(); this.rows.focus(); } } });
    this.pipeline = el("select", { "aria-label": "Pipeline", onchange: () => this.#filterSoon() });
    this.status = el("select", { "aria-label": "State", onchange: () => this.#filterSoon() },
      el("option", { value: "", text: "Any state" }), ["completed", "failed", "running", "canceled"].map((name) => el("option", { value: name, text: name })));
    this.tally = el("p", { class: "hint", role: "status" });
    this.compare = el("a", { class: "button", hidden: true });
    this.rows = new Rows({ label: "Runs, the newest first", height: 56, make: (run) => this.#row(run), near: () => this.#more() });
    this.empty = el("p", { class: "empty", hidden: true });
    this.element = el("div", { class: "runs-view" },
      el("div", { class: "bar" }, el("h1", { text: "Runs" }), this.tally, el("div", { class: "filters" }, this.compare, this.search, this.pipeline, this.status)),
      el("div", { class: "run-row head", "aria-hidden": "true" }, el("span"), el("span", { text: "Run" }), el("span", { text: "State" }), el("span", { class: "when", text: "Started" }), el("span", { class: "right", text: "Took" }), el("span", { class: "right", text: "Saved" })),
      this.rows.element, this.empty);
  }

  async show({ pipeline = "", status = "", q = "" }) {
    this.search.value = q;
    this.status.value = status;
    this.isShown = true;
    if (!this.asked) {
      this.asked = true;
      const [{ runs, has_more: hasMore }, project] = await Promise.all([source.ask("runs", { limit: FIRST }), source.ask("project")]);
      this.runs = runs;
      this.hasMore = hasMore;
      fill(this.pipeline, el("option", { value: "", text: "Any pipeline" }), project.pipelines.map((name) => el("option", { value: name, text: name })));
      setTimeout(() => this.#fetch(), 300); // the first view first
    } else {
      this.#news();
    }
    this.pipeline.value = pipeline;
    this.#filter();
    this.#later();
  }

  leave() { this.isShown = false; clearTimeout(this.timer); }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => { await this.#news(); if (this.isShown) this.#later(); }, SOON);
  }

  /** What is new at the head of the list, and how far runs in progress have come. */
  async #news() {
    if (document.hidden) return;
    try {
      const { runs } = await source.ask("runs", { limit: FIRST });
      const known = new Map(this.runs.map((run, i) => [run.name, i]));
      const fresh = runs.filter((run) => !known.has(run.name));
      if (fresh.length === FIRST) { this.runs = runs; this.hasMore = true; this.#fetch(); }
      else {
        for (const run of runs) if (known.has(run.name)) this.runs[known.get(run.name)] = run;
        this.runs = [...fresh, ...this.runs];
      }
      const now = JSON.stringify(runs);
      if (now !== this.head) { this.head = now; this.#filter(); }
    } catch (error) { say(error.message); }
  }

  /** The rest of the list, page by page, in the background. */
  async #fetch() {
    if (this.isFetching) return;
    this.isFetching = true;
    try {
      while (this.hasMore && this.runs.length < AT_ONCE) await this.#page();
    } catch (error) { say(error.message); } finally { this.isFetching = false; }
  }

  async #page() {
    const { runs, has_more: hasMore } = await source.ask("runs", { limit: NEXT, before: this.runs.at(-1).name });
    this.runs = [...this.runs, ...runs];
    this.hasMore = hasMore;
    this.#filter();
  }

  async #more() {
    if (!this.hasMore || this.isFetching || this.runs.length < AT_ONCE) return;
    this.isFetching = true;
    try { await this.#page(); } catch (error) { say(error.message); } finally { this.isFetching = false; }
  }

  #filterSoon() {
    const about = { pipeline: this.pipeline.value, status: this.status.value, q: this.search.value };
    if (here()[0] === "runs" || here()[0] === "") history.replaceState(null, "", link("runs", about));
    this.rows.element.scrollTop = 0;
    this.rows.at = 0;
    this.#filter();
  }

  #filter() {
    const text = this.search.value.trim().toLowerCase();
    const [pipeline, status] = [this.pipeline.value, this.status.value];
    const found = this.runs.filter((run) => (!pipeline || run.pipeline === pipeline) && (!status || run.status === status) && (!text || run.name.toLowerCase().includes(text) || run.pipeline.toLowerCase().includes(text)));
    this.rows.show(found);
    this.tally.textContent = `${found.length === this.runs.length ? plural(found.length, "run") : `${count(found.length)} of ${plural(this.runs.length, "run")}`}${this.hasMore ? " so far" : ""}`;
    this.empty.hidden = found.length > 0;
    this.empty.textContent = this.runs.length ? "No run fits." : "No pipeline has run yet. Run one, and it appears here.";
  }

  #row(run) {
    const mark = el("input", { type: "checkbox", tabindex: -1, "aria-label": `Compare ${run.name}`, title: "Compare", onclick: (event) => { event.stopPropagation(); this.#mark(run.name, mark.checked); } });
    mark.checked = this.marked.has(run.name);
    return el("div", { class: "run-row", "data-run": run.name, "aria-label": `${run.name}, ${run.status}, ${moment(run.started)}`,
      onclick: (event) => { if (event.target.tagName !== "INPUT" && event.target.tagName !== "A") go("run", { name: run.name }); },
      onkeydown: (event) => {
        if (event.key === "Enter") go("run", { name: run.name });
        else if (event.key === " " || event.key === "x") { event.preventDefault(); mark.checked = !mark.checked; this.#mark(run.name, mark.checked); }
      } },
      el("span", { class: "mark" }, mark),
      el("span", { class: "run-name" }, el("a", { href: link("run", { name: run.name }), tabindex: -1, text: run.name }), el("small", { text: run.pipeline })),
      runPill(run.status),
      el("span", { class: "when", text: moment(run.started) }),
      el("span", { class: "right", text: run.status === "running" ? "…" : seconds(run.duration) }),
      el("span", { class: "right saved", text: run.saved ? seconds(run.saved) : "–" }));
  }

  #mark(name, isMarked) {
    if (isMarked) this.marked.add(name); else this.marked.delete(name);
    while (this.marked.size > 2) this.marked.delete([...this.marked][0]);
    const order = this.runs.filter((run) => this.marked.has(run.name)).map((run) => run.name).reverse();
    this.compare.hidden = order.length !== 2;
    if (order.length === 2) {
      this.compare.textContent = "Compare the two";
      this.compare.href = link("compare", { a: order[0], b: order[1] });
      say("Two runs are marked: they can be compared.");
    }
    for (const row of this.rows.made.values()) row.querySelector("input").checked = this.marked.has(row.dataset.run);
  }
}
