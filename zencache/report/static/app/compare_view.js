// Two runs held against each other: in which steps they part, and in what.

import { el, fill } from "zencache/dom";
import { differenceItem } from "zencache/step_panel";
import { go, link } from "zencache/route";
import { source } from "zencache/source";
import { icon, runPill, statusOf } from "zencache/status";
import { moment, plural, seconds } from "zencache/format";

export class CompareView {
  constructor() {
    this.title = "Compare";
    this.element = el("div", { class: "page compare-view" });
  }

  async show({ a, b }) {
    if (!a || !b) return this.#pick(a);
    const told = await source.ask("compare", { a, b });
    const differing = told.steps.filter((step) => step.differences.length);
    fill(this.element,
      el("div", { class: "bar" }, el("h1", { text: "Two runs" }), source.has("compare", { a: b, b: a }) && el("a", { class: "button", href: link("compare", { a: b, b: a }), text: "Swap" })),
      el("div", { class: "sides" }, told.runs.map((run, i) => el("section", { class: "card" },
        el("p", { class: "kicker", text: ["Before", "After"][i] }), el("h2", {}, source.has("run", { name: run.name }) ? el("a", { href: link("run", { name: run.name }), text: run.name }) : run.name),
        el("p", { class: "tags" }, runPill(run.status), el("span", { text: moment(run.started) })),
        el("p", { class: "hint", text: `took ${seconds(run.duration)}, saved ${seconds(run.saved)}` })))),
      el("p", { class: "lead" }, told.first_difference
        ? ["They first differ in ", el("strong", { text: told.first_difference }), ` and in ${plural(differing.length, "step")} altogether.`]
        : "They are the same in every step."),
      el("div", { class: "table-room" }, el("table", { class: "comparison" },
        el("thead", {}, el("tr", {}, ["Step", "Before", "After", "What differs"].map((name) => el("th", { scope: "col", text: name })))),
        el("tbody", {}, told.steps.map((step) => el("tr", { class: step.differences.length ? "differs" : "same" },
          el("th", { scope: "row", text: step.step }),
          step.statuses.map((status, i) => el("td", {}, side(told.runs[i], step, status, step.durations[i]))),
          el("td", {}, step.differences.length ? el("ul", { class: "differences" }, step.differences.map(differenceItem)) : el("span", { class: "hint", text: "the same key" }))))))));
    return undefined;
  }

  async #pick(a) {
    const { runs } = await source.ask("runs", { limit: 500 });
    const choice = (label, value) => {
      const select = el("select", { "aria-label": label }, runs.map((run) => el("option", { value: run.name, text: run.name })));
      if (value) select.value = value;
      return select;
    };
    const before = choice("Before", a ?? runs[1]?.name);
    const after = choice("After", runs[0]?.name);
    fill(this.element, el("div", { class: "bar" }, el("h1", { text: "Compare two runs" })),
      runs.length > 1
        ? el("form", { class: "card pick", onsubmit: (event) => { event.preventDefault(); go("compare", { a: before.value, b: after.value }); } },
          el("label", {}, "Before", before), el("label", {}, "After", after), el("button", { class: "button primary", type: "submit", text: "Compare" }))
        : el("p", { class: "empty", text: "It takes two runs." }));
  }
}

function side(run, step, status, duration) {
  const content = [icon(status, 14), ` ${statusOf(status).label}`, duration === null ? "" : el("small", { text: ` ${seconds(duration)}` })];
  return source.has("run", { name: run.name }) && status !== "absent" ? el("a", { class: "state", href: link("run", { name: run.name, step: step.step }) }, content) : el("span", { class: "state" }, content);
}
