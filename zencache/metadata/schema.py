"""The names under which zencache writes to ML Metadata, and the registration of types.

Context types are TFX's, so that tools made for TFX find them. Each property of zencache's own bears the
prefix ``zencache_``; a property without it on an execution is a parameter of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
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
CONTEXT_TYPES = (PIPELINE, PIPELINE_RUN, NODE, EXECUTION_CACHE, ACCEPTANCE, QUARANTINE)

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
# On executions.
CACHE_KEY = "zencache_cache_key"
KEY_PARTS = "zencache_key_parts"
KEY_VALUES = "zencache_key_values"
DECISION = "zencache_decision"
DURATION = "zencache_duration"
SOURCE = "zencache_source_execution"
ERROR = "zencache_error"
UNTRACKED = "zencache_untracked"
NOT_KEPT = "zencache_not_kept"
BEAM_PIPELINE_ARGS = "zencache_beam_pipeline_args"
TRACEBACK = "zencache_traceback"
PARAMETERS = "zencache_parameters"
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
# On contexts.
ENTRY = "zencache_entry"
LAST_RUN = "zencache_last_run"
PREVIOUS = "zencache_previous_run"
PIPELINE_OF_RUN = "zencache_pipeline"
STATUS = "zencache_status"
STARTED = "zencache_started"
ENDED = "zencache_ended"
SAVED = "zencache_saved"
OPTIONS = "zencache_options"
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


def node_id(name: str) -> str:
    """The external id of a node's context, whose name is ``<pipeline>.<node>``."""
    return f"zencache:node:{fingerprint(name)}"


def value_id(digest: str, materializer: str, python_type: str) -> str:
    """The external id of the artifact of a value that was given to a pipeline, not made by a step."""
    return f"zencache:value:{fingerprint((digest, materializer, python_type))}"


def context_type_ids(connection: Connection) -> dict[str, int]:
    """Context type -> id, registered if need be."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    def register(store: Any) -> None:
        known = {kind.name: kind.id for kind in store.get_context_types()}
        for name in CONTEXT_TYPES:
            if name not in known:
                known[name] = store.put_context_type(proto.ContextType(name=name), can_add_fields=True)
        _remember(connection, "context", known)

    if any(("context", name) not in connection.type_ids for name in CONTEXT_TYPES):
        connection.write(register)
    return {name: connection.type_ids["context", name] for name in CONTEXT_TYPES}


def execution_type_ids(connection: Connection, steps: Mapping[str, str | None]) -> Mapping[str, int]:
    """Step -> id of its execution type, registered with its system base type, if any, if need be."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    def register(store: Any) -> None:
        known = {kind.name: kind.id for kind in store.get_execution_types()}
        for name, base in steps.items():
            if name not in known:
                kind = proto.ExecutionType(name=name)
                if base is not None:
                    kind.base_type = proto.ExecutionType.SystemDefinedBaseType.Value(_EXECUTION_BASES[base])
                known[name] = store.put_execution_type(kind)
        _remember(connection, "execution", known)

    if any(("execution", name) not in connection.type_ids for name in steps):
        connection.write(register)
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
            kind = proto.ArtifactType(name=name)
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
            connection.write(register)
        except errors.AlreadyExistsError as error:
            raise MetadataStoreError(
                "An artifact type is registered with another type of one of its properties.",
                facts={"type": name, "declared": ", ".join(f"{p} {t}" for p, t in declared.items())},
                hint="Give the class another TYPE_NAME, or its properties the types that they had.",
            ) from error
    return connection.type_ids["artifact", form]


def _remember(connection: Connection, kind: str, ids: dict[str, int]) -> None:
    """All ids at once: an interrupt must not leave some of them unknown."""
    connection.type_ids.update({(kind, name): type_id for name, type_id in ids.items()})
