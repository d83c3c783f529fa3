"""Whose code it is: the user's, which is followed, or installed, which counts by name only."""

from __future__ import annotations

import builtins
import os
import sys
import sysconfig
import types
from functools import lru_cache
from types import FunctionType, MethodType, ModuleType
from typing import Any

_ZENCACHE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INSTALLED_ROOTS = tuple(
    {
        form(path) + os.sep
        for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _ZENCACHE)
        for form in (os.path.abspath, os.path.realpath)
    }
)
_MADE_BY_CODE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages"})


def is_user_code(obj: Any) -> bool:
    """Whether a function, class or module belongs to the user.

    The standard library, anything under ``site-packages`` or ``dist-packages``, builtins and zencache
    itself do not. Code without a file (typed in a REPL, a notebook or made by ``exec``) does, unless
    the module that it says it belongs to is installed.
    """
    if isinstance(obj, MethodType):
        obj = obj.__func__
    if isinstance(obj, FunctionType):
        return _is_user_function(obj)
    if isinstance(obj, type):
        return not is_zencache(obj) and (_is_user_module_name(obj.__module__) or _is_made_by_types(obj))
    if isinstance(obj, ModuleType):
        return _is_user_module(obj)
    return False


def added_by_user(value: Any) -> tuple[Any, ...]:
    """The class of a value and the attributes that it holds, if it is a class of the user's; else empty."""
    kind = type(value)
    return (kind, dict(sorted(getattr(value, "__dict__", {}).items()))) if is_user_code(kind) else ()


def is_zencache(obj: Any) -> bool:
    """Whether an object, or the type of an instance, is defined by zencache."""
    module = getattr(obj, "__module__", None)
    return isinstance(module, str) and (module == "zencache" or module.startswith("zencache."))


def file_of_function(function: FunctionType) -> str:
    """The file that a function was compiled from, absolute where Python knows it."""
    name = function.__code__.co_filename
    if os.path.isabs(name) or name.startswith("<"):
        return name
    module_file = function.__globals__.get("__file__")
    if isinstance(module_file, str) and os.path.basename(module_file) == os.path.basename(name):
        return module_file
    return name


def _is_user_function(function: FunctionType) -> bool:
    if is_zencache(function):
        return False
    name = file_of_function(function)
    if name.startswith("<"):
        owner = sys.modules.get(str(function.__globals__.get("__name__")))
        if owner is None or vars(owner) is not function.__globals__:
            return True
        return _is_user_module(owner)
    return is_user_path(name)


def _is_user_module_name(name: str) -> bool:
    module = sys.modules.get(name)
    return _is_user_module(module) if isinstance(module, ModuleType) else True


def _is_made_by_types(kind: type) -> bool:
    """Whether a class only says that it is Python's own.

    It does if :func:`types.new_class` made it, as ``make_dataclass`` lets it before Python 3.12, or ``exec``
    in a namespace without a name.
    """
    if kind.__module__ == "builtins":
        return bool(kind.__flags__ & _MADE_BY_CODE) and vars(builtins).get(kind.__name__) is not kind
    return kind.__module__ == "types" and vars(types).get(kind.__name__) is not kind


def _is_user_module(module: ModuleType) -> bool:
    contents = vars(module)
    file = contents.get("__file__")
    if isinstance(file, str):
        return is_user_path(file)
    if module.__name__ == "zencache" or module.__name__ in sys.builtin_module_names:
        return False
    folders = list(contents.get("__path__") or ())
    if folders:
        return all(is_user_path(os.path.join(folder, "")) for folder in folders)
    spec = contents.get("__spec__")
    return getattr(spec, "origin", None) not in ("built-in", "frozen")


@lru_cache(maxsize=4096)
def is_user_path(path: str) -> bool:
    """Whether a file, or a folder given with a trailing separator, is neither installed nor zencache's."""
    if path.startswith("<frozen"):
        return False
    for form in {os.path.abspath(path), os.path.realpath(path)}:
        if form.startswith(_INSTALLED_ROOTS) or not _INSTALLED_FOLDERS.isdisjoint(form.split(os.sep)):
            return False
    return True
