"""The command line: each command calls one documented function of the library and prints what it gives."""

from __future__ import annotations

from zencache.cli import cost, example, export, history, lineage, running, trust
from zencache.cli.group import main

__all__ = ["cost", "example", "export", "history", "lineage", "main", "running", "trust"]
