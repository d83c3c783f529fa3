"""The source text of a step's function as it is now, if it can be shown without showing anything else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

_LARGEST = 1 << 20  # bytes of a source file
_LONGEST = 400  # lines of a function


def source_text(root: Path, file: str, qualname: str, recorded: datetime | None) -> dict[str, Any] | None:
    """The text of a function in a Python file of the project.

    What is recorded about a step is only a name. So nothing is shown but a function of that name in a
    ``.py`` file inside of the project's folder, whatever path was recorded.

    Args:
        root: the project's folder.
        file: the recorded path of the file.
        qualname: of the function in it.
        recorded: when the step was recorded; an older file has not changed since.

    Returns:
        The text, the line it begins with and whether the file has changed since; None if there is no
        such function.
    """
    try:
        path = Path(file).resolve(strict=True)
        if path.suffix != ".py" or not path.is_relative_to(root.resolve()) or not path.is_file():
            return None
        stat = path.stat()
        if stat.st_size > _LARGEST:
            return None
        text = path.read_text(encoding="utf-8")
        node = _function(ast.parse(text), qualname.split("."))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    if node is None or node.end_lineno is None:
        return None
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return {
        "text": "\n".join(lines[:_LONGEST]),
        "line": first,
        "is_cut": len(lines) > _LONGEST,
        "has_changed": recorded is None or stat.st_mtime > recorded.timestamp(),
    }


def _function(tree: ast.AST, names: list[str]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The last definition of a dotted name, which is the one that holds after the module has run."""
    node: Any = tree
    for name in names:
        if name != "<locals>":
            found = [one for one in _definitions(node) if one.name == name]
            if not found:
                return None
            node = found[-1]
    return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _definitions(node: ast.AST) -> Iterator[Any]:
    """What is defined in a scope, also under an `if` or a `with`, but not in the scopes inside of it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield child
        else:
            yield from _definitions(child)
