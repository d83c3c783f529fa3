"""The command line: each command calls one documented function of the library and prints what it gives."""

from __future__ import annotations

from zencache.cli import (
    bad_data,
    cleaning,
    cost,
    examining,
    example,
    exchange,
    export,
    history,
    key,
    lineage,
    picture,
    running,
    serving,
    trust,
)
from zencache.cli.group import main

__all__ = [
    "bad_data",
    "cleaning",
    "cost",
    "examining",
    "example",
    "exchange",
    "export",
    "history",
    "key",
    "lineage",
    "main",
    "picture",
    "running",
    "serving",
    "trust",
]
