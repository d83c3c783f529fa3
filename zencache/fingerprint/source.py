"""The source of live code: found, and never lent to code that was compiled from something else."""

from __future__ import annotations

import ast
import linecache
import os
import sys
import threading
import tokenize
import warnings
import weakref
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, Generic, TypeVar

from zencache.fingerprint import compiled
from zencache.fingerprint.normal_form import Function
from zencache.fingerprint.observation import has_changed
from zencache.fingerprint.ownership import file_of_function
from zencache.fingerprint.syntax import first_line

T = TypeVar("T")
_lock = threading.RLock()


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


class _Source:
    """One source text: its definitions as syntax, and the code that compiling it gives."""

    def __init__(self, text: str, filename: str):
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if filename.startswith("<") or "ipykernel" in filename else 0
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

    def _index(self, body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault((node.name, first_line(node)), []).append(node)
                self._index(node.body, f"{prefix}{node.name}.<locals>.")
            elif isinstance(node, ast.ClassDef):
                self.classes.setdefault(prefix + node.name, []).append(node)
                self._index(node.body, f"{prefix}{node.name}.")
            else:
                for block in _blocks(node):
                    self._index(block, prefix)

    def functions(self, code: CodeType) -> list[Function]:
        """The definitions that compile to this code; several only where they cannot be told apart."""
        if code.co_name == "<lambda>" and not self._lambdas_indexed:
            self._index_lambdas()
        twins = self._codes.get(code.co_name, [])
        equal = [twin for twin in twins if twin == code]
        if not equal:  # lines may have moved since the code was imported
            content = compiled.content(code)
            equal = [twin for twin in twins if compiled.content(twin) == content][:1]
        return [node for twin in equal[:1] for node in self._nodes(twin, twins)]

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


def functions_of(function: FunctionType) -> list[Function]:
    """The definitions of a live function: one as a rule, none if it has no source (any more)."""
    with _lock:
        source = _source_of(file_of_function(function), function.__globals__)
        return source.functions(function.__code__) if source else []


def classes_of(kind: type) -> list[ast.ClassDef]:
    """The statements of a live class: one as a rule, more if they cannot be told apart, or none.

    None either if the file has changed since it was imported: the text that was is gone.
    """
    module_globals = _globals_of_class(kind)
    with _lock:
        for file in _files_of_class(kind, module_globals):
            if has_changed(file):
                return []
            source = _source_of(file, module_globals)
            candidates = source.classes.get(kind.__qualname__, []) if source else []
            if source and candidates:
                fitting = [node for node in candidates if _fits(node, kind, source)]
                line = vars(kind).get("__firstlineno__")  # since Python 3.13
                return [node for node in fitting if first_line(node) == line] or fitting
    return []


def has_changed_source(kind: type) -> bool:
    """Whether the file of a live class has changed since it was imported."""
    return any(has_changed(file) for file in _files_of_class(kind, _globals_of_class(kind)))


def _globals_of_class(kind: type) -> dict[str, Any]:
    module = sys.modules.get(kind.__module__)
    return vars(module) if module else {}


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


def _files_of_class(kind: type, module_globals: dict[str, Any]) -> list[str]:
    methods = [function for attribute in vars(kind).values() for function in plain_functions(attribute)]
    files = [
        file_of_function(method)
        for method in methods
        if method.__qualname__ == f"{kind.__qualname__}.{method.__code__.co_name}"
    ]
    module_file = module_globals.get("__file__")
    if isinstance(module_file, str):
        files.append(module_file)
    elif not files:  # a notebook's class without methods says nothing of its cell
        statement = f"class {kind.__name__}"
        cells = [name for name in list(linecache.cache) if not os.path.exists(name)]
        files += [name for name in reversed(cells) if statement in "".join(linecache.getlines(name))]
    return list(dict.fromkeys(files))


def _fits(node: ast.ClassDef, kind: type, source: _Source) -> bool:
    """Whether a statement can have made a live class: it annotates and defines what the class has.

    The code of a class body is gone once it has run, so this is what can be compared.
    """
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
        any(
            found is definition for found in source.functions(method.__code__) for definition in defined[name]
        )
        for name in defined.keys() & vars(kind).keys()
        for method in plain_functions(vars(kind)[name])
        if method.__qualname__ == f"{kind.__qualname__}.{name}" and method.__code__.co_name == name
    )


def _source_of(filename: str, module_globals: dict[str, Any]) -> _Source | None:
    try:
        status = os.stat(filename)
    except OSError:
        return _pseudo_source(filename, module_globals)
    return _file_source(filename, status)


_files: dict[str, tuple[tuple[int, int], _Source | None]] = {}
_cells: dict[str, tuple[str, _Source | None]] = {}


def _file_source(path: str, status: os.stat_result) -> _Source | None:
    stamp = (status.st_mtime_ns, status.st_size)
    known = _files.get(path)
    if known is None or known[0] != stamp:
        try:
            with tokenize.open(path) as file:
                text = file.read()
        except (OSError, SyntaxError, UnicodeDecodeError):
            text = None
        known = _files[path] = (stamp, _parsed(text, path))
    return known[1]


def _pseudo_source(name: str, module_globals: dict[str, Any]) -> _Source | None:
    """Notebook cells, doctests and zipped modules, which :mod:`linecache` knows."""
    text = "".join(linecache.getlines(name, module_globals))
    known = _cells.get(name)
    if known is None or known[0] != text:
        known = _cells[name] = (text, _parsed(text, name))
    return known[1]


def _parsed(text: str | None, filename: str) -> _Source | None:
    if not text:
        return None
    try:
        return _Source(text, filename)
    except (SyntaxError, ValueError):
        return None


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


def _in_order_of_compilation(node: ast.AST) -> Iterator[ast.Lambda]:
    """Lambdas in the order in which their code appears: defaults before, the body after."""
    if isinstance(node, ast.Lambda):
        yield from _in_order_of_compilation(node.args)
        yield node
        yield from _in_order_of_compilation(node.body)
        return
    for child in ast.iter_child_nodes(node):
        yield from _in_order_of_compilation(child)
