"""The plots of `docs/benchmarks.md`: small SVG files that can be read on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from graph_shapes import SHAPES
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from result import Result

_GREY = "#8a8f98"  # has enough contrast with white and with black
_COLOURS = {
    "zencache": "#00a08a",
    "joblib.Memory": "#e08a00",
    "raw calls, WAL": "#6f7fd9",
    "raw calls, stock journal": "#a36fd9",
    "the same facts, stock journal": "#c76fb0",
    "raw inserts, one call": "#d9534f",
    "raw calls, WAL, and the value saved": "#3fa0d9",
    "the same requests, and the value saved": "#2f7f5f",
    "plain call": _GREY,
}
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "zencache",
    "font.size": 9,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GREY,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def plots(results: Sequence[Result], folder: Path) -> set[str]:
    """Draw what there are results for; the names of the files."""
    drawn = set()
    with mpl.rc_context(_STYLE):
        figures = {
            "benchmarks-cached.svg": _by_size(results, "cached"),
            "benchmarks-executed.svg": _by_size(results, "executed"),
            "benchmarks-store-size.svg": _store_size(results),
            "benchmarks-shares.svg": _shares(results),
        }
        for name, figure in figures.items():
            if figure is not None:
                figure.savefig(folder / name, transparent=True, metadata={"Date": None}, bbox_inches="tight")
                drawn.add(name)
    return drawn


def _by_size(results: Sequence[Result], kind: str) -> Figure | None:
    """Seconds per step over the number of steps, a panel for each shape."""
    titles = [f"{shape}, {kind}, a step" for shape in SHAPES]
    if not any(one.title in titles for one in results):
        return None
    figure = Figure(figsize=(9, 3))
    panels = figure.subplots(1, len(titles), sharey=True)
    for panel, title in zip(panels, titles, strict=True):
        rows = [one for one in results if one.title == title and one.than]
        ours = {one.at: one.ours for one in rows}
        _draw(panel, "zencache", ours, linewidth=2.4)
        for than in dict.fromkeys(one.than for one in rows):
            _draw(panel, than, {one.at: one.theirs for one in rows if one.than == than}, linewidth=1.2)
        panel.set(xscale="log", yscale="log", title=title.removesuffix(", a step"), xlabel="steps")
        _say_plainly(panel.xaxis, "{:,.0f}".format)
        _say_plainly(panel.yaxis, _time)
        panel.grid(True)
    panels[0].set_ylabel("a step")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.04), ncols=3)
    return figure


def _draw(panel: Any, name: str, points: dict[int | None, float], linewidth: float) -> None:
    panel.plot(
        list(points), list(points.values()), marker="o", markersize=3, linewidth=linewidth, label=name,
        color=_COLOURS.get(name),
    )  # fmt: skip


def _say_plainly(axis: Any, say: Callable[[float], str]) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: say(value)))
    axis.set_minor_locator(NullLocator())


def _time(seconds: float) -> str:
    return next(
        f"{seconds / unit:g} {name}" for unit, name in _UNITS if seconds >= 0.99 * unit or name == "ns"
    )


def _store_size(results: Sequence[Result]) -> Figure | None:
    """The cost of a step over what the store holds, to that in the smallest."""
    rows = [one for one in results if one.title == "a step in a store of many executions"]
    if not rows:
        return None
    figure = Figure(figsize=(6, 3))
    panel = figure.subplots()
    for what in dict.fromkeys(one.what for one in rows):
        points = {1_000: 1.0} | {one.at: one.ratio for one in rows if one.what == what}
        panel.plot(list(points), list(points.values()), marker="o", markersize=3, label=what)
    panel.set(xscale="log", xlabel="executions in the store", ylabel="times the cost with 1,000")
    _say_plainly(panel.xaxis, "{:,.0f}".format)
    panel.set_ylim(bottom=0)
    panel.grid(True)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
    return figure


def _shares(results: Sequence[Result]) -> Figure | None:
    """A bar for each profile, made of its parts."""
    rows = [one for one in results if one.title.startswith("where a step of ")]
    if not rows:
        return None
    bars = {title: list(parts) for title, parts in groupby(rows, key=lambda one: one.title)}
    names = list(dict.fromkeys(one.what for one in rows if one.ratio and one.ratio >= 0.01))
    colours = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    figure = Figure(figsize=(9, 0.5 + 0.5 * len(bars)))
    panel = figure.subplots()
    labels = [title.removeprefix("where a step of ").removesuffix(" ones spends its time") for title in bars]
    left = [0.0] * len(bars)
    for name, colour in zip(names, colours, strict=False):
        widths = [
            next((100 * (one.ratio or 0) for one in parts if one.what == name), 0.0)
            for parts in bars.values()
        ]
        panel.barh(labels, widths, left=left, label=name, color=colour)
        left = [begun + width for begun, width in zip(left, widths, strict=True)]
    panel.invert_yaxis()
    panel.set_xlabel("% of a step's time")
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=3)
    return figure
