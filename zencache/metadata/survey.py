"""Everything at once, and little of each: for what goes through all artifacts and their uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zencache.entity import Artifact, Edge, PipelineRun, Status
from zencache.metadata import codec, schema
from zencache.metadata.connection import Connection

_CHUNK = 2_000  # rows in memory at a time


@dataclass(frozen=True, slots=True)
class Use:
    """An execution as far as it tells who used its artifacts, and when.

    Args:
        step, run: names; ``run`` is empty for what another tool recorded.
        node: its name in the run.
        status: how far it has come.
        when: of its last change, in seconds since the epoch.
    """

    step: str
    run: str
    node: str
    status: Status
    when: float


@dataclass(frozen=True, slots=True)
class Survey:
    """All artifacts, executions, runs and edges of a metadata store.

    Args:
        artifacts: id -> artifact.
        created: id of an artifact -> seconds since the epoch.
        uses: id of an execution -> what it tells.
        runs: name -> run, oldest first.
        edges: which execution took or made which artifact.
        records: references of the texts that lie in the artifact store as records.
    """

    artifacts: Mapping[int, Artifact]
    created: Mapping[int, float]
    uses: Mapping[int, Use]
    runs: Mapping[str, PipelineRun]
    edges: tuple[Edge, ...]
    records: frozenset[str]


def survey(connection: Connection) -> Survey:
    """Read it all, a few thousand rows at a time.

    What is written meanwhile may be missed: whoever deletes looks again after having marked.
    """
    records: set[str] = set()
    artifacts: dict[int, Artifact] = {}
    created: dict[int, float] = {}
    for proto in _all(connection, "artifacts"):
        artifacts[proto.id] = codec.get_artifact(proto)
        created[proto.id] = proto.create_time_since_epoch / 1000
    uses: dict[int, Use] = {}
    for proto in _all(connection, "executions"):
        uses[proto.id] = _use(proto)
        records |= _references(proto)
    edges = [
        edge
        for event in _in_chunks(connection, sorted(uses), "get_events_by_execution_ids")
        if (edge := codec.get_edge(event)) is not None
    ]
    runs: dict[str, PipelineRun] = {}
    for kind in connection.read(lambda store: store.get_context_types()):
        if kind.name in (schema.EXECUTION_CACHE, schema.NODE):
            continue  # many, and without texts
        contexts = connection.read(_call("get_contexts_by_type", kind.name))
        for context in sorted(contexts, key=lambda one: int(one.id)):
            records |= _references(context)
            if kind.name == schema.PIPELINE_RUN:
                runs[context.name] = codec.get_run(context, _NoRecords())
    return Survey(artifacts, created, uses, runs, tuple(edges), frozenset(records))


class _NoRecords:
    """Stands for the texts, which nobody asks for here."""

    def write_record(self, text: str) -> str:
        raise NotImplementedError

    def read_record(self, reference: str) -> str:
        return ""


def _use(proto: Any) -> Use:
    run, _, node = proto.name.rpartition("/") if codec.is_ours(proto) else ("", "", proto.name)
    return Use(
        step=proto.type,
        run=run,
        node=node.partition("#")[0],
        status=codec.status_of(proto),
        when=proto.last_update_time_since_epoch / 1000,
    )


def _references(proto: Any) -> set[str]:
    texts = (value.string_value for value in proto.custom_properties.values())
    return {
        text.removeprefix(schema.TEXT_OF_RECORD) for text in texts if text.startswith(schema.TEXT_OF_RECORD)
    }


def _all(connection: Connection, kind: str) -> Iterator[Any]:
    from ml_metadata import ListOptions, OrderByField

    newest = ListOptions(limit=1, order_by=OrderByField.ID, is_asc=False)
    last = connection.read(lambda store: getattr(store, f"get_{kind}")(list_options=newest))
    end = max((row.id for row in last), default=0)
    yield from _in_chunks(connection, range(1, end + 1), f"get_{kind}_by_id")


def _in_chunks(connection: Connection, ids: Iterable[int], method: str) -> Iterator[Any]:
    wanted = list(ids)
    for start in range(0, len(wanted), _CHUNK):
        yield from connection.read(_call(method, wanted[start : start + _CHUNK]))


def _call(method: str, argument: Any) -> Callable[[Any], Any]:
    return lambda store: getattr(store, method)(argument)
