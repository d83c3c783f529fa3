"""The normal form of source: what it says, without how it is written, and the names it refers to."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import resolve_name
from typing import Any

from zencache.digest import encode
from zencache.fingerprint.decorator import BLIND, OTHER, ZENCACHE, Decorators, decorator_in
from zencache.fingerprint.scope import GLOBAL, Reference, Scope, Scopes

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

# `ctx` repeats the place of a node, `kind` the spelling of a string, `simple` a pair of parentheses.
_SPELLING = frozenset({"ctx", "kind", "simple", "type_comment"})
_DYNAMIC = frozenset({"eval", "exec", "globals", "vars", "locals", "compile"})


@dataclass(frozen=True, slots=True)
class Syntax:
    """The normal form of some source.

    Args:
        digest: SHA-256 of the normal form.
        references: free names and imports, in order of appearance.
        dynamic: sentences about what the source may reach by names that only exist when it runs.
    """

    digest: bytes
    references: tuple[Reference, ...] = ()
    dynamic: tuple[str, ...] = ()


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Writer:
    """Writes the normal form of nodes, and notes the names that they load, in one traversal.

    Args:
        decorators: what decorators are, by the globals of the module.
        around: the definitions that the nodes stand in, outermost first.
    """

    def __init__(self, decorators: Decorators, around: tuple[Definition, ...] = ()):
        self._decorators_of_module = decorators
        self._around = around
        self._out: list[bytes] = []
        self._scopes = Scopes()
        self._dynamic: dict[str, None] = {}

    def finish(self) -> Syntax:
        digest = hashlib.sha256(b"".join(self._out)).digest()
        return Syntax(digest, self._scopes.references, tuple(self._dynamic))

    # -- the normal form

    def node(self, node: ast.AST) -> None:
        special = _SPECIAL.get(type(node))
        if special is None:
            self._plain(node)
        else:
            special(self, node)

    def _plain(self, node: ast.AST) -> None:
        opening, fields = _shape(type(node))
        self._out.append(opening)
        for name, mark in fields:
            self._field(mark, getattr(node, name, None))
        self._out.append(b")")

    def _field(self, mark: bytes, value: object) -> None:
        """One field after its name; one that is empty is left out, as older Pythons do not have it."""
        if value is None:
            return
        if isinstance(value, ast.AST):
            self._out.append(mark)
            self.node(value)
        elif not isinstance(value, list):
            self._out.append(mark)
            self._out.append(encode(value))
        elif value:
            self._out.append(mark)
            self._list(value)

    def _list(self, values: Iterable[object]) -> None:
        self._out.append(b"[")
        for value in values:
            if isinstance(value, ast.AST):
                if not _says_nothing(value):
                    self.node(value)
            else:
                self._out.append(encode(value))
        self._out.append(b"]")

    def _constant(self, node: ast.Constant) -> None:
        self._out.append(b"(..." if node.value is ... else b"(" + encode(node.value))
        self._out.append(b")")

    def _f_string(self, node: ast.JoinedStr) -> None:
        """Literal parts are joined: Pythons differ in where they cut them."""
        parts: list[ast.expr] = []
        for part in node.values:
            match parts[-1:], part:
                case _, ast.Constant(value=""):
                    pass
                case [ast.Constant(value=str(before))], ast.Constant(value=str(after)):
                    parts[-1] = ast.Constant(before + after)
                case _:
                    parts.append(part)
        self._out.append(b"(JoinedStr")
        self._list(parts)
        self._out.append(b")")

    # -- names

    def _name(self, node: ast.Name) -> None:
        self._out.append(b"(Name " + _text(node.id) + b")")
        if isinstance(node.ctx, ast.Load):
            self._scopes.load(Reference(node.id))
        else:
            self._scopes.bind(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        path = _dotted(node)
        if path is None:
            self._plain(node)
            self._scopes.read((node.attr,))
            return
        self._out.append(b"(Attribute")
        self._out.extend([_text(part) for part in path])
        self._out.append(b")")
        self._scopes.load(Reference(path[0], path[1:]))

    def _walrus(self, node: ast.NamedExpr) -> None:
        self._plain(node)
        self._scopes.bind_around_comprehensions(node.target.id)

    def _global(self, node: ast.Global) -> None:
        self._plain(node)
        self._scopes.take_from_module(node.names)

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        self._plain(node)
        self._scopes.take_from_function(node.names)

    def _binding(self, node: ast.AST) -> None:
        """``except ... as name`` and the captures of ``match``."""
        self._plain(node)
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            self._scopes.bind(name)

    def _import(self, node: ast.Import) -> None:
        self._plain(node)
        for alias in node.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            self._scopes.bind_import(alias.asname or module, Reference(module, (), 0))
            if not alias.asname and module != alias.name:
                # `import a.b` binds `a`, but loads `a.b`: a chain through `a` must find it.
                self._scopes.load(Reference(alias.name, ("__name__",), 0))

    def _import_from(self, node: ast.ImportFrom) -> None:
        self._plain(node)
        for alias in node.names:
            reference = Reference(node.module or "", (alias.name,), node.level)
            self._scopes.bind_import(alias.asname or alias.name, reference)

    # -- definitions

    def function(self, node: Function, *, with_defaults: bool = True) -> None:
        """A function or lambda: what its surroundings evaluate first, then its own scope."""
        decorators, annotated = self._decorators(node)
        self._out.append(b"(" + type(node).__name__.encode())
        if not isinstance(node, ast.Lambda):
            self._scopes.bind(node.name)
            self._out.append(encode(node.name))
            self._list(decorators)
            if annotated and node.returns:
                self._annotation(b" returns=", node.returns)
            if annotated or with_defaults:  # else what the body reads of them is in the function's cells
                self._type_parameters(node)
        if with_defaults:
            self._field(b" defaults=", node.args.defaults)
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                self._field(_text(argument.arg), default)
        self._scopes.open("function")
        self._arguments(node.args, annotated=annotated)
        self._list(node.body if isinstance(node.body, list) else [node.body])
        self._scopes.close()
        self._out.append(b")")

    def _arguments(self, arguments: ast.arguments, *, annotated: bool) -> None:
        kinds = {
            b"/": arguments.posonlyargs,
            b"a": arguments.args,
            b"*": [arguments.vararg] if arguments.vararg else [],
            b"k": arguments.kwonlyargs,
            b"#": [arguments.kwarg] if arguments.kwarg else [],
        }
        for mark, group in kinds.items():
            for argument in group:
                self._scopes.bind(argument.arg)
                self._out.append(mark + _text(argument.arg))
                if annotated and argument.annotation:
                    self._annotation(b" annotation=", argument.annotation)

    def _annotation(self, mark: bytes, annotation: ast.expr) -> None:
        """An annotation that somebody may read: what it quotes is looked up as well."""
        self._field(mark, annotation)
        written, self._out = self._out, []
        for quoted in _quoted(annotation):
            self._annotation(b"", quoted)
        self._out = written

    def is_decorated(self, node: ast.AST) -> bool:
        """Whether a decorator that counts stands above a definition."""
        return bool(self._decorators(node)[0])

    def _decorators(self, node: ast.AST) -> tuple[list[ast.expr], bool]:
        """The decorators that count, and whether one of them may read annotations."""
        found = [(self._decorator(each), each) for each in getattr(node, "decorator_list", ())]
        return [each for kind, each in found if kind != ZENCACHE], any(kind == OTHER for kind, _ in found)

    def _decorator(self, node: ast.expr) -> int:
        path = _dotted(_called(node))
        if path is None:
            return OTHER
        root, chain = path[0], path[1:]
        scopes = [*map(self._scope_of, self._around), *self._scopes.below_module]
        kind = decorator_in(scopes, root, chain)
        return self._decorators_of_module(root, chain) if kind is None else kind

    def _scope_of(self, node: Definition) -> Scope:
        """The names of a definition that what is written stands in."""
        if isinstance(node, ast.ClassDef):
            return Scope("class", _names(node.body), properties=self._properties(node.body))
        inner = Writer(lambda root, chain: OTHER)
        inner._scopes.open("function")
        inner._arguments(node.args, annotated=False)
        inner._list(node.body)
        return inner._scopes.innermost

    def _properties(self, body: list[ast.stmt]) -> set[str]:
        return {
            statement.name
            for statement in body
            if isinstance(statement, ast.FunctionDef)
            for decorator in statement.decorator_list
            if _dotted(decorator) == ("property",) and self._decorators_of_module("property", ()) == BLIND
        }

    def _comprehension(self, node: Comprehension) -> None:
        first, *others = node.generators
        self._out.append(b"(" + type(node).__name__.encode())
        self.node(first.iter)  # evaluated outside
        self._scopes.open("comprehension")
        self.node(first.target)
        self._field(b" ifs=", first.ifs)
        self._out.append(encode(first.is_async))
        self._list(others)
        for name in ("key", "value", "elt"):
            self._field(b" " + name.encode() + b"=", getattr(node, name, None))
        self._scopes.close()
        self._out.append(b")")

    def class_frame(self, node: ast.ClassDef, body: list[ast.stmt]) -> None:
        """A class statement with this body; the name of the class is not written."""
        self._out.append(b"(ClassDef")
        self._list(self._decorators(node)[0])
        self._type_parameters(node)
        self._field(b" bases=", node.bases)
        self._field(b" keywords=", node.keywords)
        self._scopes.open("class", properties=self._properties(body))
        self._list(body)
        self._scopes.close()
        self._out.append(b")")

    def _type_parameters(self, node: ast.AST) -> None:
        """What stands in brackets after the name, since Python 3.12."""
        self._field(b" type_params=", getattr(node, "type_params", []))

    def _inner_class(self, node: ast.ClassDef) -> None:
        self._scopes.bind(node.name)
        self._out.append(encode(node.name))
        self.class_frame(node, node.body)

    def _annotated_assignment(self, node: ast.AnnAssign) -> None:
        """In a class the annotation counts; in a function it is as if it were not there."""
        if self._scopes.innermost.kind == "class":
            self._plain(ast.AnnAssign(node.target, ast.Constant(None), node.value, node.simple))
            self._annotation(b" annotation=", node.annotation)
        elif node.value is None:
            self.node(node.target)
        else:
            self.node(ast.Assign([node.target], node.value))

    # -- what only exists when the code runs

    def _subscript(self, node: ast.Subscript) -> None:
        """``sys.modules["a"]`` and ``globals()["a"]``."""
        match _dotted(_called(node.value)), node.slice:
            case ("sys", "modules"), ast.Constant(value=str(target)):
                self._scopes.load(Reference(target, (), 0))
            case ("sys", "modules"), _:
                self._dynamic["`sys.modules` with a computed name"] = None
            case ("globals",), ast.Constant(value=str(target)):
                self._scopes.load(Reference(target, (), GLOBAL))
        self._plain(node)

    def _call(self, node: ast.Call) -> None:
        name = _last_name(node.func)
        if name in ("getattr", "attrgetter", "import_module", "__import__"):
            self._call_by_name(name, node)
        elif name in _DYNAMIC and (
            isinstance(node.func, ast.Name) or _dotted(node.func) == ("builtins", name)
        ):
            self._dynamic[f"`{name}`"] = None
        elif _dotted(node.func) == ("sys", "modules", "get"):
            match node.args[:1]:
                case [ast.Constant(value=str(target))]:
                    self._scopes.load(Reference(target, (), 0))
                case _:
                    self._dynamic["`sys.modules` with a computed name"] = None
        self._plain(node)

    def _call_by_name(self, name: str, node: ast.Call) -> None:
        position = 1 if name == "getattr" else 0
        match node.args[position : position + 1]:
            case [ast.Constant(value=str(target))] if name == "getattr":
                path = _dotted(node.args[0])
                if path is None:
                    self._scopes.read((target,))
                else:
                    self._scopes.load(Reference(path[0], (*path[1:], target)))
            case [ast.Constant(value=str(target))] if name == "attrgetter":
                self._scopes.read(tuple(target.split(".")))
            case [ast.Constant(value=str(target))]:
                self._import_by_name(name, target, node.args[1:2])
            case _ if name != "attrgetter":
                self._dynamic[f"`{name}` with a computed name"] = None

    def _import_by_name(self, name: str, target: str, package: list[ast.expr]) -> None:
        relative = target.lstrip(".")
        match package:
            case _ if relative == target:
                self._scopes.load(Reference(target, (), 0))
            case [ast.Name(id="__package__")]:
                self._scopes.load(Reference(relative, (), len(target) - len(relative)))
            case [ast.Constant(value=str(of))]:
                with suppress(ImportError):
                    self._scopes.load(Reference(resolve_name(target, of), (), 0))
            case _:
                self._dynamic[f"`{name}` with a computed name"] = None


def _shape(kind: type[ast.AST]) -> _Shape:
    shape = _SHAPES.get(kind)
    if shape is None:
        fields = tuple((name, b" " + name.encode() + b"=") for name in kind._fields if name not in _SPELLING)
        shape = _SHAPES[kind] = (b"(" + kind.__name__.encode(), fields)
    return shape


_Shape = tuple[bytes, tuple[tuple[str, bytes], ...]]
_SHAPES: dict[type[ast.AST], _Shape] = {}
_text = lru_cache(maxsize=10_000)(encode)  # for identifiers, which repeat


def _dotted(node: ast.AST) -> tuple[str, ...] | None:
    """``a.b.c`` as its parts; None for anything but names and attributes."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def _names(body: list[ast.stmt]) -> set[str]:
    """What the statements of a class body bind at its top."""
    found = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            found |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return found


