"""Rows as people read them: a table on a terminal, one line a row in a pipe, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

_WIDE = 10_000


def show_rows(as_json: bool, rows: list[dict[str, Any]], columns: tuple[str, ...], *, empty: str) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif not rows:
        click.echo(empty)
    else:
        print_table(rows, columns)


_CELLS: Mapping[str, Callable[[Any], str]] = {
    "duration": lambda value: f"{value:.3f}s",
    "saved": lambda value: f"{value:.1f}s",
    "started": lambda value: value[5:16].replace("T", " "),
    "parameters": lambda value: ", ".join(f"{name}={item}" for name, item in value.items()),
    "outputs": ", ".join,
}


def print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        # The first column is what the next command is given: it is never cut.
        table.add_column(column, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_CELLS.get(column, str)(row[column])) for column in columns))
    # What goes into a pipe is for programs: each row is one line there.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
