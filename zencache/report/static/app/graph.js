// A graph of steps and artifacts that is drawn, clicked, and walked with the arrow keys.

/* global cytoscape */

import { el, say } from "zencache/dom";
import { bends, layered } from "zencache/layout";
import { CARD, card } from "zencache/card";
import { colour, statusOf } from "zencache/status";
import { short } from "zencache/format";

const SIGNS = { Model: "◆", Table: "▤", Array: "▦", Float: "#", Integer: "#", Scalar: "#" };
const HINT = "Arrow keys move between neighbours, Enter opens, plus and minus zoom, 0 shows everything.";

export class Graph {
  /** `open(node)` is called with the data of the node that is clicked, or opened with Enter. */
  constructor({ label, open }) {
    this.open = open;
    this.canvas = el("div", { class: "graph-canvas" });
    this.element = el("div", { class: "graph", tabindex: 0, role: "application", "aria-roledescription": "graph", "aria-label": `${label}. ${HINT}`, onkeydown: (event) => this.#key(event) },
      this.canvas, el("div", { class: "graph-tools" },
        tool("+", "Zoom in", () => this.#zoom(1.3)), tool("−", "Zoom out", () => this.#zoom(1 / 1.3)), tool("⤢", "Show everything", () => this.fit())));
    this.cy = null;
    this.shape = "";
    this.isTouched = false;
  }

  /** Draw nodes and edges; positions stay where the same nodes and edges are drawn again. */
  draw(nodes, edges) {
    this.nodes = nodes;
    this.edges = edges;
    if (!this.cy) this.#start();
    const shape = JSON.stringify([nodes.map((node) => node.id), edges.map((edge) => [edge.source, edge.target])]);
    const drawn = nodes.map(decorated);
    if (shape === this.shape) {
      this.cy.batch(() => drawn.forEach((data) => this.cy.getElementById(data.id).data(data)));
      return;
    }
    const selected = this.cy.$("node.chosen").map((node) => node.id());
    this.shape = shape;
    const placed = layered(drawn, edges);
    this.cy.batch(() => {
      this.cy.elements().remove();
      this.cy.add(drawn.map((data) => ({ group: "nodes", data, position: { x: placed.nodes[data.id].x, y: placed.nodes[data.id].y }, classes: data.kind })));
      this.cy.add(edges.map((edge) => {
        const found = bends(placed.nodes[edge.source], placed.nodes[edge.target], placed.edges[edge.id] ?? []);
        const style = found.length ? { weights: found.map((bend) => bend.weight), distances: found.map((bend) => bend.distance) } : {};
        return { group: "edges", data: { ...edge, ...style }, classes: [edge.kind ?? "", found.length ? "bent" : ""].join(" ") };
      }));
    });
    if (selected.length) this.choose(selected[0], { move: false });
    if (!this.isTouched) this.fit();
  }

  /** Mark a node and what is next to it; none for null. */
  choose(id, { move = true } = {}) {
    if (!this.cy) return;
    this.cy.batch(() => {
      this.cy.elements().removeClass("chosen near far");
      const node = id === null ? this.cy.collection() : this.cy.getElementById(id);
      if (!node.length) return;
      node.addClass("chosen");
      const related = node.predecessors().union(node.successors()).union(node);
      node.connectedEdges().addClass("near");
      this.cy.elements().difference(related).addClass("far");
    });
    if (id !== null && move) this.#show(this.cy.getElementById(id));
  }

  fit() {
    if (!this.cy) return;
    this.isTouched = false;
    this.cy.resize();
    this.cy.fit(undefined, 28);
    if (this.cy.zoom() > 1.1) { this.cy.zoom(1.1); this.cy.center(); }
    if (this.cy.zoom() < 0.42 && this.cy.nodes().length) {
      // Too much to be read at once: begin at the top, where the run begins.
      const box = this.cy.elements().boundingBox();
      this.cy.zoom(0.6);
      this.cy.pan({ x: this.cy.width() / 2 - ((box.x1 + box.x2) / 2) * 0.6, y: 28 - box.y1 * 0.6 });
    }
  }

  /** Colours of the present scheme. */
  repaint() {
    if (!this.cy) return;
    this.cy.style(style());
    this.cy.batch(() => this.nodes.map(decorated).forEach((data) => this.cy.getElementById(data.id).data(data)));
  }

  destroy() {
    this.observer?.disconnect();
    this.cy?.destroy();
    this.cy = null;
  }

  #start() {
    this.cy = cytoscape({ container: this.canvas, style: style(), minZoom: 0.05, maxZoom: 2.5, autoungrabify: true, boxSelectionEnabled: false, selectionType: "single", hideEdgesOnViewport: false, textureOnViewport: false, pixelRatio: "auto" });
    this.cy.on("tap", "node", (event) => { this.focusNode(event.target.id()); this.open(event.target.data()); });
    this.cy.on("dragpan scrollzoom pinchzoom", () => { this.isTouched = true; });
    this.cy.on("mouseover", "node", () => this.canvas.classList.add("over-node"));
    this.cy.on("mouseout", "node", () => this.canvas.classList.remove("over-node"));
    this.observer = new ResizeObserver(() => { this.cy.resize(); if (!this.isTouched) this.fit(); });
    this.observer.observe(this.canvas);
  }

  focusNode(id) {
    this.cy.nodes().removeClass("focus");
    this.focused = id;
    const node = this.cy.getElementById(id);
    node.addClass("focus");
    this.#show(node);
    const data = node.data();
    say(data.kind === "artifact" ? `Artifact ${data.name}, ${data.type}` : `Step ${data.name}, ${statusOf(data.status).label}${data.detail ? `, ${data.detail}` : ""}`);
  }

  #key(event) {
    if (!this.cy || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = this.focused ? this.cy.getElementById(this.focused) : this.cy.collection();
    const handled = {
      Enter: () => node.length && this.open(node.data()),
      " ": () => node.length && this.open(node.data()),
      "+": () => this.#zoom(1.3), "=": () => this.#zoom(1.3), "-": () => this.#zoom(1 / 1.3), 0: () => this.fit(),
      ArrowDown: () => this.#step(node, node.outgoers("node")), ArrowUp: () => this.#step(node, node.incomers("node")),
      ArrowRight: () => this.#side(node, 1), ArrowLeft: () => this.#side(node, -1),
    }[event.key];
    if (!handled || event.target.closest(".graph-tools")) return;
    event.preventDefault();
    handled();
  }

  #step(node, others) {
    if (!node.length) return this.#first();
    const at = node.position("x");
    const nearest = others.sort((a, b) => Math.abs(a.position("x") - at) - Math.abs(b.position("x") - at))[0];
    if (nearest) this.focusNode(nearest.id());
  }

  #side(node, direction) {
    if (!node.length) return this.#first();
    const { x, y } = node.position();
    const beside = this.cy.nodes().filter((other) => Math.abs(other.position("y") - y) < 24 && (other.position("x") - x) * direction > 1);
    const nearest = beside.sort((a, b) => Math.abs(a.position("x") - x) - Math.abs(b.position("x") - x))[0];
    if (nearest) this.focusNode(nearest.id());
  }

  #first() {
    const first = this.cy.nodes(".chosen")[0] ?? this.cy.nodes().sort((a, b) => a.position("y") - b.position("y") || a.position("x") - b.position("x"))[0];
    if (first) this.focusNode(first.id());
  }

