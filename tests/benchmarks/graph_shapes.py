"""Graphs of trivial steps in three shapes; each step is a function of its own in a module of the user's.

The same functions are written as zencache's steps, under ``joblib.Memory``, and as they are.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Kind = Literal["zencache", "joblib", "plain"]
Parents = tuple[tuple[int, ...], ...]  # of each step, the steps whose outputs it takes

_HEADS: dict[Kind, str] = {
    "zencache": "from zencache import pipeline, step\n",
    "joblib": "from pathlib import Path\n\nfrom joblib import Memory\n\n"
    "step = Memory(Path(__file__).with_suffix('.joblib'), verbose=0).cache\n",
    "plain": "",
}
_BODY = """

PARENTS = {parents}


def graph(seed: int = 0):
    steps = globals()
    made = [step_0(seed)]
    for index in range(1, len(PARENTS)):
        made.append(steps[f"step_{{index}}"](*[made[above] for above in PARENTS[index]]))
"""


def chain(size: int) -> Parents:
    return ((), *((index,) for index in range(size - 1)))


def fan_out(size: int) -> Parents:
    return ((), *((0,) for _ in range(size - 1)))


def lattice(size: int) -> Parents:
    """Rows as wide as there are rows; each step takes two neighbours of the row above."""
    width = max(1, math.isqrt(size))
    rows: list[tuple[int, ...]] = [()]
    for index in range(1, size):
        row, place = divmod(index - 1, width)
        above = 1 + (row - 1) * width
        both = {above + place, above + (place + 1) % width}
        rows.append(tuple(sorted(both)) if row else (0,))
    return tuple(rows)


SHAPES: dict[str, Callable[[int], Parents]] = {
    "chain": chain,
    "fan-out": fan_out,
    "diamond lattice": lattice,
}


def write_graph(folder: Path, kind: Kind, parents: Parents) -> Any:
    """The module of a graph: ``module.graph(seed)`` binds it, or computes it at once."""
    text = _HEADS[kind]
    for index, above in enumerate(parents):
        names = [f"x{place}" for place in range(max(1, len(above)))]
        text += "" if kind == "plain" else "\n\n@step"
        text += f"\ndef step_{index}({', '.join(f'{name}: int' for name in names)}) -> int:\n"
        text += f"    return {' + '.join(names)} + {int(index > 0)}\n"
    body = _BODY.format(parents=parents)
    text += body.replace("def graph", "@pipeline\ndef graph") if kind == "zencache" else body
    path = folder / f"{kind}_graph_of_{len(parents)}.py"
    path.write_text(text)
    return load(path)


def load(script: Path) -> Any:
    """The module of a script."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[script.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
