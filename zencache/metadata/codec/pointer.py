"""The newest entry of a cache key, to which the key's context points."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from zencache.entity import Signature
from zencache.metadata import schema
from zencache.metadata.codec.signature import read_signature, signature_json
from zencache.metadata.codec.text import get_text

_LATEST = 1e11  # seconds since the epoch, in some thousand years


class Pointer(NamedTuple):
    """What the context of a key says of its newest entry; ``outputs`` are names, None where not said."""

    execution_id: int
    duration: float
    finished: float
    node: str
    signature: Signature | None
    outputs: tuple[str, ...] | None


def pointer_text(pointer: Pointer) -> str:
    """What the context says, with the names of the outputs where there is room for them."""
    found: dict[str, Any] = {
        "execution": pointer.execution_id,
        "duration": pointer.duration,
        "finished": pointer.finished,
        "node": pointer.node,
    }
    if pointer.signature is not None:
        found["signature"] = signature_json(pointer.signature)
    whole = json.dumps({**found, "outputs": pointer.outputs})
    fits = pointer.outputs is not None and len(whole) <= schema.MAX_TEXT // 2  # each may be a backslash
    return whole if fits else json.dumps(found)


def get_pointer(context: Any) -> Pointer | None:
    """The newest entry, to which the context of a key points; None if it points to nothing."""
    try:
        found = json.loads(get_text(context.custom_properties, schema.ENTRY))
        outputs = found.get("outputs")
        pointer = Pointer(
            int(found["execution"]),
            float(found["duration"]),
            float(found["finished"]),
            str(found.get("node", "")),
            read_signature(found.get("signature")),
            tuple(map(str, outputs)) if isinstance(outputs, list) else None,
        )
    except (AttributeError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    is_possible = 0 < pointer.execution_id < 1 << 63 and math.isfinite(pointer.duration)
    return pointer if is_possible and 0 <= pointer.finished < _LATEST else None
