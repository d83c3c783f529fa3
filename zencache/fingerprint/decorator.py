"""What a decorator is: one of zencache's, one that leaves annotations unread, or any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zencache.fingerprint.scope import Reference, Scope

# zencache's own does not count; one that leaves annotations unread does, but not the annotations.
OTHER, BLIND, ZENCACHE = range(3)
# Those that leave annotations unread, by the modules that have them.
BLIND_DECORATORS = {
    "builtins": {"staticmethod", "classmethod", "property"},
    "functools": {"cached_property", "total_ordering", "wraps", "cache", "lru_cache"},
    "contextlib": {"contextmanager", "asynccontextmanager"},
    "abc": {"abstractmethod"},
    "typing": {"override", "final", "overload"},
    "typing_extensions": {"override", "final", "overload"},
}
_ACCESSORS = frozenset({("setter",), ("getter",), ("deleter",)})

Decorators = Callable[[str, tuple[str, ...]], int]  # what the decorator `name.chain` is to a module


def decorator_in(scopes: Sequence[Scope], root: str, chain: tuple[str, ...]) -> int | None:
    """What the decorator ``root.chain`` is if a function or class around it binds the name; else None.

    Args:
        scopes: those around the decorator, below the module's, outermost first.
    """
    for scope in reversed(scopes):
        if scope.kind == "class" and scope is not scopes[-1]:
            continue
        if root in scope.properties and chain in _ACCESSORS:
            return BLIND
        if scope.binds(root):
            kinds = {_imported(each, chain) for each in scope.imports.get(root, ())}
            return kinds.pop() if len(kinds) == 1 else OTHER
    return None


def _imported(imported: Reference, chain: tuple[str, ...]) -> int:
    if imported.level == 0 and imported.root.partition(".")[0] == "zencache":
        return ZENCACHE
    (*modules, name) = (imported.root, *imported.chain, *chain)
    return BLIND if name in BLIND_DECORATORS.get(".".join(modules), ()) else OTHER
