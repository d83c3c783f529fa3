"""Entities to protobuf and back: the only place that knows how facts lie in MLMD's properties.

MLMD keeps six digits of a double and none behind the sixth decimal place, 32 bits of an integer on some
databases, and strings up to the first NUL; PostgreSQL refuses long strings. So whatever a typed property
cannot hold exactly is kept as JSON in ``zencache_parameters`` too, and text that is too long lies in the
artifact store as a record.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Protocol

from zencache.digest import Digest
from zencache.entity import (
    Acceptance,
    Artifact,
    Decision,
    Edge,
    Execution,
    Outcome,
    PipelineRun,
    Quarantine,
    Status,
)
from zencache.exceptions import ArtifactStoreError, ArtifactUnusable, MaterializerError
from zencache.materializer import json_value
from zencache.metadata import schema
from zencache.policy import Level, Reason

_STATES = {
    Status.COMPLETED: "COMPLETE",
    Status.CACHED: "CACHED",
    Status.FAILED: "FAILED",
    Status.RUNNING: "RUNNING",
    Status.CANCELED: "CANCELED",
}
_STATUSES = {state: status for status, state in _STATES.items()} | {"NEW": Status.RUNNING}
# Event type -> whether the artifact was made. A pending output is none yet.
_EDGE_KINDS = dict.fromkeys(("INPUT", "DECLARED_INPUT", "INTERNAL_INPUT"), False) | dict.fromkeys(
    ("OUTPUT", "DECLARED_OUTPUT", "INTERNAL_OUTPUT"), True
)
_INT32 = 2**31
_STRUCT_VALUE = "__value__"  # TFX's name, in a struct, for a value that is no dict


class Records(Protocol):
    """Where text lies that is too long for the metadata store."""

    def write_record(self, text: str) -> str: ...

    def read_record(self, reference: str) -> str: ...


def put_text(properties: Any, name: str, text: str, records: Records | None = None) -> None:
    """Set a string property; a text that is too long becomes a record, or is cut where there are none."""
    text = text.replace("\0", "\\0").encode("utf-8", "replace").decode()
    if len(text.encode()) > schema.MAX_TEXT:
        if records is not None:
            text = schema.TEXT_OF_RECORD + records.write_record(text)
        else:
            text = text.encode()[: schema.MAX_TEXT - 3].decode("utf-8", "ignore") + "…"
    properties[name].string_value = text


def get_text(properties: Any, name: str, records: Records | None = None) -> str:
    """A string property, or the record that it refers to; empty if there is none."""
    if name not in properties:
        return ""
    return _resolved(str(properties[name].string_value), records)


def _resolved(text: str, records: Records | None) -> str:
    if text.startswith(schema.TEXT_OF_RECORD) and records is not None:
        try:
            return records.read_record(text.removeprefix(schema.TEXT_OF_RECORD))
        except ArtifactUnusable:
            return ""
    return text


def get_json(properties: Any, name: str, records: Records | None = None) -> dict[str, Any]:
    return _parse(get_text(properties, name, records))


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class LateJson(Mapping[str, Any]):
    """A JSON object that is read when it is first asked for: a list of runs needs no definitions."""

    def __init__(self, text: str, records: Records):
        self._text = text
        self._records = records

    @functools.cached_property
    def _items(self) -> dict[str, Any]:
        return _parse(_resolved(self._text, self._records))

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def value_of(value: Any) -> Any:
    """The Python value of an MLMD ``Value``."""
    kind = value.WhichOneof("value")
    if kind in ("struct_value", "proto_value"):
        return _plain(getattr(value, kind))
    return getattr(value, kind) if kind else None


def _plain(message: Any) -> Any:
    """A protobuf message as Python values; the name of its type where that is not known here."""
    from google.protobuf import json_format

    try:
        found = json_format.MessageToDict(message)
        return found.get(_STRUCT_VALUE, found)
    except (TypeError, ValueError, json_format.Error):
        return str(message.type_url)


def put_parameters(properties: Any, parameters: Mapping[str, Any], records: Records) -> None:
    """Set each parameter as a typed property, and those that this cannot hold exactly as JSON as well."""
    inexact = {}
    for name, value in parameters.items():
        if type(value) is bool:
            properties[name].bool_value = value
        elif type(value) is int and -_INT32 <= value < _INT32:
            properties[name].int_value = value
        elif type(value) is float and math.isfinite(value) and _is_exact(value):
            properties[name].double_value = value
        elif type(value) is float and math.isfinite(value):
            properties[name].double_value = value
            inexact[name] = value
        elif (
            type(value) is str
            and "\0" not in value
            and len(value.encode("utf-8", "replace")) <= schema.MAX_TEXT
        ):
            put_text(properties, name, value)
        else:
            put_text(properties, name, value if isinstance(value, str) else _json(value))
            inexact[name] = value
    if inexact:
        exact = {name: _exact_json(value) for name, value in inexact.items()}
        put_text(properties, schema.PARAMETERS, _json(exact), records)


def _is_exact(value: float) -> bool:
    """Whether MLMD gives back the same double."""
    return float(f"{value:.6g}") == float(f"{value:.6f}") == value


def get_parameters(properties: Any, records: Records) -> dict[str, Any]:
    exact = get_json(properties, schema.PARAMETERS, records)
    names = [name for name in properties if not name.startswith((schema.PREFIX, "__"))]
    return {
        name: json_value.loads(exact[name]) if exact.get(name) else value_of(properties[name])
        for name in sorted(names)
    }


def _exact_json(value: Any) -> str | None:
    """A value in the exact form of the JSON materializer; None if it has none, and is kept as text only."""
    try:
        return json_value.dumps(value)
    except MaterializerError:
        return None


def _json(value: Any) -> str:
    return json.dumps(value, default=repr, separators=(",", ":"))


def execution_name(run: str, node: str, attempt: int = 1) -> str:
    """The name of an execution: unique, and enough to find its run and node without a look-up."""
    return f"{run}/{node}" + (f"#{attempt}" if attempt > 1 else "")


def put_execution(
    proto: Any, execution: Execution, *, records: Records, attempt: int = 1, traceback: str = ""
) -> Any:
    """Fill an MLMD Execution. A cached one carries only what is its own; the rest is its source's."""
    proto.name = execution_name(execution.run, execution.node, attempt)
    proto.last_known_state = proto.State.Value(_STATES[execution.status])
    properties = proto.custom_properties
    put_parameters(properties, execution.parameters, records)
    properties[schema.CACHE_KEY].string_value = execution.cache_key
    if execution.decision is not None:
        properties[schema.DECISION].string_value = _decision_text(execution.decision)
    if execution.status is not Status.RUNNING:
        properties[schema.DURATION].double_value = execution.duration
    if execution.source_id is not None:
        properties[schema.SOURCE].int_value = execution.source_id
    if execution.key_parts:
        put_text(properties, schema.KEY_PARTS, _json(execution.key_parts), records)
    if execution.key_values:
        put_text(properties, schema.KEY_VALUES, _json(execution.key_values), records)
    if execution.facts:
        put_text(properties, schema.FACTS, _json(execution.facts), records)
    if execution.beam_pipeline_args:
        put_text(properties, schema.BEAM_PIPELINE_ARGS, _json(execution.beam_pipeline_args))
    if execution.untracked:
        put_text(properties, schema.UNTRACKED, "\n".join(execution.untracked), records)
    if execution.not_kept:
        put_text(properties, schema.NOT_KEPT, execution.not_kept, records)
    if execution.error:
        put_text(properties, schema.ERROR, execution.error)
        try:
            put_text(properties, schema.TRACEBACK, traceback, records)
        except ArtifactStoreError:  # perhaps what the step failed of; its failure is recorded all the same
            put_text(properties, schema.TRACEBACK, traceback[-schema.MAX_TEXT // 4 :])
    return proto


def is_ours(proto: Any) -> bool:
    """Whether zencache recorded this execution: its name then tells its run and node."""
    return schema.CACHE_KEY in proto.custom_properties


def status_of(proto: Any) -> Status:
    """How far an execution has come; one without a state is taken for running."""
    return _STATUSES.get(proto.State.Name(proto.last_known_state), Status.RUNNING)


def get_execution(
    proto: Any,
    records: Records,
    *,
    inputs: Mapping[str, Artifact] | None = None,
    outputs: Mapping[str, Artifact] | None = None,
    brief: bool = False,
) -> Execution:
    """The execution of a row; ``brief`` leaves out what may lie in a record: key parts and facts."""
    properties = proto.custom_properties
    run, _, node = proto.name.rpartition("/")
    return Execution(
        id=proto.id,
        step=proto.type,
        node=node.partition("#")[0],
        run=run,
        status=status_of(proto),
        parameters=get_parameters(properties, records),
        cache_key=get_text(properties, schema.CACHE_KEY),
        key_parts={} if brief else get_json(properties, schema.KEY_PARTS, records),
        key_values={} if brief else get_json(properties, schema.KEY_VALUES, records),
        decision=_get_decision(properties),
        duration=properties[schema.DURATION].double_value if schema.DURATION in properties else 0.0,
        started=time_of(proto.create_time_since_epoch),
        source_id=properties[schema.SOURCE].int_value if schema.SOURCE in properties else None,
        error=get_text(properties, schema.ERROR),
        beam_pipeline_args=_get_list(properties, schema.BEAM_PIPELINE_ARGS),
        untracked=() if brief else tuple(get_text(properties, schema.UNTRACKED, records).splitlines()),
        not_kept=get_text(properties, schema.NOT_KEPT, records),
        facts={} if brief else get_json(properties, schema.FACTS, records),
        inputs=inputs or {},
        outputs=outputs or {},
    )


def _get_list(properties: Any, name: str) -> tuple[str, ...]:
    text = get_text(properties, name)
    return tuple(json.loads(text)) if text.startswith("[") and text.endswith("]") else ()


def _decision_text(decision: Decision) -> str:
    return (
        f'{{"outcome":"{decision.outcome.name}","reason":"{decision.reason.name}","level":"{decision.level.value}"'
        + (f',"detail":{json.dumps(decision.detail[:500])}' if decision.detail else "")
        + "}"
    )


def _get_decision(properties: Any) -> Decision | None:
    found = get_json(properties, schema.DECISION)
    try:
        return Decision(
            Outcome[found["outcome"]],
            Reason[found["reason"]],
            Level(found["level"]),
            detail=found.get("detail", ""),
        )
    except (KeyError, ValueError):
        return None


def put_artifact(proto: Any, artifact: Artifact, type_id: int, declared: Iterable[str]) -> Any:
    """Fill an artifact. Its content's properties are typed as TFX types them, and kept exactly as JSON."""
    proto.type_id = type_id
    proto.uri = artifact.uri
    proto.state = proto.State.Value(artifact.state)
    properties = proto.custom_properties
    properties[schema.DIGEST].string_value = artifact.digest
    properties[schema.SIZE].string_value = str(artifact.object.size)
    properties[schema.MATERIALIZER].string_value = artifact.materializer
    properties[schema.PYTHON_TYPE].string_value = artifact.python_type
    if artifact.configuration:
        put_text(properties, schema.CONFIGURATION, artifact.configuration)
    if artifact.object.hash != artifact.digest:
        properties[schema.OBJECT].string_value = artifact.object.hash
    for name, value in {**artifact.properties, **artifact.content_properties}.items():
        _put_value(proto.properties if name in declared else properties, name, value)
    if artifact.content_properties:
        properties[schema.PROPERTIES].string_value = json_value.dumps(dict(artifact.content_properties))
    return proto


def _put_value(properties: Any, name: str, value: Any) -> None:
    """Set a property of any JSON value. A list or a dict is a struct, which TFX writes in this form."""
    if type(value) is bool:
        properties[name].bool_value = value
    elif type(value) is int and -_INT32 <= value < _INT32:
        properties[name].int_value = value
    elif type(value) is float:
        properties[name].double_value = value
    elif isinstance(value, list | dict):
        from google.protobuf import json_format

        struct = value if isinstance(value, dict) else {_STRUCT_VALUE: value}
        json_format.ParseDict(struct, properties[name].struct_value)
    elif value is not None:
        put_text(properties, name, str(value))


def get_artifact(proto: Any) -> Artifact:
    properties = proto.custom_properties
    digest = get_text(properties, schema.DIGEST)
    size = get_text(properties, schema.SIZE)
    return Artifact(
        id=proto.id,
        type=proto.type,
        uri=proto.uri,
        digest=digest,
        object=Digest(get_text(properties, schema.OBJECT) or digest, int(size) if size.isdigit() else 0),
        materializer=get_text(properties, schema.MATERIALIZER),
        python_type=get_text(properties, schema.PYTHON_TYPE),
        configuration=get_text(properties, schema.CONFIGURATION),
        content_properties=_get_content_properties(properties),
        state=proto.State.Name(proto.state),
        is_lost=schema.LOST in properties and bool(properties[schema.LOST].bool_value),
        properties=_artifact_properties(proto),
    )


def _artifact_properties(proto: Any) -> dict[str, Any]:
    """What is recorded of an artifact besides zencache's own facts: declared, custom, and its name."""
    found = {"name": proto.name} if proto.name else {}
    for properties in (proto.properties, proto.custom_properties):
        found.update({n: value_of(v) for n, v in properties.items() if not n.startswith(schema.PREFIX)})
    return dict(sorted(found.items())) if len(found) > 1 else found


def _get_content_properties(properties: Any) -> dict[str, Any]:
    exact = get_text(properties, schema.PROPERTIES)
    return dict(json_value.loads(exact)) if exact else {}


def put_event(proto: Any, names: Iterable[str], kind: str, artifact_id: int | None = None) -> Any:
    """Fill an event as TFX writes it: ``key, index`` for each name under which the artifact is meant."""
    proto.type = proto.Type.Value(kind)
    if artifact_id is not None:
        proto.artifact_id = artifact_id
    for name in names:
        proto.path.steps.add().key = name
        proto.path.steps.add().index = 0
    return proto


def get_edge(proto: Any) -> Edge | None:
    """The edge of an event; None for one that tells of an artifact neither taken nor made."""
    kind = proto.Type.Name(proto.type)
    if kind not in _EDGE_KINDS:
        return None
    is_output = _EDGE_KINDS[kind]
    return Edge(proto.execution_id, proto.artifact_id, is_output, _names(proto.path.steps, is_output))


def _names(steps: Iterable[Any], is_output: bool) -> tuple[str, ...]:
    """``numbers``, and ``numbers[1]`` for the next of a list; a path without keys gets a name, too."""
    unnamed = "output" if is_output else "input"
    names: list[str] = []
    for step in steps:
        if step.WhichOneof("value") == "key":
            names.append(step.key or unnamed)
        elif step.index:
            names[-1:] = [f"{names[-1] if names else unnamed}[{step.index}]"]
    return tuple(names or [unnamed])


def put_run_facts(proto: Any, run: PipelineRun, records: Records) -> Any:
    """Fill the context of a run with what does not change while it runs."""
    proto.name = run.name
    properties = proto.custom_properties
    properties[schema.PIPELINE_OF_RUN].string_value = run.pipeline
    properties[schema.STARTED].string_value = run.started.isoformat()
    if run.previous:
        properties[schema.PREVIOUS].string_value = run.previous
    put_text(properties, schema.DEFINITION, _json(run.definition), records)
    put_text(properties, schema.OPTIONS, _json(run.options), records)
    put_text(properties, schema.FACTS, _json(run.facts), records)
    return proto


def put_run_state(proto: Any, run: PipelineRun) -> None:
    """Set how far a run has come."""
    properties = proto.custom_properties
    properties[schema.STATUS].string_value = run.status.value
    if run.ended is not None:
        properties[schema.ENDED].string_value = run.ended.isoformat()
        properties[schema.DURATION].double_value = run.duration
        properties[schema.SAVED].double_value = run.saved


def get_run(proto: Any, records: Records) -> PipelineRun:
    properties = proto.custom_properties
    ended = get_text(properties, schema.ENDED)
    try:
        status = Status(get_text(properties, schema.STATUS))
    except ValueError:
        status = Status.RUNNING
    return PipelineRun(
        id=proto.id,
        name=proto.name,
        pipeline=get_text(properties, schema.PIPELINE_OF_RUN),
        status=status,
        started=_parse_time(get_text(properties, schema.STARTED)) or time_of(proto.create_time_since_epoch),
        ended=_parse_time(ended) if ended else None,
        duration=properties[schema.DURATION].double_value if schema.DURATION in properties else 0.0,
        saved=properties[schema.SAVED].double_value if schema.SAVED in properties else 0.0,
        previous=get_text(properties, schema.PREVIOUS),
        definition=LateJson(get_text(properties, schema.DEFINITION), records),
        options=get_json(properties, schema.OPTIONS, records),
        facts=get_json(properties, schema.FACTS, records),
    )


def put_acceptance(proto: Any, acceptance: Acceptance) -> Any:
    proto.name = f"{acceptance.step}:{acceptance.new}"
    properties = proto.custom_properties
    properties[schema.ACCEPTED_STEP].string_value = acceptance.step
    properties[schema.NEW_CODE].string_value = acceptance.new
    properties[schema.OLD_CODE].string_value = acceptance.old
    put_text(properties, schema.REASON, acceptance.reason)
    put_text(properties, schema.BY, acceptance.by)
    properties[schema.WHEN].string_value = acceptance.when.isoformat()
    properties[schema.REVOKED].bool_value = acceptance.is_revoked
    return proto


def get_acceptance(proto: Any) -> Acceptance:
    properties = proto.custom_properties
    return Acceptance(
        step=get_text(properties, schema.ACCEPTED_STEP),
        new=get_text(properties, schema.NEW_CODE),
        old=get_text(properties, schema.OLD_CODE),
        reason=get_text(properties, schema.REASON),
        by=get_text(properties, schema.BY),
        when=_parse_time(get_text(properties, schema.WHEN)) or time_of(proto.create_time_since_epoch),
        is_revoked=properties[schema.REVOKED].bool_value if schema.REVOKED in properties else False,
    )


def put_quarantine(proto: Any, quarantine: Quarantine) -> Any:
    proto.name = quarantine.digest
    properties = proto.custom_properties
    properties[schema.DIGEST].string_value = quarantine.digest
    put_text(properties, schema.REASON, quarantine.reason)
    put_text(properties, schema.BY, quarantine.by)
    properties[schema.WHEN].string_value = quarantine.when.isoformat()
    properties[schema.LIFTED].bool_value = quarantine.is_lifted
    return proto


def get_quarantine(proto: Any) -> Quarantine:
    properties = proto.custom_properties
    return Quarantine(
        id=proto.id,
        digest=get_text(properties, schema.DIGEST),
        reason=get_text(properties, schema.REASON),
        by=get_text(properties, schema.BY),
        when=_parse_time(get_text(properties, schema.WHEN)) or time_of(proto.create_time_since_epoch),
        is_lifted=properties[schema.LIFTED].bool_value if schema.LIFTED in properties else False,
    )


def time_of(milliseconds: int) -> datetime:
    """The moment that MLMD recorded, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
