// A run: its graph, the list of its steps, and the panel about what is chosen.

import { el, fill, rove, say } from "zencache/dom";
import { Graph } from "zencache/graph";
import { Panel } from "zencache/panel";
import { artifactPanel } from "zencache/artifact_panel";
import { facts } from "zencache/preview";
import { section, stepPanel } from "zencache/step_panel";
import { source } from "zencache/source";
import { countStatuses, icon, runPill, statusOf } from "zencache/status";
import { moment, plural, seconds } from "zencache/format";
import { go, link } from "zencache/route";

const MANY = 60; // steps, from which on artifacts are drawn only if asked for
const SOON = 1200; // milliseconds until a run in progress is asked for again

export class RunView {
  constructor() {
    this.name = null;
    this.chosen = {};
    this.graph = new Graph({ label: "Graph of the run", open: (node) => this.#open(node) });
    this.panel = new Panel({ close: () => this.escape() });
    this.head = el("div", { class: "run-head" });
    this.search = el("input", { type: "search", class: "search", placeholder: "Find a step  /", "aria-label": "Find a step", oninput: () => this.#filter(), onkeydown: (event) => { if (event.key === "ArrowDown") { event.preventDefault(); this.list.querySelector('a[tabindex="0"]')?.focus(); } } });
    this.list = el("ol", { class: "steps", "aria-label": "Steps in wiring order" });
    rove(this.list, "a");
    this.toggle = el("input", { type: "checkbox", onchange: () => { this.withArtifacts = this.toggle.checked; this.graph.isTouched = false; this.#draw(); } });
    this.element = el("div", { class: "run-view" }, this.head,
      el("div", { class: "run-body" },
        el("nav", { class: "side", "aria-label": "Steps" }, this.search, this.list),
        el("div", { class: "stage" }, el("div", { class: "strip" }, el("label", { class: "toggle" }, this.toggle, "Artifacts"), el("div", { class: "legend" })), this.graph.element),
        this.panel.element));
  }

  get title() { return this.name; }

  async show({ name, step, artifact }) {
    const isNew = name !== this.name;
    if (isNew) {
      this.name = name;
      clearTimeout(this.timer);
      this.asked = source.ask("run", { name });
    }
    const run = await this.asked;
    if (name !== this.name) return; // somebody went on while it was asked for
    if (isNew) {
      this.run = run;
      this.withArtifacts = this.run.steps.length <= MANY;
      this.toggle.checked = this.withArtifacts;
      this.graph.isTouched = false;
      this.#paint();
    }
    this.chosen = { name, step, artifact };
    this.#choose(!isNew || Boolean(step || artifact));
    this.#later();
  }

  leave() { clearTimeout(this.timer); this.name = null; }

  repaint() { this.graph.repaint(); }

  /** Escape: close the panel, and go back to where one was. */
  escape() {
    if (!this.chosen.step && !this.chosen.artifact) return false;
    const back = this.chosen.step;
    go("run", { name: this.name });
    const item = back && [...this.list.querySelectorAll("a")].find((one) => one.dataset.step === back);
    (this.openedFrom === "graph" ? this.graph.element : item || this.graph.element).focus();
    return true;
  }

  #open(node) {
    this.openedFrom = "graph";
    go("run", { name: this.name, ...(node.kind === "artifact" ? { artifact: node.artifact } : { step: node.name }) });
  }

  #later() {
    clearTimeout(this.timer);
    if (!source.isLive || this.run.status !== "running") return;
    this.timer = setTimeout(async () => {
      const name = this.name;
      const before = JSON.stringify(this.run.steps.map((step) => step.status));
      try {
        const run = await source.ask("run", { name });
        if (name !== this.name) return;
        this.run = run;
        this.#paint();
        if (before !== JSON.stringify(run.steps.map((step) => step.status))) {
          say(run.status === "running" ? `${run.steps.filter((step) => !["waiting", "running"].includes(step.status)).length} of ${run.steps.length} steps have ended` : `The run has ${run.status}`);
          this.#choose(false);
        }
      } catch (error) { say(error.message); }
      if (name === this.name) this.#later();
    }, document.hidden ? 4 * SOON : SOON);
  }

  #paint() {
    const { run } = this;
    const counts = countStatuses(run.steps);
    fill(this.head,
      el("div", { class: "run-title" },
        el("p", { class: "kicker" }, source.has("history", { pipeline: run.pipeline }) ? el("a", { href: link("history", { pipeline: run.pipeline }), text: run.pipeline }) : run.pipeline),
        el("h1", {}, run.name), runPill(run.status)),
      el("dl", { class: "numbers" },
        figure("Started", moment(run.started)),
        figure("Took", run.status === "running" ? `${seconds(Math.max(0, (new Date(run.now) - new Date(run.started)) / 1000))} so far` : seconds(run.duration)),
        figure("Saved", seconds(run.saved), "good"),
        figure("Steps", el("span", { class: "tally" }, counts.map(([status, number]) => el("span", { title: `${number} ${statusOf(status).label}` }, icon(status, 14), `${number}`, el("span", { class: "unseen", text: ` ${statusOf(status).label}, ` })))))),
      el("div", { class: "actions" }, run.previous && source.has("compare", { a: run.previous, b: run.name }) && el("a", { class: "button", href: link("compare", { a: run.previous, b: run.name }), title: "Compare with the run before", text: "Compare with previous" })));
    fill(this.element.querySelector(".legend"), counts.map(([status]) => el("span", {}, icon(status, 14), statusOf(status).label)));
    this.#draw();
    this.#steps();
  }

  #steps() {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.step : null;
    fill(this.list, this.run.steps.map((step) => el("li", {},
      el("a", { href: link("run", { name: this.name, step: step.name }), "data-step": step.name, tabindex: -1, onclick: () => { this.openedFrom = "list"; } },
        icon(step.status, 16), el("span", { class: "step-name", text: step.name }), el("span", { class: "step-state", text: [statusOf(step.status).label, time(step, this.run)].filter(Boolean).join(" · ") })))));
    this.#mark();
    this.#filter();
    if (focused) [...this.list.querySelectorAll("a")].find((item) => item.dataset.step === focused)?.focus();
  }

  #filter() {
    const text = this.search.value.trim().toLowerCase();
    for (const item of this.list.children) item.hidden = Boolean(text) && !item.textContent.toLowerCase().includes(text);
    this.#mark();
  }

  #mark() {
    const items = [...this.list.querySelectorAll("a")];
    const current = items.find((item) => item.dataset.step === this.chosen.step);
    for (const item of items) {
      item.toggleAttribute("aria-current", item === current);
      item.tabIndex = -1;
    }
    const shown = items.filter((item) => !item.parentElement.hidden);
    const reached = current && !current.parentElement.hidden ? current : shown[0];
    if (reached) reached.tabIndex = 0;
    current?.scrollIntoView({ block: "nearest" });
  }

  #choose(focus) {
    const { step, artifact } = this.chosen;
    const row = this.run.steps.find((one) => one.name === step);
    this.#mark();
    this.graph.choose(step ? `step:${step}` : artifact ? `artifact:${artifact}` : null);
    this.element.classList.toggle("has-choice", Boolean(step || artifact));
    if (row) this.panel.show(() => stepPanel(this.run, row, {}), { focus });
    else if (artifact) this.panel.show(() => artifactPanel(Number(artifact), { where: (id) => (this.run.artifacts.some((one) => one.id === id) ? link("run", { name: this.name, artifact: id }) : link("artifact", { id })) }), { focus });
    else this.panel.show(() => this.#about(step), { closable: false });
  }

  #about(missing) {
    const { run } = this;
    return [
      el("header", {}, el("p", { class: "kicker", text: "Run" }), el("h2", { id: "panel-title", tabindex: -1, text: "About this run" })),
      missing && el("p", { class: "notice notice-warn", text: `The run has no step ${missing}.` }),
      el("p", { class: "hint", text: `${plural(run.steps.length, "step")}. Choose one, or an artifact, to see more of it.` }),
      run.steps.filter((step) => step.status === "failed").map((step) => el("p", { class: "notice notice-warn" }, el("a", { href: link("run", { name: run.name, step: step.name }), text: step.name }), " failed.")),
      Object.keys(run.facts).length > 0 && section("Where and with what", facts(Object.entries(run.facts))),
      Object.keys(run.options).length > 0 && section("Options", facts(Object.entries(run.options))),
    ];
  }

