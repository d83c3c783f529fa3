"""The head of what is text, JSON, bytes or a folder of files."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

_HEAD = 8_000  # characters
_PARSED = 1 << 20  # bytes; a longer JSON text is shown as it is
_FILES = 200
_PICTURE = 1 << 20  # bytes
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}


def json_preview(directory: Path) -> dict[str, Any]:
    """A JSON value as it is stored, indented if it is short; a number as a metric."""
    file = directory / "value.json"
    if file.stat().st_size > _PARSED:
        return _text(file)
    text = file.read_bytes().decode("utf-8", "replace")
    value = json.loads(text)
    number = number_of(value)
    if number is not None:
        return {"kind": "number", "text": text.strip()[:100], "number": number}
    shown = json.dumps(value, ensure_ascii=False, indent=None if len(text) < 80 else 2)
    return {"kind": "text", "language": "json", "text": shown[:_HEAD], "is_cut": len(shown) > _HEAD}


def number_of(value: Any) -> float | None:
    """The number that a stored JSON value is, if it is one that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def text_preview(directory: Path) -> dict[str, Any]:
    """The head of a stored string."""
    return _text(directory / "value.txt")


def _text(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        head = stream.read(4 * _HEAD).decode("utf-8", "replace")
    is_cut = len(head) > _HEAD or file.stat().st_size > 4 * _HEAD
    return {"kind": "text", "language": "", "text": head[:_HEAD], "is_cut": is_cut}


def files_preview(directory: Path) -> dict[str, Any]:
    """The files of an object by name and size, and the first picture among them."""
    files = list(islice(_files(directory), _FILES + 1))
    told: dict[str, Any] = {
        "kind": "files",
        "files": [{"path": path, "size": file.stat().st_size} for path, file in files[:_FILES]],
        "is_cut": len(files) > _FILES,
    }
    for _, file in files[:_FILES]:
        media_type = _PICTURES.get(file.suffix.lower())
        if media_type and file.stat().st_size <= _PICTURE:
            told["picture"] = f"data:{media_type};base64,{base64.b64encode(file.read_bytes()).decode()}"
            break
    return told


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(directory.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield file.relative_to(directory).as_posix(), file
