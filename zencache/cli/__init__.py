"""The command line: each command calls one documented function of the library and prints what it gives."""

from __future__ import annotations

from zencache.cli import bad_data, cost, example, export, history, lineage, picture, running, trust
from zencache.cli.group import main

__all__ = [
    "bad_data",
    "cost",
    "example",
    "export",
    "history",
    "lineage",
    "main",
    "picture",
    "running",
    "trust",
]
