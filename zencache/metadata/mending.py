"""Mending the metadata store: pointers of cache contexts, runs and executions left running, the journal."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from zencache.entity import Status
from zencache.metadata import codec, schema
from zencache.metadata.codec import Pointer, Records
from zencache.metadata.connection import Connection, parse_address

_JOURNAL = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=1)
print(database.execute("PRAGMA journal_mode" + sys.argv[2]).fetchone()[0])
"""


def wrong_pointers(connection: Connection, complete: Iterable[int]) -> list[str]:
    """The cache keys whose context does not point to one of the executions that are complete."""
    known = set(complete)
    contexts = connection.read(lambda store: store.get_contexts_by_type(schema.EXECUTION_CACHE))
    return sorted(c.name for c in contexts if _is_ours(c) and not _points_into(c, known))


def repoint(connection: Connection, cache_key: str) -> bool:
    """Let the context of a key point to its newest complete execution; whether there is one."""

    def put(store: Any) -> bool:
        context = store.get_context_by_type_and_name(schema.EXECUTION_CACHE, cache_key)
        executions = store.get_executions_by_context(context.id)
        complete = [e for e in executions if e.last_known_state == e.State.Value("COMPLETE")]
        newest = max(complete, key=lambda e: (codec.finished_of(e), e.id), default=None)
        pointer = "{}" if newest is None else codec.pointer_text(_pointer(newest))
        context.custom_properties[schema.ENTRY].string_value = pointer
        store.put_contexts([context], field_mask_paths=[f"custom_properties.{schema.ENTRY}"])
        return newest is not None

    return connection.write(put)


def cancel_run(connection: Connection, records: Records, run_name: str) -> int:
    """Record that a run ended without a word: what it left RUNNING is CANCELED. Returns how many steps.

    Only the state is written, under a mask: a put without one would wipe every other fact. A run that
    ended between being recorded and being put below its pipeline is put there.
    """
    run = connection.read(lambda store: store.get_context_by_type_and_name(schema.PIPELINE_RUN, run_name))
    if run is None or codec.get_run(run, records).status is not Status.RUNNING:
        return 0
    executions = connection.read(lambda store: store.get_executions_by_context(run.id))
    running = [e for e in executions if e.last_known_state == e.State.Value("RUNNING")]
    for execution in running:
        execution.last_known_state = execution.State.Value("CANCELED")
    run.custom_properties[schema.STATUS].string_value = Status.CANCELED.value

    def put(store: Any) -> None:
        if running:
            store.put_executions(running, field_mask_paths=["last_known_state"])
        store.put_contexts([run], field_mask_paths=[f"custom_properties.{schema.STATUS}"])

    connection.write(put)
    _put_below_pipeline(connection, run)
    return len(running)


def cancel_executions(connection: Connection, execution_ids: Iterable[int]) -> None:
    """Executions that are said to be running are canceled."""

    def put(store: Any) -> None:
        running = [
            e
            for e in store.get_executions_by_id(sorted(execution_ids))
            if e.last_known_state == e.State.Value("RUNNING")
        ]
        for execution in running:
            execution.last_known_state = execution.State.Value("CANCELED")
        if running:
            store.put_executions(running, field_mask_paths=["last_known_state"])

    connection.write(put)


def journal_mode(url: str, wanted: str = "") -> str:
    """The journal mode of an SQLite file, after having set the one that is wanted; empty for no such file.

    Asked in another process: Python's own SQLite must not touch a file that this process has open.
    """
    address = parse_address(url)
    path = address.path
    if address.kind != "sqlite" or not os.path.exists(path):
        return ""
    option = f"={wanted}" if wanted else ""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _JOURNAL, path, option], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise sqlite3.DatabaseError(lines[-1] if lines else "it cannot be opened")
    return done.stdout.strip().lower()


def _put_below_pipeline(connection: Connection, run: Any) -> None:
    from ml_metadata import errors
    from ml_metadata.proto import metadata_store_pb2 as proto

    if connection.read(lambda store: store.get_parent_contexts_by_context(run.id)):
        return
    name = codec.get_text(run.custom_properties, schema.PIPELINE_OF_RUN)
    parent = connection.read(lambda store: store.get_context_by_type_and_name(schema.PIPELINE, name))
    if parent is not None:
        link = proto.ParentContext(child_id=run.id, parent_id=parent.id)
        with suppress(errors.AlreadyExistsError):  # another process clears the same run
            connection.write(lambda store: store.put_parent_contexts([link]))


def _is_ours(context: Any) -> bool:
    """TFX has contexts of this type, too, without a pointer and named otherwise."""
    return bool(context.external_id == schema.entry_id(context.name))


def _points_into(context: Any, known: set[int]) -> bool:
    text = codec.get_text(context.custom_properties, schema.ENTRY)
    if text == "{}":
        return True  # it points to none, as it was mended to
    try:
        return int(json.loads(text)["execution"]) in known
    except (ValueError, KeyError, TypeError):
        return False


def _pointer(execution: Any) -> Pointer:
    """Without the node, which costs a look-up where it is needed and is not known here."""
    return Pointer(
        execution.id,
        execution.custom_properties[schema.DURATION].double_value,
        codec.finished_of(execution),
        node="",
        signature=codec.get_signature(execution.custom_properties),
        outputs=None,
    )
