// An artifact's lineage: what it was made of above it, what came of it below.

import { el, fill } from "zencache/dom";
import { Graph } from "zencache/graph";
import { Panel } from "zencache/panel";
import { artifactPanel } from "zencache/artifact_panel";
import { go, link } from "zencache/route";
import { plural, seconds } from "zencache/format";
import { source } from "zencache/source";

const REACHES = [["", "As far as is clear"], ["1", "1 step far"], ["2", "2 steps far"], ["3", "3 steps far"], ["5", "5 steps far"], ["1000", "Everything"]];

export class LineageView {
  constructor() {
    this.graph = new Graph({ label: "Lineage of an artifact", open: (node) => this.#open(node) });
    this.panel = new Panel({ close: () => this.escape() });
    this.head = el("div", { class: "run-head" });
    this.element = el("div", { class: "run-view lineage-view has-choice" }, this.head,
      el("div", { class: "run-body" }, el("div", { class: "stage" }, this.graph.element), this.panel.element));
  }

  get title() { return `Artifact ${this.id}`; }

  async show({ id, at, depth }) {
    if (id !== this.id || depth !== this.depth) {
      const told = await source.ask("lineage", depth ? { id, depth } : { id });
      this.id = id;
      this.depth = depth;
      this.#paint(told);
    }
    const chosen = at ?? id;
    this.graph.choose(`artifact:${chosen}`);
    if (source.has("artifact", { id: chosen })) {
      this.panel.show(() => artifactPanel(Number(chosen), { where: (other) => (this.known.has(other) ? link("artifact", { id, depth, at: other }) : link("artifact", { id: other })) }), { focus: Boolean(at) });
    }
  }

  leave() { this.id = null; }

  repaint() { this.graph.repaint(); }

  escape() {
    this.panel.element.classList.remove("is-open");
    this.graph.element.focus();
    return true;
  }

  #reach() {
    const select = el("select", { "aria-label": "How far", onchange: () => go("artifact", { id: this.id, depth: select.value }) },
      REACHES.map(([value, text]) => el("option", { value, text })));
    select.value = this.depth ?? "";
    return select;
  }

  #open(node) {
    if (node.kind === "artifact") {
      go("artifact", { id: this.id, depth: this.depth, at: node.artifact });
      this.panel.element.classList.add("is-open");
    } else if (source.has("run", { name: node.run })) go("run", { name: node.run, step: node.name });
  }

  #paint(told) {
    const start = told.artifacts.find((artifact) => artifact.id === told.start);
    this.known = new Set(told.artifacts.map((artifact) => artifact.id));
    fill(this.head,
      el("div", { class: "run-title" }, el("p", { class: "kicker", text: "Lineage" }), el("h1", { text: start.step ? `${start.output} of ${start.step}` : "a given value" })),
      el("p", { class: "hint", text: `${plural(told.artifacts.length, "artifact")} and ${plural(told.executions.length, "step")}${told.depth ? `, ${plural(told.depth, "step")} far` : ""}. Steps that did the same are drawn once.` }),
      el("div", { class: "actions" }, source.isLive && this.#reach(), start.run && source.has("run", { name: start.run }) && el("a", { class: "button", href: link("run", { name: start.run, artifact: start.id }), text: "The run that made it" })));
    const nodes = [
      ...told.executions.map((execution) => ({ id: `execution:${execution.id}`, kind: "step", name: execution.step, run: execution.run, status: execution.status, detail: execution.reuses ? `reused ${execution.reuses} ×` : seconds(execution.duration) })),
      ...told.artifacts.map((artifact) => ({ id: `artifact:${artifact.id}`, kind: "artifact", artifact: artifact.id, name: artifact.output || "given", type: artifact.type, state: artifact.state }))];
    const ids = new Set(nodes.map((node) => node.id));
    const edges = told.edges.map((edge) => {
      const [execution, artifact] = [`execution:${edge.execution}`, `artifact:${edge.artifact}`];
      const [from, to] = edge.is_output ? [execution, artifact] : [artifact, execution];
      return { id: `${from} ${to}`, source: from, target: to };
    }).filter((edge) => ids.has(edge.source) && ids.has(edge.target));
    this.graph.isTouched = false;
    this.graph.draw(nodes, [...new Map(edges.map((edge) => [edge.id, edge])).values()]);
  }
}
