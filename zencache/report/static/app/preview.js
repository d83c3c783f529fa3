// What an artifact looks like.

import { el } from "zencache/dom";
import { histogram } from "zencache/chart";
import { bytes, count, number, plural } from "zencache/format";

export function preview(told) {
  return (KINDS[told.kind] ?? KINDS.none)(told);
}

const KINDS = {
  none: (told) => el("p", { class: told.state === "gone" ? "notice notice-warn" : "notice" }, told.reason),
  number: (told) => el("p", { class: "big-number", title: told.text, text: number(told.number) }),
  text: (told) => el("div", {}, el("pre", { class: "code", tabindex: 0, text: told.text }), told.is_cut && el("p", { class: "hint", text: "This is only the beginning." })),
  array: (told) => [
    el("p", { class: "shape" }, el("strong", { text: told.shape.length ? told.shape.map(count).join(" × ") : "scalar" }), ` ${told.dtype}`),
    told.pictures && el("figure", { class: "pictures" },
      el("img", { src: told.pictures.png, alt: `The first ${told.pictures.shown} of ${told.pictures.of} pictures` }),
      el("figcaption", { text: told.pictures.of > 1 ? `The first ${told.pictures.shown} of ${count(told.pictures.of)} pictures` : "As a picture" })),
    told.values && el("pre", { class: "code", tabindex: 0, text: told.values }),
    told.histogram && histogram(told.histogram),
    told.numbers && facts(Object.entries(told.numbers).map(([name, value]) => [name, number(value)])),
    told.not_finite ? el("p", { class: "notice notice-warn", text: `${plural(told.not_finite, "element is", "elements are")} not a finite number.` }) : null,
    told.sampled && el("p", { class: "hint", text: `Numbers are of a sample of ${count(told.sampled)} elements.` }),
  ],
  table: (told) => [
    el("p", { class: "shape" }, el("strong", { text: plural(told.rows, "row") }), `, ${plural(told.columns.length + told.more_columns, "column")}`),
    el("div", { class: "table-room", tabindex: 0, role: "region", "aria-label": "First rows" },
      el("table", { class: "data" },
        el("thead", {}, el("tr", {}, told.columns.map((column) => el("th", { scope: "col" }, column.name, el("small", { text: column.type }))))),
        el("tbody", {}, told.head.map((row) => el("tr", {}, row.map((cell) => el("td", { text: cell }))))))),
    told.more_columns ? el("p", { class: "hint", text: `${plural(told.more_columns, "more column")}.` }) : null,
  ],
  model: (told) => [
    el("p", { class: "shape" }, el("strong", { text: told.class }), told.parameters !== null ? ` ${plural(told.parameters, "parameter")}` : ""),
    told.layers.length > 0 && el("div", { class: "table-room", tabindex: 0, role: "region", "aria-label": "Layers" },
      el("table", { class: "data" },
        el("thead", {}, el("tr", {}, ["Layer", "Input", "Parameters"].map((name) => el("th", { scope: "col", text: name })))),
        el("tbody", {}, told.layers.map((layer) => el("tr", {},
          el("td", {}, el("strong", { text: layer.class }), el("small", { text: [layer.name, layer.about].filter(Boolean).join(" · ") })),
          el("td", { text: layer.shape }),
          el("td", { class: "right", text: layer.parameters === null ? "–" : count(layer.parameters) })))))),
    told.more_layers ? el("p", { class: "hint", text: `${plural(told.more_layers, "more layer")}.` }) : null,
    facts(Object.entries(told.compiled)),
  ],
  files: (told) => [
    told.picture && el("figure", { class: "pictures" }, el("img", { src: told.picture, alt: "The first picture among the files" })),
    el("ul", { class: "files" }, told.files.map((file) => el("li", {}, el("code", { text: file.path }), el("span", { text: bytes(file.size) })))),
    told.is_cut && el("p", { class: "hint", text: "There are more files." }),
  ],
};

/** Names and values below each other. */
export function facts(rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return shown.length ? el("dl", { class: "facts" }, shown.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", {}, value)))) : null;
}