  #draw() {
    const { nodes, edges } = elements(this.run, this.withArtifacts);
    this.graph.draw(nodes, edges);
    const { step, artifact } = this.chosen;
    this.graph.choose(step ? `step:${step}` : artifact ? `artifact:${artifact}` : null, { move: false });
  }
}

function figure(name, value, kind = "") {
  return el("div", { class: kind }, el("dt", { text: name }), el("dd", {}, value));
}

function time(step, run) {
  if (step.status === "cached") return `saved ${seconds(step.saved)}`;
  if (step.status === "running") return step.started ? `${seconds(Math.max(0, (new Date(run.now) - new Date(step.started)) / 1000))} so far` : "";
  return ["skipped", "waiting"].includes(step.status) ? "" : seconds(step.duration);
}

/** Nodes and edges of a run: through the artifacts where there are some, else from step to step. */
function elements(run, withArtifacts) {
  const steps = new Map(run.steps.map((step) => [step.name, step]));
  const artifacts = new Map(run.artifacts.map((artifact) => [artifact.id, artifact]));
  const nodes = run.steps.map((step) => ({ id: `step:${step.name}`, kind: "step", name: step.name, status: step.status, detail: time(step, run) }));
  const edges = new Map();
  const add = (from, to, kind) => { if (from !== to) edges.set(`${from} ${to}`, { id: `${from} ${to}`, source: from, target: to, kind }); };
  const drawn = new Set();
  const node = (id, name) => {
    if (!drawn.has(id)) {
      drawn.add(id);
      const { type, state } = artifacts.get(id);
      nodes.push({ id: `artifact:${id}`, kind: "artifact", artifact: id, name, type, state });
    }
    return `artifact:${id}`;
  };
  for (const step of run.steps) {
    if (withArtifacts) for (const { name, artifact } of step.outputs) add(`step:${step.name}`, node(artifact, name));
    for (const { name, artifact, from } of step.inputs) {
      const maker = from ? steps.get(from[0]) : null;
      if (withArtifacts && artifact !== null) {
        const through = node(artifact, name);
        // An input that the cache gave may be another artifact of the same content than its maker's.
        if (maker && !maker.outputs.some((output) => output.artifact === artifact)) add(`step:${maker.name}`, through);
        add(through, `step:${step.name}`);
      } else if (maker) add(`step:${maker.name}`, `step:${step.name}`);
    }
    for (const before of step.after) if (steps.has(before)) add(`step:${before}`, `step:${step.name}`, "order");
  }
  return { nodes, edges: [...edges.values()] };
}
