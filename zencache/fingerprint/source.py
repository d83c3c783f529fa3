"""The source of live code: found, and never lent to code that was compiled from something else."""

from __future__ import annotations

import ast
import linecache
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any, Generic, TypeVar

from zencache.fingerprint import compiled
from zencache.fingerprint.normal_form import Definition, Function
from zencache.fingerprint.observation import has_changed
from zencache.fingerprint.ownership import file_of_function
from zencache.fingerprint.syntax import first_line, stands_in

_SETTLED = 2_000_000_000  # nanoseconds; a younger change may not show in the time of the next one
T = TypeVar("T")
lock = threading.RLock()  # around all that is known of texts


class Memo(Generic[T]):
    """What is known of objects that may be collected: kept by identity, dropped with the object."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Any], T]] = {}

    def get(self, key: Any) -> T | None:
        entry = self._entries.get(id(key))
        return entry[1] if entry is not None and entry[0]() is key else None

    def put(self, key: Any, value: T) -> T:
        place = id(key)
        entries = self._entries

        def forget(reference: weakref.ref[Any]) -> None:
            entry = entries.get(place)
            if entry is not None and entry[0] is reference:
                del entries[place]

        entries[place] = (weakref.ref(key, forget), value)
        return value


def compiler_flags(filename: str) -> int:
    """Notebooks and REPLs may await outside of functions."""
    return ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if filename.startswith("<") or "ipykernel" in filename else 0


class Source:
    """One source text: its definitions as syntax, and the code that compiling it gives."""

    def __init__(self, text: bytes | str, filename: str):
        flags = compiler_flags(filename)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the import has shown them already
            self._tree: ast.Module = compile(
                text, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True
            )
            code = compile(self._tree, filename, "exec", flags, dont_inherit=True)
        self._codes: dict[str, list[CodeType]] = {}
        for part in compiled.nested(code):
            self._codes.setdefault(part.co_name, []).append(part)
        self._functions: dict[tuple[str, int], list[Function]] = {}
        self.classes: dict[str, list[ast.ClassDef]] = {}
        self._index(self._tree.body, "")
        self._lambdas_indexed = False

    def _index(self, body: list[ast.stmt], prefix: str, outer: tuple[Definition, ...] = ()) -> None:
        for node in body:
            kind = type(node)
            if kind in _SIMPLE:
                continue
            if isinstance(node, Definition):
                stands_in(node, outer)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault((node.name, first_line(node)), []).append(node)
                self._index(node.body, f"{prefix}{node.name}.<locals>.", (*outer, node))
            elif isinstance(node, ast.ClassDef):
                self.classes.setdefault(prefix + node.name, []).append(node)
                self._index(node.body, f"{prefix}{node.name}.", (*outer, node))
            else:
                for block in _blocks(node):
                    self._index(block, prefix, outer)

    def functions(self, code: CodeType) -> list[Function]:
        """The definitions that compile to this code; several only where they cannot be told apart."""
        if code.co_name == "<lambda>" and not self._lambdas_indexed:
            self._index_lambdas()
        twins = self._codes.get(code.co_name, [])
        equal = [twin for twin in twins if twin == code]
        if not equal:  # lines may have moved since the code was imported
            content = compiled.comparable(code)
            equal = [twin for twin in twins if compiled.comparable(twin) == content][:1]
        return [node for twin in equal[:1] for node in self._nodes(twin, twins)]

    def class_places(self, kind: type) -> list[int]:
        """Which statements under the name of a live class can have made it, by their places in ``classes``.

        One as a rule, more if they cannot be told apart, or none. The code of a class body is gone once it
        has run, so what it annotates and defines is what can be compared.
        """
        candidates = self.classes.get(kind.__qualname__, [])
        places = [place for place, node in enumerate(candidates) if self._fits(node, kind)]
        line = vars(kind).get("__firstlineno__")  # since Python 3.13
        return [place for place in places if first_line(candidates[place]) == line] or places

    def _fits(self, node: ast.ClassDef, kind: type) -> bool:
        annotated = {
            statement.target.id
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        }
        if annotated - set(vars(kind).get("__annotations__", annotated)):
            return False
        defined: dict[str, list[Function]] = {}
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                defined.setdefault(statement.name, []).append(statement)
        return all(
            any(found is definition for found in self.functions(code) for definition in defined[name])
            for name, code in methods_of(kind)
            if name in defined
        )

    def _nodes(self, twin: CodeType, twins: list[CodeType]) -> list[Function]:
        nodes = self._functions.get((twin.co_name, twin.co_firstlineno), [])
        on_line = [other for other in twins if other.co_firstlineno == twin.co_firstlineno]
        if len(nodes) == len(on_line):
            return [nodes[on_line.index(twin)]]
        return nodes

    def _index_lambdas(self) -> None:
        for node in _in_order_of_compilation(self._tree):
            self._functions.setdefault(("<lambda>", node.lineno), []).append(node)
        self._lambdas_indexed = True


def has_changed_source(kind: type) -> bool:
    """Whether the file of a live class has changed since it was imported."""
    return any(has_changed(file) for file in files_of_class(kind))


def plain_functions(attribute: Any) -> list[FunctionType]:
    """The functions that a class attribute holds, be it a method or a property."""
    match attribute:
        case FunctionType():
            return [attribute]
        case classmethod() | staticmethod():
            return plain_functions(attribute.__func__)
        case property():
            return [
                function
                for accessor in (attribute.fget, attribute.fset, attribute.fdel)
                for function in plain_functions(accessor)
            ]
    return []


def methods_of(kind: type) -> Iterator[tuple[str, CodeType]]:
    """The code of the methods that a class defines itself, as far as their names tell."""
    for name, attribute in vars(kind).items():
        for method in plain_functions(attribute):
            if method.__qualname__ == f"{kind.__qualname__}.{name}" and method.__code__.co_name == name:
                yield name, method.__code__


def globals_of_class(kind: type) -> dict[str, Any]:
    """The globals of the module that a class says it is from; empty if that is gone."""
    module = sys.modules.get(kind.__module__)
    return vars(module) if module else {}


def files_of_class(kind: type) -> list[str]:
    """The files, or names of cells, that may hold the statement of a class, the likeliest first."""
    methods = [function for attribute in vars(kind).values() for function in plain_functions(attribute)]
    files = [
        file_of_function(method)
        for method in methods
        if method.__qualname__ == f"{kind.__qualname__}.{method.__code__.co_name}"
    ]
    module_file = globals_of_class(kind).get("__file__")
    if isinstance(module_file, str):
        files.append(module_file)
    elif not files:  # a notebook's class without methods says nothing of its cell
        statement = f"class {kind.__name__}"
        cells = [name for name in list(linecache.cache) if not os.path.exists(name)]
        files += [name for name in reversed(cells) if statement in "".join(linecache.getlines(name))]
    return list(dict.fromkeys(files))


class Text:
    """A source text as it was read; it is parsed once somebody asks."""

    def __init__(self, content: bytes | str, filename: str, *, is_file: bool):
        self.content = content
        self.filename = filename
        self.is_file = is_file

    @cached_property
    def source(self) -> Source | None:
        """What it says; None if it is no Python."""
        try:
            return Source(self.content, self.filename) if self.content else None
        except (SyntaxError, ValueError):
            return None


def text_of(filename: str, module_globals: dict[str, Any]) -> Text | None:
    """The text that a file or a cell has now; None if there is none."""
    with lock:
        try:
            status = os.stat(filename)
        except OSError:
            return _cell_text(filename, module_globals)
        return _file_text(filename, status)


_State = tuple[int, int, int, int]

_files: dict[str, tuple[_State, bool, Text | None]] = {}
_cells: dict[str, Text] = {}


def _file_text(path: str, status: os.stat_result) -> Text | None:
    """A file is read again when its state is another, or was so young that a change may not show in it."""
    state = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    known = _files.get(path)
    if known is None or known[0] != state or not known[1]:
        is_settled = max(state[:2]) < time.time_ns() - _SETTLED
        content = _content(path)
        text = known[2] if known is not None else None
        if text is None or text.content != content:
            text = None if content is None else Text(content, path, is_file=True)
        known = _files[path] = (state, is_settled, text)
    return known[2]


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return None


def _cell_text(name: str, module_globals: dict[str, Any]) -> Text:
    """Notebook cells, doctests and zipped modules, which :mod:`linecache` knows."""
    content = "".join(linecache.getlines(name, module_globals))
    known = _cells.get(name)
    if known is None or known.content != content:
        known = _cells[name] = Text(content, name, is_file=False)
    return known


_COMPOUND: tuple[type[ast.AST], ...] = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Match, ast.Try),
    getattr(ast, "TryStar", ast.Try),  # since Python 3.11
)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    if not isinstance(node, _COMPOUND):
        return
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for name in ("handlers", "cases"):
        for part in getattr(node, name, ()):
            yield part.body


_SIMPLE = frozenset(
    {ast.Expr, ast.Assign, ast.Return, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom}
)


def _in_order_of_compilation(node: ast.AST) -> Iterator[ast.Lambda]:
    """Lambdas in the order in which their code appears: defaults before, the body after."""
    if isinstance(node, ast.Lambda):
        yield from _in_order_of_compilation(node.args)
        yield node
        yield from _in_order_of_compilation(node.body)
        return
    for child in ast.iter_child_nodes(node):
        yield from _in_order_of_compilation(child)
