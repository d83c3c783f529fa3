"""Executions, and what was decided about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zencache.entity import Artifact, Decision, Execution, Outcome, Status
from zencache.exceptions import ArtifactStoreError
from zencache.metadata import schema
from zencache.metadata.codec.signature import get_signature, put_signature
from zencache.metadata.codec.text import Records, get_json, get_list, get_text, json_text, put_text, time_of
from zencache.metadata.codec.value import get_parameters, put_parameters
from zencache.policy import Level, Reason
from zencache.redaction import redacted_flags

_STATES = {
    Status.COMPLETED: "COMPLETE",
    Status.CACHED: "CACHED",
    Status.FAILED: "FAILED",
    Status.RUNNING: "RUNNING",
    Status.CANCELED: "CANCELED",
}
_STATUSES = {state: status for status, state in _STATES.items()} | {"NEW": Status.RUNNING}


def execution_name(run: str, node: str, attempt: int = 1) -> str:
    """The name of an execution: unique, and enough to find its run and node without a look-up."""
    return f"{run}/{node}" + (f"#{attempt}" if attempt > 1 else "")


def put_execution_facts(proto: Any, execution: Execution, *, records: Records, attempt: int = 1) -> Any:
    """Fill an MLMD Execution with what does not change while it runs.

    A cached one carries only what is its own; the rest is its source's.
    """
    proto.name = execution_name(execution.run, execution.node, attempt)
    properties = proto.custom_properties
    put_parameters(properties, execution.parameters, records)
    properties[schema.CACHE_KEY].string_value = execution.cache_key
    if execution.decision is not None:
        properties[schema.DECISION].string_value = _decision_text(execution.decision)
    if execution.source_id is not None:
        properties[schema.SOURCE].int_value = execution.source_id
    if execution.key_parts:
        put_text(properties, schema.KEY_PARTS, json_text(execution.key_parts), records)
    if execution.key_values:
        put_text(properties, schema.KEY_VALUES, json_text(execution.key_values), records)
    if execution.facts:
        put_text(properties, schema.FACTS, json_text(execution.facts), records)
    if execution.beam_pipeline_args:
        flags = redacted_flags(execution.beam_pipeline_args)
        put_text(properties, schema.BEAM_PIPELINE_ARGS, json_text(flags))
    if execution.untracked:
        put_text(properties, schema.UNTRACKED, "\n".join(execution.untracked), records)
    return proto


def put_execution_state(proto: Any, execution: Execution, *, records: Records, traceback: str = "") -> Any:
    """Set how far an execution has come."""
    proto.last_known_state = proto.State.Value(_STATES[execution.status])
    properties = proto.custom_properties
    if execution.status is not Status.RUNNING:
        properties[schema.DURATION].double_value = execution.duration
    if execution.not_kept:
        put_text(properties, schema.NOT_KEPT, execution.not_kept, records)
    if execution.tries > 1:
        properties[schema.TRIES].int_value = execution.tries
    put_signature(properties, execution.signature, finished=execution.finished)
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
        tries=properties[schema.TRIES].int_value if schema.TRIES in properties else 1,
        beam_pipeline_args=get_list(properties, schema.BEAM_PIPELINE_ARGS),
        untracked=() if brief else tuple(get_text(properties, schema.UNTRACKED, records).splitlines()),
        not_kept=get_text(properties, schema.NOT_KEPT, records),
        facts={} if brief else get_json(properties, schema.FACTS, records),
        inputs=inputs or {},
        outputs=outputs or {},
        finished=finished_of(proto),
        signature=get_signature(properties),
    )


def finished_of(proto: Any) -> float:
    """When an execution was completed, in seconds since the epoch; of a copy, when the original was.

    Of one that is signed, what the signature is for.
    """
    signed = get_json(proto.custom_properties, schema.SIGNATURE).get("finished")
    if isinstance(signed, float) and 0 <= signed < 1e11:
        return signed
    text = get_text(proto.custom_properties, schema.FINISHED)
    return (int(text) if text.isdecimal() and len(text) < 15 else proto.last_update_time_since_epoch) / 1000


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
            detail=str(found.get("detail", "")),
        )
    except (KeyError, ValueError, TypeError):
        return None
