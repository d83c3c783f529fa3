"""Rows as people read them: a table on a terminal, one line a row in a pipe, JSON on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from zencache.cli.json_output import echo_json
from zencache.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 10_000


def show_rows(as_json: bool, rows: list[dict[str, Any]], columns: tuple[str, ...], *, empty: str) -> None:
    if as_json:
        echo_json(rows)
    elif not rows:
        click.echo(empty)
    else:
        print_table(rows, columns)


_CELLS: Mapping[str, Callable[[Any], str]] = {
    "digest": lambda value: value[:19],  # its beginning is enough to name it
    "duration": lambda value: f"{value:.3f}s",
    "saved": lambda value: f"{value:.1f}s",
    "started": lambda value: value[5:16].replace("T", " "),
    "parameters": lambda value: ", ".join(f"{name}={item}" for name, item in value.items()),
    "outputs": ", ".join,
}


def print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = [[visible(_CELLS.get(column, str)(row[column])) for column in columns] for row in rows]
    out = console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, width in zip(
        columns, _widths(columns, shown, out.width - 2 - 3 * (len(columns) - 1)), strict=True
    ):
        table.add_column(column, overflow="fold", width=width)
    for cells in shown:
        table.add_row(*map(Text, cells))
    out.print(table)


def _widths(columns: tuple[str, ...], rows: list[list[str]], room: int) -> list[int]:
    """How wide each column is: as it needs, or else the widest ones share what the others leave.

    Nothing is cut: what is wider than its column goes on in the next line.
    """
    from rich.cells import cell_len

    needed = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    widths = [1] * len(needed)
    left = room - len(needed)
    # The narrow ones first: each takes what it needs, as long as as much is left for every other.
    by_need = sorted(range(len(needed)), key=lambda index: needed[index])
    for position, index in enumerate(by_need):
        share = max(0, left) // (len(needed) - position)
        widths[index] = min(needed[index], 1 + share)
        left -= widths[index] - 1
    return widths


def console(room: int = 0) -> Console:
    """What prints to stdout. What goes into a pipe is for programs: each row is one line there.

    Args:
        room: columns that it needs at least; on a narrower terminal the terminal itself breaks the lines.
    """
    from rich.console import Console

    out = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else _WIDE, highlight=False)
    return out if out.width >= room else Console(width=_WIDE, highlight=False)
