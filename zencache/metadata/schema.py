"""The names under which zencache writes to ML Metadata, and the registration of types.

Context types are TFX's, so that tools made for TFX find them. Each property of zencache's own bears the
prefix ``zencache_``; a property without it on an execution is a parameter of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from zencache.digest import fingerprint
from zencache.exceptions import MetadataStoreError
from zencache.materializer import ArtifactType

if TYPE_CHECKING:
    from zencache.metadata.connection import Connection

PIPELINE = "pipeline"
PIPELINE_RUN = "pipeline_run"
NODE = "node"
EXECUTION_CACHE = "execution_cache"
ACCEPTANCE = "zencache_acceptance"
QUARANTINE = "zencache_quarantine"
LEASE = "zencache_lease"
PIN = "zencache_pin"
CONTEXT_TYPES = (PIPELINE, PIPELINE_RUN, NODE, EXECUTION_CACHE, ACCEPTANCE, QUARANTINE, LEASE, PIN)

PREFIX = "zencache_"
# On acceptances.
ACCEPTED_STEP = "zencache_step"
NEW_CODE = "zencache_new_code"
OLD_CODE = "zencache_old_code"
REASON = "zencache_reason"
BY = "zencache_by"
WHEN = "zencache_when"
REVOKED = "zencache_revoked"
# On quarantines, which share the last four with acceptances.
LIFTED = "zencache_lifted"
# On pins, which share reason, by, when and lifted with quarantines.
PINNED_KIND = "zencache_pinned"
PINNED_TARGET = "zencache_target"
# On executions.
CACHE_KEY = "zencache_cache_key"
KEY_PARTS = "zencache_key_parts"
KEY_VALUES = "zencache_key_values"
DECISION = "zencache_decision"
DURATION = "zencache_duration"
SOURCE = "zencache_source_execution"
ERROR = "zencache_error"
TRIES = "zencache_tries"
UNTRACKED = "zencache_untracked"
NOT_KEPT = "zencache_not_kept"
BEAM_PIPELINE_ARGS = "zencache_beam_pipeline_args"
TRACEBACK = "zencache_traceback"
PARAMETERS = "zencache_parameters"
# On executions, runs, acceptances and given values that are signed; in the pointer of an entry as well.
SIGNATURE = "zencache_signature"
# On what was copied from another metadata store: executions and runs; and when the original was completed.
ORIGIN = "zencache_origin"
FINISHED = "zencache_finished"
# On executions that ran and on runs.
FACTS = "zencache_facts"
# On artifacts.
DIGEST = "zencache_digest"
OBJECT = "zencache_object"
SIZE = "zencache_size"
MATERIALIZER = "zencache_materializer"
PYTHON_TYPE = "zencache_python_type"
LOST = "zencache_lost"
CONFIGURATION = "zencache_materializer_configuration"
PROPERTIES = "zencache_properties"
REMOVED_WHY = "zencache_removed_why"
REMOVED_BY = "zencache_removed_by"
REMOVED_WHEN = "zencache_removed_when"
REMOVED_OWNER = "zencache_removed_owner"
# On leases.
HOLDER = "zencache_holder"
BEAT = "zencache_beat"
# On other contexts.
ENTRY = "zencache_entry"
LAST_RUN = "zencache_last_run"
LAST_KEYS = "zencache_last_keys_"  # and a number: the keys of the last run, as many as a text may hold
PREVIOUS = "zencache_previous_run"
PIPELINE_OF_RUN = "zencache_pipeline"
STATUS = "zencache_status"
STARTED = "zencache_started"
ENDED = "zencache_ended"
SAVED = "zencache_saved"
OPTIONS = "zencache_options"
SKIPPED = "zencache_skipped"
DEFINITION = "zencache_definition"

MAX_NAME = 255  # bytes, of names and external ids; MySQL and PostgreSQL refuse more
MAX_TEXT = 2000  # bytes, of strings; PostgreSQL's indexes refuse more
TEXT_OF_RECORD = "record:"

_ARTIFACT_BASES = {"Dataset": "DATASET", "Model": "MODEL", "Metrics": "METRICS", "Statistics": "STATISTICS"}
_EXECUTION_BASES = {
    "Train": "TRAIN",
    "Transform": "TRANSFORM",
    "Process": "PROCESS",
    "Evaluate": "EVALUATE",
    "Deploy": "DEPLOY",
}


def entry_id(cache_key: str) -> str:
    """The external id of the context of a cache key: one indexed look-up finds any number of them."""
    return f"zencache:{cache_key}"


def lease_id(cache_key: str, generation: int) -> str:
    """The external id of one generation of a key's lease: its uniqueness is what lets only one hold it."""
    return f"zencache:lease:{cache_key}:{generation}"


def node_id(name: str) -> str:
    """The external id of a node's context, whose name is ``<pipeline>.<node>``."""
    return f"zencache:node:{fingerprint(name)}"


def value_id(digest: str, materializer: str, python_type: str) -> str:
    """The external id of the artifact of a value that was given to a pipeline, not made by a step."""
    return f"zencache:value:{fingerprint((digest, materializer, python_type))}"


_OUTPUT = "zencache:output:"


def output_id(execution_id: int, name: str) -> str:
    """The external id of what an execution made under a name: made twice, it is refused the second time."""
    return f"{_OUTPUT}{execution_id}:{fingerprint(name)}"


def _type_id(kind: str, name: str) -> str:
    """The external id of a type. MLMD lets two processes make a type of the same name at the same time."""
    return f"zencache:type:{fingerprint((kind, name))}"