  #show(node) {
    if (!node.length) return;
    const box = node.renderedBoundingBox();
    const [width, height] = [this.cy.width(), this.cy.height()];
    if (box.x1 < 8 || box.y1 < 8 || box.x2 > width - 8 || box.y2 > height - 8) {
      this.isTouched = true;
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.cy.center(node);
      else this.cy.animate({ center: { eles: node } }, { duration: 160 });
    }
  }

  #zoom(factor) {
    this.isTouched = true;
    this.cy.zoom({ level: this.cy.zoom() * factor, renderedPosition: { x: this.cy.width() / 2, y: this.cy.height() / 2 } });
  }
}

function tool(text, label, onclick) {
  return el("button", { type: "button", class: "tool", title: label, "aria-label": label, onclick, text });
}

/** A node with its size, and what cytoscape draws of it. */
function decorated(node) {
  if (node.kind === "artifact") {
    const text = `${SIGNS[node.type] ?? "●"}  ${short(node.name, 22)}${node.state === "LIVE" ? "" : " (gone)"}`;
    return { ...node, text, width: Math.max(74, 24 + text.length * 6.7), height: 28 };
  }
  return { ...node, ...CARD, picture: card(node.name, node.status, node.detail) };
}

function style() {
  const lines = { completed: "solid", cached: "double", failed: "solid", running: "dashed", canceled: "dashed", skipped: "dotted", waiting: "dotted" };
  return [
    { selector: "node", style: { width: "data(width)", height: "data(height)", "overlay-opacity": 0 } },
    { selector: "node.step", style: { shape: "round-rectangle", "corner-radius": 10, "background-color": colour("surface"), "background-image": "data(picture)", "background-fit": "cover", "background-image-smoothing": "yes", "border-width": 1.6, "border-color": colour("line") } },
    ...Object.entries(lines).map(([name, line]) => ({ selector: `node.step[status = "${name}"]`, style: { "border-color": colour(name), "border-style": line, "border-width": line === "double" ? 4 : name === "failed" ? 3 : 1.8 } })),
    { selector: 'node.step[status = "failed"]', style: { shape: "cut-rectangle", "background-color": colour("failed-soft") } },
    { selector: "node.artifact", style: { shape: "round-rectangle", "corner-radius": 14, "background-color": colour("artifact"), "border-width": 1, "border-color": colour("line"), label: "data(text)", color: colour("text"), "font-size": 11.5, "font-family": "system-ui, sans-serif", "text-valign": "center", "text-halign": "center", "min-zoomed-font-size": 5 } },
    { selector: 'node.artifact[state != "LIVE"]', style: { "border-style": "dashed", color: colour("muted") } },
    { selector: "edge", style: { width: 1.4, "line-color": colour("edge"), "curve-style": "straight", "source-endpoint": "0 50%", "target-endpoint": "0 -50%", "target-arrow-shape": "triangle", "target-arrow-color": colour("edge"), "arrow-scale": 0.8, "overlay-opacity": 0 } },
    { selector: "edge.bent", style: { "curve-style": "round-segments", "segment-weights": "data(weights)", "segment-distances": "data(distances)", "segment-radii": 18, "edge-distances": "endpoints" } },
    { selector: "edge.order", style: { "line-style": "dashed" } },
    { selector: "edge.near", style: { width: 2.4, "line-color": colour("accent"), "target-arrow-color": colour("accent"), "z-index": 5 } },
    { selector: ".far", style: { opacity: 0.38 } },
    { selector: "node.chosen", style: { "underlay-color": colour("accent"), "underlay-opacity": 0.28, "underlay-padding": 7, "underlay-shape": "round-rectangle" } },
    { selector: "node.focus", style: { "outline-width": 3, "outline-color": colour("focus"), "outline-offset": 3 } },
  ];
}
