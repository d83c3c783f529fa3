"""The names that source binds, scope by scope, and those that it refers to from outside of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# Attributes of code that do not count where nothing reads them, and the root of a reference that tells
# that they are read from something which no name leads to.
READ_ATTRIBUTES = {
    "__annotations__": "<annotations>",
    "__doc__": "<docstrings>",
    "__dict__": "<order>",
    "__subclasses__": "<subclasses>",
}


GLOBAL = -1  # the level of a name that no function around the source can explain


class Reference(NamedTuple):
    """A name that source refers to from outside of itself.

    ``root`` is a free name; with the ``level`` GLOBAL it is a name of the module, whatever the functions
    around the source bind; with another level it is a module imported by that (relative) level inside the
    source. ``chain`` are the attributes taken from it. A root of ``READ_ATTRIBUTES`` is no name: the source
    reads that attribute of something.
    """

    root: str
    chain: tuple[str, ...] = ()
    level: int | None = None


@dataclass(slots=True)
class Scope:
    """Names bound in one scope, and those loaded there that another scope may have to explain.

    Args:
        kind: "module", "class", "function" or "comprehension".
        imports: what each name that is bound by an import stands for; several where one is tried before
            another.
        nonlocals, globals: names that statements of these names take from around it.
        properties: names of a class body that are properties.
    """

    kind: str
    bound: set[str] = field(default_factory=set)
    imports: dict[str, list[Reference]] = field(default_factory=dict)
    nonlocals: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    loads: list[Reference] = field(default_factory=list)
    properties: set[str] = field(default_factory=set)

    def binds(self, name: str) -> bool:
        return name in self.bound and name not in self.nonlocals and name not in self.globals


class Scopes:
    """The scopes around the place that a traversal of source has reached."""

    def __init__(self) -> None:
        self._module = Scope("module")
        self._open = [self._module]

    @property
    def innermost(self) -> Scope:
        return self._open[-1]

    @property
    def below_module(self) -> Sequence[Scope]:
        """Those inside of the source, outermost first."""
        return self._open[1:]

    @property
    def references(self) -> tuple[Reference, ...]:
        """What the source refers to from outside of itself, in order of appearance."""
        return tuple(dict.fromkeys(self._module.loads))

    def open(self, kind: str, *, properties: Iterable[str] = ()) -> None:
        self._open.append(Scope(kind, properties=set(properties)))

    def close(self) -> None:
        """What a scope does not bind itself is a name of the scope around it; no other one sees a class's.

        What a class body binds may be read there before it is bound, as in ``rate = rate``: then it is a
        name of the module. See "Resolution of names" in the reference of the Python language.
        """
        scope = self._open.pop()
        outer = next(each for each in reversed(self._open) if each.kind != "class")
        used = {load.root for load in scope.loads}
        for name, modules in scope.imports.items():
            if name not in used:  # imported for what the import itself does
                outer.loads += modules
        for load in scope.loads:
            if load.level is not None:
                outer.loads.append(load)
            elif load.root in scope.globals:
                outer.loads.append(load._replace(level=GLOBAL))
            elif not scope.binds(load.root):
                outer.loads.append(load)
            else:
                if scope.kind == "class":
                    outer.loads.append(load._replace(level=GLOBAL))
                for module in scope.imports.get(load.root, ()):
                    outer.loads.append(module._replace(chain=module.chain + load.chain))
                if load.root not in scope.imports:
                    outer.loads += [Reference(READ_ATTRIBUTES[n]) for n in load.chain if n in READ_ATTRIBUTES]

    def load(self, reference: Reference) -> None:
        self._open[-1].loads.append(reference)

    def read(self, attributes: Iterable[str]) -> None:
        """Attributes are read from what no name leads to."""
        for name in attributes:
            if name in READ_ATTRIBUTES:
                self.load(Reference(READ_ATTRIBUTES[name]))

    def bind(self, name: str) -> None:
        self._open[-1].bound.add(name)

    def bind_import(self, name: str, reference: Reference) -> None:
        scope = self._open[-1]
        scope.bound.add(name)
        scope.imports.setdefault(name, []).append(reference)

    def bind_around_comprehensions(self, name: str) -> None:
        """``:=`` binds in the function, not in the comprehension that it stands in."""
        owner = next(scope for scope in reversed(self._open) if scope.kind != "comprehension")
        owner.bound.add(name)
        if owner is not self._open[-1]:
            self._open[-1].bound.discard(name)

    def take_from_function(self, names: Iterable[str]) -> None:
        """``nonlocal``."""
        self._open[-1].nonlocals.update(names)
        for name in names:
            self.load(Reference(name))

    def take_from_module(self, names: Iterable[str]) -> None:
        """``global``."""
        self._open[-1].globals.update(names)
        for name in names:
            self.load(Reference(name))
