"""Lengths of time and numbers of bytes as people type and read them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from zencache.exceptions import ConfigurationError

_TIMES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15} | {
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
    "pi": 2**50,
}


def duration_of(text: str) -> timedelta | None:
    """The time that a text such as ``"7d"``, ``"12h"``, ``"30m"`` says; None if it says none.

    Raises:
        OverflowError: no calendar can hold it.

    >>> duration_of("12h")
    datetime.timedelta(seconds=43200)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text)
    return timedelta(**{_TIMES[match[2]]: float(match[1])}) if match else None


def parse_age(name: str, value: Any) -> timedelta:
    """A timedelta, or a text such as ``"30d"``, as an age, which may be zero.

    Args:
        name: of the option, for the error.

    Raises:
        ConfigurationError: it is neither, or negative.
    """
    try:
        found = duration_of(value) if isinstance(value, str) else value
    except OverflowError:
        found = None
    if not isinstance(found, timedelta) or found < timedelta(0):
        raise ConfigurationError(
            f"`{name}` is not a length of time.",
            facts={"found": repr(value), "expected": 'a timedelta, or a text such as "30d", "12h" or "90m"'},
        )
    return found


def parse_bytes(name: str, value: Any) -> int:
    """A whole number, or a text such as ``"10GB"`` (10**10) or ``"2GiB"`` (2**31), as bytes.

    Raises:
        ConfigurationError: it is neither, or negative.

    >>> parse_bytes("max_bytes", "1.5 kB")
    1500
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    text = value.lower() if isinstance(value, str) else ""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?i?)b?\s*", text)
    if match is None or match[2] not in _BYTES:
        raise ConfigurationError(
            f"`{name}` is not a number of bytes.",
            facts={"found": repr(value), "expected": 'a whole number, or a text such as "500MB" or "2GiB"'},
        )
    return int(float(match[1]) * _BYTES[match[2]]) if match[2] or "." in match[1] else int(match[1])


def parse_count(name: str, value: Any) -> int:
    """A whole number that is not negative.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(
            f"`{name}` is not a count.", facts={"found": repr(value), "expected": "a whole number from 0 on"}
        )
    return value


def show_bytes(size: float) -> str:
    """A size as people read it, in powers of 1,000.

    >>> show_bytes(1500)
    '1.5 kB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "object"), counted(0, "object")
    ('1 object', '0 objects')
    """
    return f"{number} {noun}" + ("s" if number != 1 else "")


def show_age(seconds: float) -> str:
    """An age as people read it, in its largest unit.

    >>> show_age(7300)
    '2 h'
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
