"""A package of 50 modules with four functions each, all of which one step reaches."""

from __future__ import annotations

from pathlib import Path

MODULES, FUNCTIONS = 50, 200

_MODULE = '''
"""Module {index} of a pipeline's helpers."""

import math

from . import {below}

SCALE = {index} / 7


def clean(values, *, low=0.0, high=1.0):
    """Clip values and drop what is no number."""
    kept = [value for value in values if value is not None and not math.isnan(value)]
    return [min(max(value, low), high) * SCALE for value in kept]


def grouped(rows, size={index} + 1):
    groups = {{}}
    for place, row in enumerate(rows):
        groups.setdefault(place % size, []).append(row)
    return {{key: sum(found) / len(found) for key, found in groups.items() if found}}


def named(rows, prefix="m{index}"):
    try:
        means = grouped(clean(rows))
    except ZeroDivisionError as error:
        raise ValueError(f"{{prefix}}: no rows") from error
    return {{f"{{prefix}}.{{key}}": value for key, value in means.items()}}


def report(rows):
    """This module's means and those of the modules below it."""
    found = named(rows)
    found.update({below}.report(rows[1:]))
    return found
'''
_LAST = "\n\ndef report(rows):\n    return {}\n"
_STEP = """\
from zencache import step
from .m0 import report


@step
def make(rows: list) -> dict:
    return report(rows)
"""


def write_package(folder: Path) -> Path:
    """Write ``many/``: ``many.steps.make`` reaches 200 functions in the modules ``m0`` to ``m49``."""
    package = folder / "many"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for index in range(MODULES):
        below = f"m{index + 1}" if index + 1 < MODULES else "last"
        (package / f"m{index}.py").write_text(_MODULE.format(index=index, below=below))
    (package / "last.py").write_text(_LAST)
    (package / "steps.py").write_text(_STEP)
    return package