def is_local(external_id: str) -> bool:
    """Whether an external id says something in its own metadata store only."""
    return external_id.startswith(_OUTPUT)


def context_type_id(connection: Connection, name: str) -> int:
    """The id of a context type; all of them are registered if need be."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    def register(store: Any) -> None:
        known = {kind.name: kind.id for kind in store.get_context_types()}
        for missing in (name for name in CONTEXT_TYPES if name not in known):
            kind = proto.ContextType(name=missing, external_id=_type_id("context", missing))
            known[missing] = store.put_context_type(kind, can_add_fields=True)
        _remember(connection, "context", known)

    if ("context", name) not in connection.type_ids:
        _register(connection, register)
    return connection.type_ids["context", name]


def new_context(connection: Connection, kind: str, **fields: Any) -> Any:
    """A context of a type, to be filled further, that is not put yet."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    return proto.Context(type_id=context_type_id(connection, kind), **fields)


def register_at_once(connection: Connection, steps: Mapping[str, str | None]) -> None:
    """Register the types that a run takes in one call; where that fails, they are found one by one."""
    from ml_metadata import errors
    from ml_metadata.proto import metadata_store_service_pb2 as service

    known = connection.type_ids
    contexts = [name for name in CONTEXT_TYPES if ("context", name) not in known]
    executions = [name for name in steps if ("execution", name) not in known]
    if not contexts or not executions:  # one kind is listed in one call, too
        return

    def register(store: Any) -> Any:
        request = service.PutTypesRequest(can_add_fields=True, can_omit_fields=True)
        for name in contexts:
            request.context_types.add(name=name, external_id=_type_id("context", name))
        for name in executions:
            request.execution_types.add().CopyFrom(_execution_type(name, steps[name]))
        response = service.PutTypesResponse()
        store._call("PutTypes", request, response)
        return response

    try:
        answer = connection.write(register)
    except (
        errors.AlreadyExistsError,
        MetadataStoreError,
    ):  # another tool's type of the name has another base
        return
    _remember(connection, "context", dict(zip(contexts, answer.context_type_ids, strict=True)))
    _remember(connection, "execution", dict(zip(executions, answer.execution_type_ids, strict=True)))


def _execution_type(name: str, base: str | None) -> Any:
    from ml_metadata.proto import metadata_store_pb2 as proto

    kind = proto.ExecutionType(name=name, external_id=_type_id("execution", name))
    if base is not None:
        kind.base_type = proto.ExecutionType.SystemDefinedBaseType.Value(_EXECUTION_BASES[base])
    return kind


def execution_type_ids(connection: Connection, steps: Mapping[str, str | None]) -> Mapping[str, int]:
    """Step -> id of its execution type, registered with its system base type, if any, if need be."""

    def register(store: Any) -> None:
        known = {kind.name: kind.id for kind in store.get_execution_types()}
        for name, base in steps.items():
            if name not in known:
                known[name] = store.put_execution_type(_execution_type(name, base))
        _remember(connection, "execution", known)

    if any(("execution", name) not in connection.type_ids for name in steps):
        _register(connection, register)
    return {name: connection.type_ids["execution", name] for name in steps}


def artifact_type_id(connection: Connection, artifact_type: ArtifactType) -> int:
    """The id of an artifact type, registered with its system base type and its properties if need be.

    Raises:
        MetadataStoreError: it is registered with another type of one of its properties.
    """
    from ml_metadata import errors
    from ml_metadata.proto import metadata_store_pb2 as proto

    name, declared = artifact_type.name, artifact_type.properties
    form = fingerprint((name, sorted(declared.items()))) if declared else name

    def register(store: Any) -> None:
        known = {kind.name: kind for kind in store.get_artifact_types()}
        ids = {kind.name: kind.id for kind in known.values()}
        if name not in known or set(declared) - set(known[name].properties):
            kind = proto.ArtifactType(name=name, external_id=_type_id("artifact", name))
            for property_name, property_type in declared.items():
                kind.properties[property_name] = proto.PropertyType.Value(property_type)
            if artifact_type.base is not None:
                base = _ARTIFACT_BASES[artifact_type.base]
                kind.base_type = proto.ArtifactType.SystemDefinedBaseType.Value(base)
            ids[name] = store.put_artifact_type(kind, can_add_fields=True, can_omit_fields=True)
        elif any(proto.PropertyType.Name(known[name].properties[p]) != t for p, t in declared.items()):
            raise errors.AlreadyExistsError("a property has another type")
        _remember(connection, "artifact", {**ids, form: ids[name]})

    if ("artifact", form) not in connection.type_ids:
        try:
            _register(connection, register)
        except errors.AlreadyExistsError as error:
            raise MetadataStoreError(
                "An artifact type is registered with another type of one of its properties.",
                facts={"type": name, "declared": ", ".join(f"{p} {t}" for p, t in declared.items())},
                hint="Give the class another TYPE_NAME, or its properties the types that they had.",
            ) from error
    return connection.type_ids["artifact", form]


def _register(connection: Connection, register: Callable[[Any], None]) -> None:
    """Once more where another process made one of the types between looking and making: then it is listed."""
    from ml_metadata import errors

    try:
        connection.write(register)
    except errors.AlreadyExistsError:
        connection.write(register)


def _remember(connection: Connection, kind: str, ids: dict[str, int]) -> None:
    """All ids at once: an interrupt must not leave some of them unknown."""
    connection.type_ids.update({(kind, name): type_id for name, type_id in ids.items()})
