// What a state is called and how it is drawn: shape, sign, word and colour, so that no one of them is needed.

import { el, svg } from "zencache/dom";

const ROUND = "M8 .5a7.5 7.5 0 1 1 0 15a7.5 7.5 0 0 1 0-15z";
const SQUARE = "M3.5 .8h9a2.7 2.7 0 0 1 2.7 2.7v9a2.7 2.7 0 0 1-2.7 2.7h-9A2.7 2.7 0 0 1 .8 12.500v-9A2.7 2.7 0 0 1 3.500 .8z";
const OCTAGON = "M4.900 .5h6.200l4.400 4.400v6.200l-4.400 4.400H4.900L.5 11.100V4.900z";
const DIAMOND = "M8 .3L15.700 8L8 15.700L.3 8z";

export const STATUSES = {
  completed: { label: "executed", about: "It ran in this run.", outline: ROUND, sign: "M4.600 8.300l2.400 2.400 4.400-5" },
  cached: { label: "cached", about: "It was taken from the cache.", outline: SQUARE, sign: "M9 2.800L4.500 8.700h3L6.900 13.200l4.600-6h-3z", filled: true },
  failed: { label: "failed", about: "It raised an error.", outline: OCTAGON, sign: "M5.300 5.300l5.400 5.400M10.700 5.300l-5.400 5.400" },
  running: { label: "running", about: "It is at work.", outline: DIAMOND, sign: "M6.500 5.200v5.600L11 8z", filled: true },
  canceled: { label: "canceled", about: "It was interrupted.", outline: OCTAGON, sign: "M5 8h6" },
  skipped: { label: "skipped", about: "It was never reached.", outline: ROUND, sign: "M4.300 5.200L7.100 8l-2.800 2.800M8.300 5.200L11.100 8l-2.800 2.800" },
  waiting: { label: "waiting", about: "Its turn has not come.", outline: ROUND, sign: "M8 4.500V8.200l2.500 1.600" },
  absent: { label: "absent", about: "The run has no such step.", outline: SQUARE, sign: "M5 8h6" },
};

export function statusOf(name) {
  return STATUSES[name] ?? { ...STATUSES.waiting, label: String(name) };
}

/** The colour of a state in the present scheme, as the style sheet says it. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The sign of a state; `paint` is given where no style sheet reaches, as inside of a picture. */
export function icon(name, size = 16, paint = null) {
  const status = statusOf(name);
  const known = name in STATUSES ? name : "waiting";
  const ink = paint ? paint.on : "var(--on-status)";
  return svg("svg", { viewBox: "0 0 16 16", width: size, height: size, class: `icon icon-${known}`, "aria-hidden": "true" },
    svg("path", { d: status.outline, fill: paint ? paint.fill : `var(--${known})` }),
    svg("path", { d: status.sign, fill: status.filled ? ink : "none", stroke: status.filled ? "none" : ink, "stroke-width": 1.8, "stroke-linecap": "round", "stroke-linejoin": "round" }));
}

/** Sign and word of a state. */
export function pill(name, label = statusOf(name).label) {
  const known = name in STATUSES ? name : "waiting";
  return el("span", { class: `pill pill-${known}`, title: statusOf(name).about }, icon(name, 14), label);
}

/** The state of a run, which as a whole is completed, not executed. */
export function runPill(status) {
  return pill(status, status);
}

/** How many steps are in which state, in the order above. */
export function countStatuses(steps) {
  const counts = {};
  for (const step of steps) counts[step.status] = (counts[step.status] ?? 0) + 1;
  return Object.keys(STATUSES).filter((name) => counts[name]).map((name) => [name, counts[name]]);
}
