"""What a class is, and where it is from, said alike by every version of Python."""

from __future__ import annotations

import types
from typing import Any, TypeGuard


def is_class(annotation: Any) -> TypeGuard[type]:
    """Whether it is a class, and no class with something in brackets.

    In Python 3.10 ``isinstance(list[int], type)`` holds, and ``issubclass`` raises, or answers for ``list``.

    >>> is_class(list), is_class(list[int])
    (True, False)
    """
    return isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)


def module_of(value: Any) -> str:
    """The module that a class or function says it is from, by its public name; empty if it says none.

    Python 3.13 has paths in ``pathlib._local``, and no other version can find them there.

    >>> import pathlib
    >>> module_of(pathlib.Path)
    'pathlib'
    """
    module = getattr(value, "__module__", None) or ""
    return _PUBLIC.get(module, module)


_PUBLIC = {"pathlib._local": "pathlib"}
