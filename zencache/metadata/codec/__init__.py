"""Entities to protobuf and back: the only place that knows how facts lie in MLMD's properties.

PostgreSQL refuses long strings, and typed properties do not hold every value exactly: ``text`` and ``value``
know what to do about that, the other modules what there is to tell of an execution, an artifact or a context.
"""

from __future__ import annotations

from zencache.metadata.codec.artifact import get_artifact, put_artifact, put_tombstone
from zencache.metadata.codec.context import (
    get_acceptance,
    get_lease,
    get_pin,
    get_quarantine,
    is_lease,
    put_acceptance,
    put_end,
    put_lease,
    put_pin,
    put_quarantine,
)
from zencache.metadata.codec.event import get_edge, put_event
from zencache.metadata.codec.execution import (
    finished_of,
    get_execution,
    is_ours,
    put_execution_facts,
    put_execution_state,
    status_of,
)
from zencache.metadata.codec.pointer import Pointer, get_pointer, pointer_text
from zencache.metadata.codec.run import (
    definition_text,
    get_last_keys,
    get_run,
    put_last_keys,
    put_run_facts,
    put_run_state,
)
from zencache.metadata.codec.signature import get_signature, read_signature, signature_json
from zencache.metadata.codec.text import Records, get_json, get_text, time_of
from zencache.metadata.codec.value import value_of

__all__ = [
    "Pointer",
    "Records",
    "definition_text",
    "finished_of",
    "get_acceptance",
    "get_artifact",
    "get_edge",
    "get_execution",
    "get_json",
    "get_last_keys",
    "get_lease",
    "get_pin",
    "get_pointer",
    "get_quarantine",
    "get_run",
    "get_signature",
    "get_text",
    "is_lease",
    "is_ours",
    "pointer_text",
    "put_acceptance",
    "put_artifact",
    "put_end",
    "put_event",
    "put_execution_facts",
    "put_execution_state",
    "put_last_keys",
    "put_lease",
    "put_pin",
    "put_quarantine",
    "put_run_facts",
    "put_run_state",
    "put_tombstone",
    "read_signature",
    "signature_json",
    "status_of",
    "time_of",
    "value_of",
]
