// A step of a run: parameters, decision and why, duration, code.

import { el } from "zencache/dom";
import { link } from "zencache/route";
import { facts } from "zencache/preview";
import { source } from "zencache/source";
import { pill } from "zencache/status";
import { plural, seconds, short } from "zencache/format";

export async function stepPanel(run, row, chosen) {
  const told = row.status === "waiting" ? null : await source.ask("step", { run: run.name, name: row.name });
  const artifacts = new Map(run.artifacts.map((artifact) => [artifact.id, artifact]));
  return [
    el("header", {}, el("p", { class: "kicker", text: "Step" }), el("h2", { id: "panel-title", tabindex: -1, text: row.name }), pill(row.status),
      row.step !== row.name && el("p", { class: "hint", text: `declared as ${row.step}` })),
    row.status === "waiting" && el("p", { class: "notice", text: "It has not started yet." }),
    told?.error && el("pre", { class: "code error", tabindex: 0, text: told.error }),
    told && times(row),
    told && why(told.why, told),
    told && section("Parameters", told.parameters.length
      ? el("dl", { class: "facts" }, told.parameters.map(({ name, value, type }) => el("div", {}, el("dt", { text: name }), el("dd", {}, el("code", { text: value }), el("small", { text: ` ${type}` })))))
      : el("p", { class: "hint", text: "It takes none." })),
    ports("Inputs", row.inputs, artifacts, run, chosen),
    ports("Outputs", row.outputs, artifacts, run, chosen),
    told && code(told.code),
    told && keyParts(told),
  ];
}

export function section(title, ...content) {
  return el("section", { class: "block" }, el("h3", { text: title }), content);
}

function times(row) {
  const rows = [["Took", seconds(row.duration)]];
  if (row.status === "cached") rows.push(["Saved", seconds(row.saved)]);
  if (row.made_by) rows.push(["Made by", source.has("run", { name: row.made_by }) ? el("a", { href: link("run", { name: row.made_by, step: row.name }), text: row.made_by }) : row.made_by]);
  return facts(rows);
}

function why(told, step) {
  return section("Why",
    el("p", { class: "reason" }, el("span", { class: "verdict", text: { hit: "Hit", miss: "Miss" }[step.decision] ?? "–" }), ` ${told.reason}`),
    told.differences.length > 0 && el("ul", { class: "differences" }, told.differences.map((difference) => differenceItem(difference))),
    told.follows_from.length > 0 && el("p", { class: "hint", text: `Nothing of its own changed: it follows from ${told.follows_from.join(", ")}.` }),
    told.compared_with && el("p", { class: "hint" }, "Compared with ", source.has("run", { name: told.compared_with }) ? el("a", { href: link("run", { name: told.compared_with }), text: told.compared_with }) : told.compared_with, "."),
    told.untracked.map((sentence) => el("p", { class: "notice notice-warn", text: `Not tracked: ${sentence}` })));
}

/** One part of a cache key that differs: what kind of part, its name, and what it was and is. */
export function differenceItem({ label, text, follows_from: followsFrom }) {
  const [, kind, name] = label.match(/^(code|parameter|input|file|package|output):? (.*)$/s) ?? [null, "", label];
  const rest = text.startsWith(label) ? text.slice(label.length).replace(/^:? /, "") : text === label ? "" : text;
  return el("li", { class: followsFrom ? "follows" : "cause" },
    kind && el("span", { class: "part", text: kind }), el("code", { text: name }), rest && el("span", { class: "change", text: rest }));
}

function ports(title, rows, artifacts, run, chosen) {
  if (!rows.length) return null;
  return section(title, el("ul", { class: "ports" }, rows.map(({ name, artifact, from }) => {
    const known = artifacts.get(artifact);
    const origin = from ? ` from ${from[0]}` : title === "Inputs" ? " given" : "";
    return el("li", {}, known
      ? el("a", { href: link("run", { ...chosen, name: run.name, artifact: known.id, step: null }) }, el("strong", { text: name }), el("small", { text: `${known.type}${origin}` }))
      : el("span", {}, el("strong", { text: name }), el("small", { text: `not there${origin}` })));
  })));
}

function code({ module, qualname, file, now }) {
  if (!qualname) return null;
  return section("Code",
    el("p", { class: "place" }, el("code", { text: `${module}:${qualname}` }), file && el("small", { text: file })),
    now && el("p", { class: now.has_changed ? "notice notice-warn" : "hint", text: now.has_changed ? "The file has changed since this run. This is the step as it is now:" : `As it is now, line ${now.line}; the file has not changed since this run.` }),
    now && el("pre", { class: "code", tabindex: 0, text: now.text }));
}

function keyParts(told) {
  if (!told.cache_key) return null;
  const changed = new Set(told.why.differences.map((difference) => difference.label));
  return el("details", { class: "block" },
    el("summary", {}, `Cache key, of ${plural(told.key_parts.length, "part")}`),
    el("p", { class: "mono wrap", text: told.cache_key }),
    el("ul", { class: "parts" }, told.key_parts.map(({ label, fingerprint }) => el("li", { class: changed.has(label) ? "changed" : undefined }, el("span", { text: label }), changed.has(label) && el("em", { text: "changed" }), el("code", { text: short(fingerprint, 13) })))));
}