def _quoted(annotation: ast.AST) -> Iterator[ast.expr]:
    """The types that an annotation has in quotes; what ``Literal`` and ``Annotated`` hold is data."""
    match annotation:
        case ast.Constant(value=str(text)):
            with suppress(SyntaxError, ValueError):
                yield ast.parse(text.strip(), mode="eval").body
        case ast.Subscript(value=ast.expr() as generic, slice=index):
            name = _last_name(generic)
            if name == "Annotated" and isinstance(index, ast.Tuple):
                yield from _quoted(index.elts[0])
            elif name != "Literal":
                yield from _quoted(index)
        case _:
            for child in ast.iter_child_nodes(annotation):
                yield from _quoted(child)


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _last_name(node: ast.expr) -> str:
    path = _dotted(_called(node))
    return path[-1] if path else ""


def _says_nothing(node: ast.AST) -> bool:
    """Docstrings, ``...`` and ``pass``."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


_SPECIAL: dict[type, Callable[[Any, Any], None]] = {  # each takes the type of node it is listed under
    ast.Constant: Writer._constant,
    ast.JoinedStr: Writer._f_string,
    ast.Name: Writer._name,
    ast.Attribute: Writer._attribute,
    ast.NamedExpr: Writer._walrus,
    ast.Global: Writer._global,
    ast.Nonlocal: Writer._nonlocal,
    ast.ExceptHandler: Writer._binding,
    ast.MatchAs: Writer._binding,
    ast.MatchStar: Writer._binding,
    ast.MatchMapping: Writer._binding,
    ast.Import: Writer._import,
    ast.ImportFrom: Writer._import_from,
    ast.FunctionDef: Writer.function,
    ast.AsyncFunctionDef: Writer.function,
    ast.Lambda: Writer.function,
    ast.ListComp: Writer._comprehension,
    ast.SetComp: Writer._comprehension,
    ast.DictComp: Writer._comprehension,
    ast.GeneratorExp: Writer._comprehension,
    ast.ClassDef: Writer._inner_class,
    ast.AnnAssign: Writer._annotated_assignment,
    ast.Call: Writer._call,
    ast.Subscript: Writer._subscript,
}
