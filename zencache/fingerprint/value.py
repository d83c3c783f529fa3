"""The fingerprint of a parameter or any other value: equal content, equal fingerprint."""

from __future__ import annotations

import hashlib
from typing import Any

from zencache.digest import encode
from zencache.exceptions import UnfingerprintableError
from zencache.fingerprint.code import code_of
from zencache.fingerprint.encoder import ATOMS, Encoder
from zencache.fingerprint.reference import refer


def value_fingerprint(value: Any, *, where: str) -> str:
    """SHA-256, as 64 hex digits, over everything that a value holds.

    Types count exactly, the order of a dict does, that of a set does not. Functions and classes of the
    user, also as the classes of instances, count by their code, installed ones by their name. Nothing
    that a value holds is called.

    Args:
        where: what the value is, for the error, e.g. ``"parameter `lr` of step `trainer`"``.

    Raises:
        UnfingerprintableError: it holds something without a faithful encoding: a lock, a file, a thread.

    >>> value_fingerprint([1], where="a list") == value_fingerprint((1,), where="a tuple")
    False
    """
    if type(value) in ATOMS:
        return hashlib.sha256(encode(value)).hexdigest()
    code: dict[int, Any] = {}

    def link(target: Any) -> bytes:
        places = list(code)
        if id(target) not in code:
            code[id(target)] = target
            places.append(id(target))
        return b"@" + encode(places.index(id(target)))

    def fail(culprit: Any) -> UnfingerprintableError:
        held = f"{type(culprit).__module__}.{type(culprit).__qualname__}"
        verb = "is" if culprit is value else "holds"
        return UnfingerprintableError(
            f"The {where} {verb} a `{held}`, which has no faithful fingerprint.",
            facts={"type": held},
            hint="Pass what it is made from, or create it inside the step.",
        )

    token = Encoder(lambda item: refer(item, link), fail).token(value)
    if code:
        first, *others = code.values()
        units = code_of(first, extra=others).units
        token += encode([(unit.identity, unit.fingerprint) for unit in units])
    return hashlib.sha256(token).hexdigest()
