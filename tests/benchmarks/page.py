"""`docs/benchmarks.md` and its plots, from what the benchmarks found: `page.md` with its tables filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path

from graph_shapes import SHAPES
from plot import plots
from result import Benchmark, Result, shown

TEMPLATE = Path(__file__).with_name("page.md")


def write_page(found: Mapping[str, Benchmark], docs: Path) -> None:
    """Write the page and its plots into the folder of the docs."""
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    results = [result for benchmark in found.values() for result in benchmark.results]
    drawn = plots(results, images)

    def filled(match: re.Match[str]) -> str:
        directive, _, rest = match[1].partition(" ")
        if directive == "plot":
            name, _, alternative = rest.partition(" ")
            return f"![{alternative}](images/{name})" if name in drawn else ""
        table = _DIRECTIVES[directive](rest, found, results)
        return table or f"*Not measured on this machine: {rest.rstrip(':') or directive}.*"

    text = re.sub(r"\{\{(.+?)\}\}", filled, TEMPLATE.read_text(encoding="utf-8"))
    (docs / "benchmarks.md").write_text(re.sub(r"\n{3,}", "\n\n", text), encoding="utf-8")


def _goals(_: str, __: object, results: Iterable[Result]) -> str:
    rows = [result for result in results if result.goal]
    return _table(
        ["goal for", "held against", "goal", "found", ""],
        [
            [
                f"{one.title}: {_what(one)}" if one.than else one.title,
                one.than,
                one.aim,
                shown(one.ours, one.unit) if one.goal and one.goal.of == "ours" else _ratio(one),
                "**missed**" if one.is_missed else "met",
            ]
            for one in rows
        ],
    )


def _compared(title: str, _: object, results: Iterable[Result]) -> str:
    """The results whose titles begin so, a table for each title."""
    chosen = [result for result in results if result.title.startswith(title)]
    tables = []
    for heading, rows in groupby(chosen, key=lambda one: one.title):
        body = [[_what(one), shown(one.ours, one.unit), *_theirs(one), _ratio(one)] for one in rows]
        tables.append(_table([_capital(heading), "", "held against", "", "ratio"], body))
    return "\n\n".join(tables)


def _sizes(kind: str, _: object, results: Iterable[Result]) -> str:
    """A table for each shape: a row for each size, a column for each of those that were measured."""
    tables = []
    for shape in SHAPES:
        rows = [one for one in results if one.title == f"{shape}, {kind}, a step" and one.than]
        names = list(dict.fromkeys(one.than for one in rows))
        body = []
        for size, ones in groupby(rows, key=lambda one: one.at):
            theirs = {one.than: one for one in ones}
            ours = next(iter(theirs.values())).ours
            cells = [f"{shown(one.theirs)} ({_ratio(one)})" if (one := theirs.get(n)) else "" for n in names]
            body.append([f"{size:,}", f"**{shown(ours)}**", *cells])
        if body:
            tables.append(_table([f"{_capital(shape)}, steps", "zencache", *names], body))
    return "\n\n".join(tables)


def _shares(_: str, __: object, results: Iterable[Result]) -> str:
    """A sentence for each profile."""
    chosen = [one for one in results if one.title.startswith("where a step of ")]
    sentences = []
    for title, rows in groupby(chosen, key=lambda one: one.title):
        parts = [one for one in rows if one.ratio and one.ratio >= 0.01]
        of = title.removeprefix("where a step of ").removesuffix(" ones spends its time")
        told = ", ".join(f"{one.what} {one.ratio:.0%}" for one in parts)
        sentences.append(f"- A step of **{of}** ones takes {shown(parts[0].theirs)}: {told}.")
    return "\n".join(sentences)


def _memory(_: str, found: Mapping[str, Benchmark], __: object) -> str:
    rows = []
    for name, benchmark in found.items():
        peaks = [result.ours for result in benchmark.results if result.title == "peak memory"]
        if peaks:
            took, day = f"{benchmark.seconds:.0f} s", benchmark.measured[:10]
            rows.append([f"`{name}`", shown(max(peaks), "B"), took, day])
    return _table(["benchmark", "peak memory of its process", "took", "on"], rows)


def _facts(field: str, found: Mapping[str, Benchmark], _: object) -> str:
    """The machine, or the versions, of all benchmarks; where they differ, all that there were."""
    facts: dict[str, list[str]] = {}
    for benchmark in found.values():
        for name, fact in getattr(benchmark, field).items():
            facts.setdefault(name, [])
            facts[name] += [] if fact in facts[name] else [fact]
    return _table([field.removesuffix("s"), ""], [[name, _span(values)] for name, values in facts.items()])


def _span(values: list[str]) -> str:
    try:
        numbers = sorted(map(float, values))
    except ValueError:
        return ", ".join(values)
    return values[0] if len(values) == 1 else f"{numbers[0]:g} to {numbers[-1]:g}"


def _measured(_: str, found: Mapping[str, Benchmark], __: object) -> str:
    days = sorted({benchmark.measured[:10] for benchmark in found.values()})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


_DIRECTIVES: dict[str, Callable[[str, Mapping[str, Benchmark], list[Result]], str]] = {
    "goals": _goals,
    "compared": _compared,
    "sizes": _sizes,
    "shares": _shares,
    "memory": _memory,
    "facts": _facts,
    "measured": _measured,
}


def _what(result: Result) -> str:
    return result.what if result.at is None else f"{result.what}, {result.at:,}"


def _theirs(result: Result) -> tuple[str, str]:
    return (result.than, shown(result.theirs, result.unit)) if result.than else ("", "")


def _ratio(result: Result) -> str:
    if result.ratio is None:
        return ""
    if result.ratio < 0.001:
        return "< 0.001"
    return f"{result.ratio:.2f}" if result.ratio < 10 else f"{result.ratio:,.0f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in cells)} |" for cells in lines)
