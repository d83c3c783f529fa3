"""A long history made of a short one: its runs are copied by SQL, in a process that MLMD is not part of.

Run as a script with a metadata database and a number: afterwards it holds so many executions. Pipelines,
nodes and types stay one; runs, executions, artifacts, events and cache entries are new, with new keys.
"""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import history

from zencache import Repository

_OUTPUT = "zencache:output:"
# The tables in their order, and of each the columns that are not copied as they are. `:n` is the number of
# the copy; `{Artifact}` and so on the distance between the ids of a row and of its copy.
_COPIES: dict[str, dict[str, str]] = {
    "Artifact": {
        "id": "id + {Artifact}",
        "external_id": f"'{_OUTPUT}'"
        f" || (cast(substr(external_id, {len(_OUTPUT) + 1}) as integer) + {{Execution}})"
        f" || substr(external_id, {len(_OUTPUT)} + instr(substr(external_id, {len(_OUTPUT) + 1}), ':'))",
    },
    "ArtifactProperty": {"artifact_id": "artifact_id + {Artifact}"},
    "Execution": {"id": "id + {Execution}", "name": "'copy' || :n || '-' || name"},
    "ExecutionProperty": {
        "execution_id": "execution_id + {Execution}",
        "string_value": "case name when 'zencache_cache_key' then key_of_copy(string_value, :n)"
        " else string_value end",
    },
    "Event": {
        "id": "id + {Event}",
        "artifact_id": "artifact_id + {Artifact}",
        "execution_id": "execution_id + {Execution}",
    },
    "EventPath": {"event_id": "event_id + {Event}"},
    "Context": {
        "id": "id + {Context}",
        "name": "case when external_id is null then 'copy' || :n || '-' || name"
        " else key_of_copy(name, :n) end",
        "external_id": "'zencache:' || key_of_copy(name, :n)",
    },
    "ContextProperty": {
        "context_id": "context_id + {Context}",
        "string_value": "case name when 'zencache_entry' then"
        " json_set(string_value, '$.execution', json_extract(string_value, '$.execution') + {Execution})"
        " else string_value end",
    },
    "ParentContext": {"context_id": "context_id + {Context}"},
    "Association": {
        "id": "id + {Association}",
        "context_id": "context_id + case when context_id in copied then {Context} else 0 end",
        "execution_id": "execution_id + {Execution}",
    },
    "Attribution": {
        "id": "id + {Attribution}",
        "context_id": "context_id + case when context_id in copied then {Context} else 0 end",
        "artifact_id": "artifact_id + {Artifact}",
    },
}
_WHERE = {
    "Context": "id in copied",
    "ContextProperty": "context_id in copied",
    "ParentContext": "context_id in copied",
}


def grow(database: Path, executions: int) -> None:
    """Copy what a database holds until there are so many executions; a multiple of what there are.

    Nobody else may have it open.
    """
    subprocess.run([sys.executable, __file__, str(database), str(executions)], check=True)


def long_history(project: Path, executions: int, *, written: int) -> Repository:
    """A project with so many executions, so many of them written by zencache, in a process of its own."""
    project.mkdir()
    script = [history.__file__, str(project), str(min(executions, written))]
    subprocess.run([sys.executable, *script], check=True)
    if written < executions:
        grow(project / "metadata.db", executions)
    return Repository(project, metadata=project / "metadata.db", artifacts=project / "artifacts")


def _grow(database: str, executions: int) -> None:
    connection = sqlite3.connect(database)
    connection.create_function("key_of_copy", 2, _key_of_copy, deterministic=True)
    connection.execute("PRAGMA cache_size=-2000000")  # 2 GB, since digests come in no order
    connection.execute("PRAGMA journal_mode=OFF").fetchone()  # nothing that is worth being kept
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        _copy(connection, executions)
    connection.execute("PRAGMA journal_mode=WAL").fetchone()  # as zencache left it
    connection.close()


def _copy(connection: sqlite3.Connection, executions: int) -> None:
    for table, columns in _COPIES.items():  # what is copied must not be copied again
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert set(columns) <= set(names), table
        connection.execute(f"CREATE TEMP TABLE first_{table} AS SELECT * FROM {table}")
    connection.execute(
        "CREATE TEMP TABLE copied AS SELECT c.id FROM Context c JOIN Type t ON t.id = c.type_id"
        " WHERE t.name IN ('pipeline_run', 'execution_cache')"
    )
    connection.execute("CREATE UNIQUE INDEX temp.copied_id ON copied(id)")
    most = {
        table: connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
        for table, columns in _COPIES.items()
        if "id" in columns
    }
    first = connection.execute("SELECT count(*) FROM Execution").fetchone()[0]
    for number in range(1, executions // first):
        distance = {table: last * number for table, last in most.items()}
        for table, columns in _COPIES.items():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(columns.get(name, name).format(**distance) for name in names)
            where = f" WHERE {_WHERE[table]}" if table in _WHERE else ""
            insert = f"INSERT INTO {table} SELECT {values} FROM first_{table}{where}"
            connection.execute(insert, {"n": number} if ":n" in values else {})


def _key_of_copy(key: str, number: int) -> str:
    return hashlib.sha256(f"{key} {number}".encode()).hexdigest()


if __name__ == "__main__":
    _grow(sys.argv[1], int(sys.argv[2]))
