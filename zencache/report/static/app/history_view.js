// The history of a pipeline: time spent and saved, hits and misses.

import { el, fill } from "zencache/dom";
import { go, link } from "zencache/route";
import { growing, stacked } from "zencache/chart";
import { source } from "zencache/source";
import { icon, runPill } from "zencache/status";
import { count, moment, plural, seconds } from "zencache/format";

const SHOWN = 120; // runs in the bars

export class HistoryView {
  constructor() {
    this.title = "History";
    this.element = el("div", { class: "page history-view" });
  }

  async show({ pipeline }) {
    const { pipelines } = await source.ask("project");
    const name = pipeline ?? source.pipeline ?? pipelines.at(-1);
    if (!name) {
      fill(this.element, el("p", { class: "empty", text: "No pipeline has run yet." }));
      return;
    }
    const { runs } = await source.ask("history", { pipeline: name });
    const choice = el("select", { "aria-label": "Pipeline", onchange: () => go("history", { pipeline: choice.value }) },
      pipelines.filter((one) => source.has("history", { pipeline: one })).map((one) => el("option", { value: one, text: one })));
    choice.value = name;
    const ended = runs.filter((run) => run.status !== "running");
    const recent = ended.slice(-SHOWN);
    const spent = sum(ended.map((run) => run.duration));
    const saved = sum(ended.map((run) => run.saved));
    const open = (rows) => (i) => source.has("run", { name: rows[i].name }) && go("run", { name: rows[i].name });
    const counted = recent.filter((run) => run.counts);
    const hits = sum(counted.map((run) => run.counts.cached ?? 0));
    const executed = sum(counted.map((run) => (run.counts.completed ?? 0) + (run.counts.failed ?? 0)));
    const cumulated = ended.reduce((rows, run) => [...rows, (rows.at(-1) ?? 0) + run.saved], []);
    fill(this.element,
      el("div", { class: "bar" }, el("h1", { text: "History" }), el("div", { class: "filters" }, choice)),
      el("dl", { class: "tiles" },
        tile("Runs", count(runs.length)), tile("Time spent", seconds(spent)), tile("Time saved", seconds(saved), "good"),
        tile("Of the work saved", spent + saved > 0 ? `${Math.round((saved / (spent + saved)) * 100)} %` : "–"),
        tile(`Hits in the last ${plural(counted.length, "run")}`, hits + executed > 0 ? `${Math.round((hits / (hits + executed)) * 100)} %` : "–")),
      !ended.length ? el("p", { class: "empty", text: "No run of it has ended yet." }) : [
        card("Time of each run", `The last ${plural(recent.length, "run")}, the newest at the right. A click opens a run.`, legend(["completed", "spent"], ["cached", "saved (hatched)"]),
          stacked({ label: `Time spent and saved in the last ${recent.length} runs of ${name}: ${seconds(spent)} spent and ${seconds(saved)} saved in all`, lower: recent.map((run) => run.duration), upper: recent.map((run) => run.saved), names: recent.map((run) => run.name), unit: seconds, open: open(recent) })),
        counted.length > 0 && card("Steps of each run", `The last ${plural(counted.length, "run")}.`, legend(["completed", "executed"], ["cached", "cached (hatched)"]),
          stacked({ label: `Executed and cached steps of the last ${counted.length} runs: ${executed} executed, ${hits} cached`, lower: counted.map((run) => (run.counts.completed ?? 0) + (run.counts.failed ?? 0)), upper: counted.map((run) => run.counts.cached ?? 0), names: counted.map((run) => run.name), unit: (value) => count(Math.round(value)), open: open(counted) })),
        card("Time saved since the first run", `${seconds(saved)} over ${plural(ended.length, "run")}.`, null,
          growing({ label: `Time saved grows to ${seconds(saved)} over ${ended.length} runs`, values: cumulated, names: ended.map((run) => run.name), unit: seconds, open: open(ended) })),
        el("details", { class: "card" }, el("summary", { text: "As a table" }), el("div", { class: "table-room", tabindex: 0 }, table(recent))),
      ]);
  }
}

function card(title, hint, key, ...content) {
  return el("section", { class: "card" }, el("div", { class: "card-head" }, el("h2", { text: title }), key), el("p", { class: "hint", text: hint }), content);
}

function legend(...rows) {
  return el("p", { class: "key" }, rows.map(([status, text]) => el("span", {}, icon(status, 14), text)));
}

function tile(name, value, kind = "") {
  return el("div", { class: `tile ${kind}` }, el("dt", { text: name }), el("dd", { text: value }));
}

function table(runs) {
  return el("table", { class: "data" },
    el("thead", {}, el("tr", {}, ["Run", "State", "Started", "Took", "Saved", "Executed", "Cached"].map((name) => el("th", { scope: "col", text: name })))),
    el("tbody", {}, [...runs].reverse().map((run) => el("tr", {},
      el("td", {}, source.has("run", { name: run.name }) ? el("a", { href: link("run", { name: run.name }), text: run.name }) : run.name), el("td", {}, runPill(run.status)), el("td", { text: moment(run.started) }),
      el("td", { class: "right", text: seconds(run.duration) }), el("td", { class: "right", text: seconds(run.saved) }),
      el("td", { class: "right", text: run.counts ? String((run.counts.completed ?? 0) + (run.counts.failed ?? 0)) : "–" }), el("td", { class: "right", text: run.counts ? String(run.counts.cached ?? 0) : "–" })))));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
