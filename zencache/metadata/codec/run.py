"""The contexts of runs, with the definitions of their pipelines, and what a pipeline's next run asks for."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zencache.entity import PipelineRun, Status
from zencache.metadata import schema
from zencache.metadata.codec.signature import get_signature, put_signature
from zencache.metadata.codec.text import (
    Records,
    get_json,
    get_text,
    json_text,
    parse,
    parse_time,
    put_text,
    resolved,
    time_of,
)
from zencache.metadata.codec.value import as_kept

_KEYS_IN_A_TEXT = 30  # of 64 digits each


class LateJson(Mapping[str, Any]):
    """A JSON object that is read when it is first asked for: a list of runs needs no definitions."""

    def __init__(self, text: str, records: Records):
        self._text = text
        self._records = records

    @functools.cached_property
    def text(self) -> str:
        return resolved(self._text, self._records)

    @functools.cached_property
    def _items(self) -> dict[str, Any]:
        found = parse(self.text)
        return found if is_definition(found) else {}

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def is_definition(found: Mapping[str, Any]) -> bool:
    """Whether JSON has the form of a pipeline's definition; what somebody else has changed may not."""
    rows = found.get("steps", [])
    return isinstance(rows, list) and all(isinstance(row, dict) and _is_row(row) for row in rows)


def _is_row(row: Mapping[str, Any]) -> bool:
    inputs = row.get("inputs")
    return (
        all(isinstance(row.get(name), str) for name in ("name", "step"))
        and all(isinstance(row.get(name) or "", str) for name in ("slot", "source", "file"))
        and all(_are_texts(row.get(name, [])) for name in ("outputs", "positional"))
        and all(isinstance(row.get(name, {}), dict) for name in ("given", "configured"))
        and _are_texts(row.get("after"))
        and isinstance(inputs, dict)
        and all(_are_texts(handle) and len(handle) == 2 for handle in inputs.values())
    )


def _are_texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(item, str) for item in found)


def definition_text(run: PipelineRun) -> str:
    """The definition of a run's pipeline as it is recorded, and signed."""
    return run.definition.text if isinstance(run.definition, LateJson) else json_text(run.definition)


def put_run_facts(proto: Any, run: PipelineRun, records: Records) -> Any:
    """Fill the context of a run with what does not change while it runs."""
    proto.name = run.name
    properties = proto.custom_properties
    properties[schema.PIPELINE_OF_RUN].string_value = run.pipeline
    properties[schema.STARTED].string_value = run.started.isoformat()
    if run.previous:
        properties[schema.PREVIOUS].string_value = run.previous
    put_text(properties, schema.DEFINITION, definition_text(run), records)
    put_signature(properties, run.signature)
    put_text(properties, schema.OPTIONS, json_text(run.options), records)
    put_text(properties, schema.FACTS, json_text(run.facts), records)
    return proto


def put_run_state(proto: Any, run: PipelineRun, records: Records) -> None:
    """Set how far a run has come."""
    properties = proto.custom_properties
    properties[schema.STATUS].string_value = run.status.value
    if run.ended is not None:
        properties[schema.ENDED].string_value = run.ended.isoformat()
        properties[schema.DURATION].double_value = as_kept(run.duration)
        properties[schema.SAVED].double_value = as_kept(run.saved)
    if run.skipped:
        put_text(properties, schema.SKIPPED, json_text(run.skipped), records)


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
        started=parse_time(get_text(properties, schema.STARTED)) or time_of(proto.create_time_since_epoch),
        ended=parse_time(ended) if ended else None,
        duration=properties[schema.DURATION].double_value if schema.DURATION in properties else 0.0,
        saved=properties[schema.SAVED].double_value if schema.SAVED in properties else 0.0,
        previous=get_text(properties, schema.PREVIOUS),
        definition=LateJson(get_text(properties, schema.DEFINITION), records),
        options=get_json(properties, schema.OPTIONS, records),
        facts=get_json(properties, schema.FACTS, records),
        signature=get_signature(properties),
        skipped=get_json(properties, schema.SKIPPED, records),
    )


def put_last_keys(proto: Any, cache_keys: Sequence[str]) -> None:
    """Note with a pipeline what the next run of it will ask for; what was noted before goes."""
    properties = proto.custom_properties
    for name in [name for name in properties if name.startswith(schema.LAST_KEYS)]:
        del properties[name]
    for start in range(0, len(cache_keys), _KEYS_IN_A_TEXT):
        name = f"{schema.LAST_KEYS}{start // _KEYS_IN_A_TEXT}"
        properties[name].string_value = " ".join(cache_keys[start : start + _KEYS_IN_A_TEXT])


def get_last_keys(proto: Any) -> list[str]:
    """The keys noted with a pipeline; none while a run of it is on its way."""
    properties = proto.custom_properties
    return [
        key
        for name in properties
        if name.startswith(schema.LAST_KEYS)
        for key in get_text(properties, name).split()
    ]
