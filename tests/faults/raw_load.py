"""Runs recorded by bare calls of the stock client, beside ``mixed_load.py``: a script, run by a test.

    python raw_load.py make URL             # the types, once
    python raw_load.py work URL SEED RUNS   # that many runs of three executions, one call for each

An execution has an artifact with its event and two contexts, and nothing else: no look-up, no key, no
bytes, and nobody is waited for. What the client gives up after its own retries is done again, and counted.
"""

from __future__ import annotations

import sys
import time
from urllib.parse import urlsplit

from mixed_load import wait_for_the_start
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

STEPS = ("source", "scaled", "summary")


def opened(url: str) -> metadata_store.MetadataStore:
    """The stock client at a URL as zencache has it; it says itself how often it repeats an aborted call."""
    parts = urlsplit(url)
    if parts.scheme == "grpc":
        client = proto.MetadataStoreClientConfig(host=parts.hostname, port=parts.port)
        return metadata_store.MetadataStore(client)
    config = proto.ConnectionConfig()
    name = parts.path.removeprefix("/")
    if parts.scheme == "sqlite":
        config.sqlite.filename_uri = name
    elif parts.scheme == "mysql":
        config.mysql.host, config.mysql.port = parts.hostname, parts.port or 3306
        config.mysql.user, config.mysql.password = parts.username, parts.password or ""
        config.mysql.database, config.mysql.skip_db_creation = name, True
    else:
        config.postgresql.host, config.postgresql.port = parts.hostname, str(parts.port or 5432)
        config.postgresql.user, config.postgresql.password = parts.username, parts.password or ""
        config.postgresql.dbname, config.postgresql.skip_db_creation = name, True
    return metadata_store.MetadataStore(config)


def make(url: str) -> None:
    """All types, so that no two processes make one."""
    store = opened(url)
    store.put_artifact_type(proto.ArtifactType(name="Integer"))
    for name in STEPS:
        store.put_execution_type(proto.ExecutionType(name=name))
    for name in ("pipeline", "pipeline_run"):
        store.put_context_type(proto.ContextType(name=name))


def work(url: str, seed: str, runs: str) -> None:
    store = opened(url)
    artifact_type = store.get_artifact_type("Integer").id
    steps = [store.get_execution_type(name).id for name in STEPS]
    pipeline, run_type = (store.get_context_type(name).id for name in ("pipeline", "pipeline_run"))
    wait_for_the_start()
    given_up = 0
    for run in range(int(runs)):
        for step in steps:
            while True:
                try:
                    store.put_execution(
                        proto.Execution(type_id=step, last_known_state=proto.Execution.COMPLETE),
                        [
                            (
                                proto.Artifact(type_id=artifact_type, uri="x"),
                                proto.Event(type=proto.Event.OUTPUT),
                            )
                        ],
                        [
                            proto.Context(type_id=pipeline, name="raw"),
                            proto.Context(type_id=run_type, name=f"{seed}-{run}"),
                        ],
                        reuse_context_if_already_exist=True,
                    )
                    break
                except errors.StatusError:
                    given_up += 1
                    if given_up > 1_000:
                        raise
                    time.sleep(0.01)
    print(given_up)


if __name__ == "__main__":
    {"make": make, "work": work}[sys.argv[1]](*sys.argv[2:])
