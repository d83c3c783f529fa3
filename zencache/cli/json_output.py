"""JSON as the commands print it."""

from __future__ import annotations

import json
import math
from typing import Any

import click


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json_text(value))


def json_text(value: Any) -> str:
    """Indented JSON; what has no JSON form is its text, numbers among it that are none.

    >>> print(json_text({"loss": float("nan")}))
    {
      "loss": "NaN"
    }
    """
    return json.dumps(_with_numbers(value), indent=2, default=str, allow_nan=False)


def _with_numbers(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    return [_with_numbers(item) for item in value] if isinstance(value, list | tuple) else value
