"""Names of TFX that are not here: using one says so, and what to use instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from zencache.exceptions import DeclarationError

UNION = "An input takes one: give the component a parameter for each artifact."


def refuser(module: str, instead: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """A module's ``__getattr__``: raises for a name of TFX, and as usual for any other.

    Args:
        module: the module, as TFX's users call it.
        instead: name -> what to use instead.
    """

    def refuse(name: str) -> NoReturn:
        if name in instead:
            raise not_here(f"{module}.{name}", instead[name])
        raise AttributeError(f"module '{module}' has no attribute {name!r}")

    return refuse


def not_here(what: str, instead: str) -> DeclarationError:
    return DeclarationError(f"`{what}` of TFX is not in zencache.", hint=instead)
