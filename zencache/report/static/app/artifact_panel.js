// An artifact: what it is, what it looks like, and the way up and down its lineage.

import { el, fill } from "zencache/dom";
import { go, link } from "zencache/route";
import { facts, preview } from "zencache/preview";
import { overRuns } from "zencache/chart";
import { section } from "zencache/step_panel";
import { source } from "zencache/source";
import { icon, statusOf } from "zencache/status";
import { bytes, number, plural, typeName } from "zencache/format";

export async function artifactPanel(id, { where = (artifact) => link("artifact", { id: artifact }) } = {}) {
  const told = await source.ask("artifact", { id });
  const look = el("div", { class: "preview", "aria-busy": "true" }, el("p", { class: "hint", text: "Looking at its bytes…" }));
  source.ask("preview", { id }).then((found) => fill(look, preview(found)), (error) => fill(look, el("p", { class: "notice", text: error.message })))
    .finally(() => look.removeAttribute("aria-busy"));
  return [
    el("header", {}, el("p", { class: "kicker", text: "Artifact" }), el("h2", { id: "panel-title", tabindex: -1, text: told.output || "a given value" }),
      el("p", { class: "tags" }, el("span", { class: "tag", text: told.type }), el("span", { class: "tag", text: bytes(told.size) }), told.state !== "LIVE" && el("span", { class: "tag tag-warn", text: "bytes are gone" }))),
    told.quarantine && el("p", { class: "notice notice-warn", text: `In quarantine, and so is what came of it: ${told.quarantine}` }),
    section("Preview", look),
    told.is_metric && metric(told),
    section("Facts", facts([
      ["Python type", typeName(told.python_type)], ["Made by", told.step ? stepLink(told.run, told.step) : "given to the pipeline"],
      ["State", told.state.toLowerCase()], ["Number", String(told.id)],
      ["Digest", el("code", { class: "wrap", text: told.digest })], ["Lies at", el("code", { class: "wrap", text: told.uri })],
      ...Object.entries(told.properties)])),
    walk("Made of", told.upstream, where, "Nothing that is recorded: here its lineage begins."),
    walk("Used for", told.downstream, where, "Nothing yet."),
    source.has("lineage", { id }) && el("p", {}, el("a", { class: "button", href: link("artifact", { id }), text: "Draw its lineage" })),
    uses("Came out of", told.made_by), uses("Went into", told.taken_by),
  ];
}

function metric(told) {
  const place = el("div", {});
  source.ask("metric", { id: told.id }).then(({ points, step, output, pipeline }) => {
    if (!points.length) return fill(place, el("p", { class: "hint", text: "No other run has it." }));
    const at = Math.max(points.findIndex((point) => point.artifact === told.id), points.findLastIndex((point) => point.run === told.run));
    const values = points.map((point) => point.value);
    fill(place,
      overRuns({ label: `${output} of ${step} over the last ${points.length} runs of ${pipeline}, from ${number(Math.min(...values))} to ${number(Math.max(...values))}`, values, names: points.map((point) => point.name), at,
        open: (i) => source.has("run", { name: points[i].name }) && go("run", { name: points[i].name, artifact: points[i].artifact }) }),
      el("details", {}, el("summary", { text: "As a table" }), el("table", { class: "data" }, el("tbody", {}, points.map((point) => el("tr", {}, el("td", { text: point.name }), el("td", { class: "right", text: number(point.value) })))))));
  }, (error) => fill(place, el("p", { class: "notice", text: error.message })));
  return section("Over the runs", place);
}

function walk(title, rows, where, empty) {
  const can = (row) => source.has("artifact", { id: row.id });
  return section(title, rows.length
    ? el("ul", { class: "ports" }, rows.map((row) => el("li", {}, el(can(row) ? "a" : "span", can(row) ? { href: where(row.id) } : {}, el("strong", { text: row.output || "a given value" }), el("small", { text: `${row.type}${row.step ? ` from ${row.step}` : ""}` })))))
    : el("p", { class: "hint", text: empty }));
}

function uses(title, { count, steps }) {
  if (!count) return null;
  return el("details", { class: "block" }, el("summary", {}, `${title} ${plural(count, "step")}`),
    el("ul", { class: "uses" }, steps.map((step) => el("li", {}, icon(step.status, 14), stepLink(step.run, step.step), el("small", { text: `${statusOf(step.status).label} in ${step.run}` })))),
    count > steps.length && el("p", { class: "hint", text: `The first and the last ${steps.length - 1} are shown.` }));
}

function stepLink(run, step) {
  return source.has("run", { name: run }) ? el("a", { href: link("run", { name: run, step }), text: step }) : el("span", { text: `${step} in ${run}` });
}
