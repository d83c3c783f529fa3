"""Whether an annotation is a class: Python 3.10 says of ``list[int]`` that it is one."""

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
