"""What a name in live code means now: variables of modules and closures, imports, decorators."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from zencache.fingerprint.decorator import BLIND, BLIND_DECORATORS, OTHER, ZENCACHE, Decorators
from zencache.fingerprint.ownership import is_user_code, is_user_path, is_zencache
from zencache.fingerprint.scope import Reference


class _Missing:
    """A name that is not defined, or not yet."""


MISSING = _Missing()


class Variable(NamedTuple):
    """A place that holds a value: ``key`` tells it from every other place, the names are for people."""

    key: tuple[Any, ...]
    module: str
    name: str
    value: Any


def variable(scope: dict[str, Any], name: str) -> Variable:
    """The global ``name`` of a module, given by its dict."""
    return Variable(("global", id(scope), name), str(scope.get("__name__")), name, scope.get(name, MISSING))


def cells_of(function: FunctionType) -> dict[str, Variable]:
    """The variables that a function has from the functions around it."""
    module = str(function.__globals__.get("__name__"))
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:
            value = MISSING
        found[name] = Variable(("cell", id(cell)), module, f"{function.__qualname__}.{name}", value)
    return found


def attribute_of_module(module: ModuleType, name: str, *, may_import: bool) -> Variable:
    """One attribute of a user's module; a submodule, or what its ``__getattr__`` would answer, too."""
    contents = vars(module)
    if name in contents:
        return variable(contents, name)
    full_name = f"{module.__name__}.{name}"
    submodule = sys.modules.get(full_name)
    if submodule is None and may_import and "__path__" in contents:
        submodule, _ = _import(full_name)
    if submodule is not None:
        return Variable(("module", id(submodule)), full_name, full_name, submodule)
    if is_user_code(type(module)):
        return Variable(("class", id(type(module))), full_name, type(module).__qualname__, type(module))
    return variable(contents, "__getattr__")


def users_builtin(name: str) -> Variable:
    """What the user has put into ``builtins`` under a name that is no global; MISSING as a rule."""
    value = vars(builtins).get(name, MISSING)
    if value is _BUILTINS.get(name):
        return Variable(("builtin", name), "builtins", name, MISSING)
    mine = is_user_code(value) or is_user_code(type(value)) or isinstance(value, functools.partial)
    if not mine and (type(value) not in _DATA or (name.startswith("__") and name.endswith("__"))):
        value = MISSING
    return Variable(("builtin", name), "builtins", name, value)


_BUILTINS = {
    name: value
    for name, value in vars(builtins).items()
    if getattr(value, "__module__", None) == "builtins" and isinstance(value, type | BuiltinFunctionType)
}
_DATA = frozenset({str, bytes, int, float, complex, list, tuple, dict, set, frozenset})


def attribute_of_definition(value: Any, chain: tuple[str, ...]) -> Any:
    """What code reads from a function or class that its source does not say: MISSING as a rule."""
    if not chain or not is_user_code(value):
        return MISSING
    if chain[0] == "__doc__":
        return value.__doc__
    return vars(value).get(chain[0], MISSING) if isinstance(value, FunctionType) else MISSING


def imported_module(reference: Reference, scope: dict[str, Any]) -> tuple[ModuleType | None, str | None]:
    """The module that an import statement inside a function names, and what went wrong.

    A user's module is imported if it was not: otherwise the same code would have one fingerprint
    before its first call and another one after. An installed one is not; its name is all that counts.
    """
    name = reference.root
    if reference.level:
        package = scope.get("__package__") or str(scope.get("__name__")).rpartition(".")[0]
        try:
            name = importlib.util.resolve_name("." * reference.level + name, package)
        except ImportError:
            return None, f"import of `{'.' * reference.level}{name}`"
    module = sys.modules.get(name)
    if module is not None:
        return module, None
    return _import(name) if _is_users(name) else (None, None)


def _import(name: str) -> tuple[ModuleType | None, str | None]:
    try:
        return importlib.import_module(name), None
    except Exception as error:
        return None, f"import of `{name}` ({type(error).__name__})"


def is_installed(name: str) -> bool:
    """Whether a module that may not be imported is there and not the user's, as its top package tells."""
    top = name.partition(".")[0]
    return not _is_users(name) and (top in sys.modules or top in _installed_tops)


def has_source(name: str) -> bool:
    """Whether a module could be imported, as its file tells; nothing of it runs."""
    path: list[str] | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:end]), path)
        except (ImportError, ValueError, OSError, UnicodeError):
            return False
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or ())
    return True


def _is_users(name: str) -> bool:
    """Whether a module that is not imported is the user's, as far as its top package tells."""
    top = name.partition(".")[0]
    if top in sys.modules:
        return is_user_code(sys.modules[top])
    if top in _installed_tops:
        return False
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    users = spec is not None and any(is_user_path(path) for path in _places(spec))
    if spec is not None and not users:
        _installed_tops.add(top)
    return users


_installed_tops: set[str] = set()  # found once; looking along `sys.path` is slow


def _places(spec: ModuleSpec) -> list[str]:
    if spec.has_location and spec.origin:
        return [spec.origin]
    return [os.path.join(folder, "") for folder in spec.submodule_search_locations or ()]


def decorators_of(scope: dict[str, Any]) -> Decorators:
    """Tells what decorators are by what their names mean in a module, given by its dict."""

    def kind(root: str, chain: tuple[str, ...]) -> int:
        value = scope[root] if root in scope else vars(builtins).get(root, MISSING)
        for name in chain:
            if isinstance(value, ModuleType) and value.__name__.partition(".")[0] == "zencache":
                return ZENCACHE
            value = getattr(value, "__dict__", {}).get(name)
        if is_zencache(value):
            return ZENCACHE
        return BLIND if _is_blind(value) else OTHER

    return kind


def _is_blind(decorator: Any) -> bool:
    module, name = getattr(decorator, "__module__", ""), getattr(decorator, "__name__", "")
    if name not in BLIND_DECORATORS.get(module, ()):
        return False
    return vars(sys.modules[module]).get(name) is decorator
