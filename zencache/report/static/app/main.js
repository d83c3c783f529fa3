// The frame of the page: which view is shown, and the keys that work everywhere.

import { el, fill, svg } from "zencache/dom";
import { CompareView } from "zencache/compare_view";
import { HistoryView } from "zencache/history_view";
import { LineageView } from "zencache/lineage_view";
import { RunView } from "zencache/run_view";
import { RunsView } from "zencache/runs_view";
import { repaintCharts } from "zencache/chart";
import { here, link } from "zencache/route";
import { source } from "zencache/source";

const VIEWS = { runs: RunsView, run: RunView, artifact: LineageView, compare: CompareView, history: HistoryView };
const made = {};
let shown = null;

const view = el("main", { id: "view", tabindex: -1 });
const nav = el("nav", { "aria-label": "Views" });
const place = el("span", { class: "place-of-stores" });

const home = source.isLive ? link("runs") : link("run", { name: source.run });
document.getElementById("app").append(
  el("header", { class: "top" },
    el("a", { class: "brand", href: home, "aria-label": "zencache, to the start" },
      svg("svg", { viewBox: "0 0 32 32", width: 26, height: 26, "aria-hidden": "true" }, svg("rect", { width: 32, height: 32, rx: 8, fill: "var(--accent)" }), svg("path", { d: "M9 10h14L10 22h13", fill: "none", stroke: "#fff", "stroke-width": 3.2, "stroke-linecap": "round", "stroke-linejoin": "round" })),
      el("span", { text: "zencache" })),
    nav, place),
  view);

const tabs = source.isLive ? [["runs", "Runs", {}], ["history", "History", {}], ["compare", "Compare", {}]] : [["run", "Run", { name: source.run }], ["history", "History", { pipeline: source.pipeline }]];
fill(nav, tabs.map(([name, text, about]) => el("a", { href: link(name, about), "data-view": name, text })));

// The libraries are there when the document is; only the list of runs does without.
const libraries = new Promise((resolve) => addEventListener("DOMContentLoaded", resolve, { once: true }));

async function show() {
  let [name, about] = here();
  if (!(name in VIEWS)) [name, about] = source.isLive ? ["runs", {}] : ["run", { name: source.run }];
  if (name !== "runs") await libraries;
  const next = (made[name] ??= new VIEWS[name]());
  if (shown !== next) {
    shown?.leave?.();
    shown = next;
    fill(view, next.element);
    view.dataset.view = name;
  }
  for (const tab of nav.children) tab.toggleAttribute("aria-current", tab.dataset.view === (name === "artifact" ? "run" : name) || (source.isLive && tab.dataset.view === "runs" && ["run", "artifact"].includes(name)));
  try {
    await next.show(about);
    if (!place.textContent) tellPlace();
    document.title = `${next.title} · zencache`;
    document.documentElement.dataset.ready = location.hash || "#";
  } catch (error) {
    if (shown !== next) return;
    next.leave?.();
    fill(view, el("div", { class: "page" }, el("p", { class: "notice notice-warn", role: "alert", text: error.message }), el("p", {}, el("a", { class: "button", href: home, text: "To the start" }))));
    shown = null;
    delete made[name];
  }
}

async function tellPlace() {
  const project = await source.ask("project");
  place.textContent = project.metadata;
  place.title = `Metadata: ${project.metadata}\nArtifacts: ${project.artifacts}`;
}

addEventListener("hashchange", show);
addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (event.key === "/" && !isTyping) {
    const search = view.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  } else if (event.key === "Escape") {
    if (event.target.matches("input[type=search]") && event.target.value) return;
    if (isTyping) event.target.blur();
    else shown?.escape?.();
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const one of Object.values(made)) one.repaint?.();
  repaintCharts();
});
show();
