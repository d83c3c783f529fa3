// Charts: bars of numbers, lines over runs, always with a table of the same beside them for who does not see.

/* global uPlot */

import { el } from "zencache/dom";
import { colour } from "zencache/status";
import { number } from "zencache/format";

const drawn = new Set();

/** Draw all charts anew, in the colours and the width of now. */
export function repaintCharts() {
  for (const chart of drawn) chart.draw();
}

/** An element that draws itself with `make(width)` -> options and data of uPlot whenever its width changes. */
function chart(label, height, make) {
  const place = el("div", { class: "chart", role: "img", "aria-label": label, });
  place.style.minHeight = `${height}px`;
  const one = {
    plot: null,
    draw() {
      if (!place.isConnected) return;
      const width = place.clientWidth;
      if (!width) return;
      const { options, data } = make(width);
      one.plot?.destroy();
      one.plot = new uPlot({ width, height, ...options }, data, place);
    },
  };
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (!place.isConnected) { observer.disconnect(); drawn.delete(one); one.plot?.destroy(); return; }
    if (place.clientWidth !== width) { width = place.clientWidth; one.draw(); }
  });
  observer.observe(place);
  drawn.add(one);
  return place;
}

function axes(first, second) {
  const common = { stroke: colour("muted"), grid: { stroke: colour("hair"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return [{ ...common, grid: { show: false }, size: 26, ...first }, { ...common, size: 54, ...second }];
}

/** Bars of how often which numbers occur. */
export function histogram({ edges, counts }) {
  const middles = counts.map((_, i) => (edges[i] + edges[i + 1]) / 2);
  const label = `Histogram from ${number(edges[0])} to ${number(edges.at(-1))}`;
  return chart(label, 132, () => ({
    data: [middles, counts],
    options: {
      legend: { show: false }, cursor: { show: false }, padding: [8, 8, 0, 0],
      scales: { x: { time: false, range: [edges[0], edges.at(-1)] }, y: { range: (_, low, high) => [0, high * 1.05 || 1] } },
      axes: axes({ values: (_, ticks) => ticks.map(number) }, { values: (_, ticks) => ticks.map(compact), size: 44 }),
      series: [{}, { fill: colour("bar"), stroke: colour("bar"), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.92, 60], gap: 1 }) }],
    },
  }));
}

/** A number over runs, oldest first; `open(i)` is called with the point that is clicked, `at` is marked. */
export function overRuns({ label, values, names, at, open }) {
  return chart(label, 150, () => ({
    data: [values.map((_, i) => i), values, values.map((value, i) => (i === at ? value : null))],
    options: {
      legend: { show: false }, padding: [10, 12, 0, 0],
      cursor: { y: false, points: { size: 9 } },
      scales: { x: { time: false, range: () => [-0.5, Math.max(0.5, values.length - 0.5)] }, y: { range: padded } },
      axes: axes({ values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) && names[tick] ? `${tick + 1}` : "")), incrs: [1, 2, 5, 10, 20, 50, 100] }, { values: (_, ticks) => ticks.map(number) }),
      series: [{}, { stroke: colour("accent"), width: 2, points: { show: true, size: 6, fill: colour("surface") } }, { stroke: colour("focus"), width: 3, points: { show: true, size: 12, fill: colour("surface"), width: 3 } }],
      hooks: clickable(open, names, (i) => number(values[i])),
    },
  }));
}

/** Two amounts above each other for each run: the upper one hatched, so that it is known without colour. */
export function stacked({ label, lower, upper, names, unit, open }) {
  const sums = lower.map((value, i) => value + upper[i]);
  return chart(label, 230, () => ({
    data: [sums.map((_, i) => i), sums, lower],
    options: {
      legend: { show: false }, padding: [10, 8, 0, 0], cursor: { y: false, points: { show: false } },
      scales: { x: { time: false, range: () => [-0.6, Math.max(0.6, sums.length - 0.4)] }, y: { range: (_, low, high) => [0, high * 1.06 || 1] } },
      axes: axes({ values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) && tick < sums.length && tick >= 0 ? `${tick + 1}` : "")), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }, { values: (_, ticks) => ticks.map(unit) }),
      series: [{}, bars(hatched), bars(() => colour("completed"))],
      hooks: clickable(open, names, (i) => `${unit(lower[i])} + ${unit(upper[i])}`),
    },
  }));
}

/** An amount that grows over the runs. */
export function growing({ label, values, names, unit, open }) {
  return chart(label, 170, () => ({
    data: [values.map((_, i) => i), values],
    options: {
      legend: { show: false }, padding: [10, 8, 0, 0], cursor: { y: false },
      scales: { x: { time: false, range: () => [-0.6, Math.max(0.6, values.length - 0.4)] }, y: { range: (_, low, high) => [0, high * 1.06 || 1] } },
      axes: axes({ values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) && tick >= 0 && tick < values.length ? `${tick + 1}` : "")), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }, { values: (_, ticks) => ticks.map(unit) }),
      series: [{}, { stroke: colour("cached"), width: 2, fill: colour("cached-soft"), points: { show: values.length < 60, size: 5, fill: colour("surface") } }],
      hooks: clickable(open, names, (i) => unit(values[i])),
    },
  }));
}

function bars(fill) {
  return { fill: (plot, i) => fill(plot, i), stroke: colour("surface"), width: 0.5, points: { show: false }, paths: uPlot.paths.bars({ size: [0.78, 34] }) };
}

function hatched(plot) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour("cached-soft");
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = colour("cached");
  pen.lineWidth = 2;
  pen.beginPath();
  for (const at of [-8, 0, 8]) { pen.moveTo(at, 8); pen.lineTo(at + 8, 0); }
  pen.stroke();
  return plot.ctx.createPattern(tile, "repeat");
}

/** A note beside the pointer, and a click on what it stands on. */
function clickable(open, names, text) {
  let note = null;
  return {
    init: [(plot) => {
      note = el("div", { class: "chart-note", hidden: true });
      plot.over.append(note);
      plot.over.addEventListener("click", () => { if (open && plot.cursor.idx !== null) open(plot.cursor.idx); });
      if (open) plot.over.style.cursor = "pointer";
    }],
    setCursor: [(plot) => {
      const { idx, left } = plot.cursor;
      note.hidden = idx === null || idx === undefined || left < 0;
      if (note.hidden) return;
      note.textContent = `${names[idx]}: ${text(idx)}`;
      note.style.left = `${Math.min(left, plot.over.clientWidth - note.offsetWidth)}px`;
    }],
  };
}

function padded(_, low, high) {
  const room = (high - low || Math.abs(high) || 1) * 0.15;
  return [low - room, high + room];
}

function compact(value) {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(value);
}
