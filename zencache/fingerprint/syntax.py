"""What a definition says: a function as one normal form, a class in parts."""

from __future__ import annotations

import ast
from collections.abc import Callable

from zencache.fingerprint.decorator import Decorators
from zencache.fingerprint.normal_form import Definition, Function, Syntax, Writer


class ClassStatement:
    """A class statement in parts, so that a live value can stand for the expression that made it.

    Attributes:
        names: the attributes assigned and the methods defined in the body, in order.
    """

    def __init__(self, node: ast.ClassDef):
        self._node = node
        self._parts: dict[str, list[ast.expr | Function]] = {}
        self._rest = [left for statement in node.body if (left := self._take(statement))]
        self.names = tuple(self._parts)

    def _take(self, statement: ast.stmt) -> ast.stmt | None:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._parts.setdefault(statement.name, []).append(statement)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._parts.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._parts.setdefault(name, []).append(value)
                return ast.AnnAssign(statement.target, statement.annotation, None, 1)
            case _:
                return statement
        return None

    def frame(self, decorators: Decorators) -> Syntax:
        """Decorators, bases, keywords, annotations and all statements that name nothing of the above."""
        writer = Writer(decorators, around(self._node))
        writer.class_frame(self._node, self._rest)
        return writer.finish()

    def written(self, name: str, decorators: Decorators) -> tuple[Syntax, ...]:
        """What the body says of one name: several definitions for a property or an overload."""
        return tuple(_part_syntax(part, decorators) for part in self._parts[name])


class ClassSyntax:
    """What a class statement says, part by part, as :class:`ClassStatement` has them.

    Args:
        frame: all but what the body says of its names.
        names: the names that the body gives values to, in order.
        write: what the body says of a name.
    """

    def __init__(self, frame: Syntax, names: tuple[str, ...], write: Callable[[str], tuple[Syntax, ...]]):
        self.frame = frame
        self.names = names
        self._write = write
        self._written: dict[str, tuple[Syntax, ...]] = {}

    def written(self, name: str) -> tuple[Syntax, ...]:
        """What the body says of one name: several definitions for a property or an overload."""
        if name not in self._written:
            self._written[name] = self._write(name)
        return self._written[name]


def function_syntax(node: Function, decorators: Decorators) -> Syntax:
    """The normal form of a function; its own defaults are left out, since they count by value."""
    writer = Writer(decorators, around(node))
    writer.function(node, with_defaults=False)
    return writer.finish()


def is_decorated(node: Function, decorators: Decorators) -> bool:
    """Whether decorators other than zencache's stand above a function."""
    return Writer(decorators, around(node)).is_decorated(node)


def around(node: ast.AST) -> tuple[Definition, ...]:
    """The definitions that a definition stands in, outermost first."""
    found: tuple[Definition, ...] = getattr(node, _AROUND, ())
    return found


def stands_in(node: Definition, outer: tuple[Definition, ...]) -> None:
    """Note the definitions around a definition, which a syntax tree does not say."""
    setattr(node, _AROUND, outer)


_AROUND = "zencache_around"


def first_line(node: ast.ClassDef | Function) -> int:
    """The line that a definition starts on, as code objects count it: with its decorators."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([decorator.lineno for decorator in decorators] + [node.lineno])


def _part_syntax(node: ast.AST, decorators: Decorators) -> Syntax:
    writer = Writer(decorators, around(node))
    writer.node(node)
    return writer.finish()
