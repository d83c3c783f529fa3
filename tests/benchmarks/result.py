"""What a benchmark found: ours beside something measured in the same run, and how near it should be."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Unit = Literal["s", "B", "B/s", "calls"]


@dataclass(frozen=True)
class Goal:
    """The most that a result may be: its ratio, or what it is by itself (``of="ours"``)."""

    most: float
    of: Literal["ratio", "ours"] = "ratio"


@dataclass(frozen=True)
class Result:
    """One comparison.

    Args:
        title: what it belongs to; results of one title are one table.
        what: what was measured, ``ours`` of ``unit``.
        than: what it is held against, ``theirs`` of the same unit; empty if it stands by itself.
        at: for what size, if it is one of a row of sizes.
    """

    title: str
    what: str
    ours: float
    than: str = ""
    theirs: float = 0.0
    unit: Unit = "s"
    goal: Goal | None = None
    at: int | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.than and self.theirs > 0 else None

    @property
    def is_missed(self) -> bool:
        if self.goal is None:
            return False
        found = self.ours if self.goal.of == "ours" else self.ratio
        return found is None or not found <= self.goal.most

    @property
    def aim(self) -> str:
        """The goal as text."""
        if self.goal is None:
            return ""
        most = shown(self.goal.most, self.unit) if self.goal.of == "ours" else f"{self.goal.most:.3g}"
        return f"≤ {most}"

    def __str__(self) -> str:
        at = f" at {self.at:,}" if self.at is not None else ""
        text = f"{self.what}{at}: {shown(self.ours, self.unit)}"
        if self.than:
            text += f"  vs  {self.than}: {shown(self.theirs, self.unit)}"
        if self.ratio is not None:
            text += f"  ->  {self.ratio:.3f}"
        return f"{text}   goal: {self.aim}{', MISSED' if self.is_missed else ''}" if self.goal else text


@dataclass(frozen=True)
class Benchmark:
    """All that one file of benchmarks found, when, where and in how many seconds."""

    name: str
    outcome: Literal["passed", "failed"]
    seconds: float
    measured: str
    machine: dict[str, str]
    versions: dict[str, str]
    results: list[Result] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")


def read(folder: Path) -> dict[str, Benchmark]:
    """What lies in a folder, by name."""
    found = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
    return {row["name"]: Benchmark(**{**row, "results": _results(row["results"])}) for row in found}


def _results(rows: Iterable[dict[str, Any]]) -> list[Result]:
    return [Result(**{**row, "goal": Goal(**row["goal"]) if row["goal"] else None}) for row in rows]


def shown(value: float, unit: Unit = "s") -> str:
    """A quantity as people read it: ``1.20 ms``, ``200 MB``, ``1.3 GB/s``."""
    if unit == "calls":
        return f"{value:,.0f}"
    if unit == "s":
        scale = [(1.0, "s"), (1e-3, "ms"), (0.0, "µs")]
        least, name = next(row for row in scale if abs(value) >= row[0])
        return f"{value / (least or 1e-6):.{1 if not least else 2}f} {name}"
    least, name = next(row for row in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0.0, "B")] if value >= row[0])
    number = value / (least or 1)
    return f"{number:.{2 if least == 1e9 else 0}f} {name}{unit[1:]}"
