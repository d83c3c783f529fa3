"""A value into the artifact store, and back: the pair of verbs between Python and bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zencache.artifact_store import PAYLOAD, ArtifactStore, StoredObject, hash_files
from zencache.class_annotation import is_class
from zencache.digest import ALGORITHM, Digest, digest_bytes, encode
from zencache.entity import Artifact
from zencache.exceptions import ArtifactStoreError, MaterializerError, PropertyError
from zencache.fingerprint import Sighting
from zencache.materializer import (
    ArtifactType,
    BaseMaterializer,
    artifact_type_of,
    by_name,
    find,
    has_materializer,
    is_there,
    json_value,
    name_of,
    recorded_name,
    registered,
    require_value,
    type_by_name,
)
from zencache.reference import Artifact as Reference
from zencache.reference import is_reference

_METHODS = frozenset(dir(BaseMaterializer))  # no configuration takes their places
_MAX_PROPERTIES = 2000  # bytes, of their JSON: what MLMD can hold on any database


def save(store: ArtifactStore, value: Any, materializer: BaseMaterializer) -> tuple[Artifact, ArtifactType]:
    """Write a value as an object of the artifact store; the artifact is not recorded yet.

    Raises:
        MaterializerError: the value would not come back as it is.
        ArtifactStoreError: the bytes could not be written.
    """
    with store.stage() as directory:
        (artifact,) = publish(store, [write(store, value, materializer, directory)])
        return artifact


@dataclass(frozen=True, slots=True)
class Staged:
    """The files of an artifact in a staging folder, hashed, before they are an object.

    Args:
        directory: the folder; it becomes the object by a rename where the store can do that.
        files: their digests, by path relative to it.
        content: what the materializer says identifies the content; None if the files do.
        materializer: what saved them, and loads them later.
        python_type: what it loads them as.
        properties: what counts as content beside the files.
    """

    directory: Path
    files: Mapping[str, Digest]
    content: str | bytes | None
    materializer: BaseMaterializer
    python_type: type
    properties: Mapping[str, Any]


def write(store: ArtifactStore, value: Any, materializer: BaseMaterializer, directory: Path) -> Staged:
    """Save a value in a staging folder; raises as :func:`save`."""
    with _writing(store, materializer):
        known = materializer.save(value, directory)
    return hashed(store, directory, materializer, type(value), materializer.properties(value), known)


def hashed(
    store: ArtifactStore,
    directory: Path,
    materializer: BaseMaterializer,
    python_type: type,
    properties: Mapping[str, Any],
    known: Mapping[str, Digest] | None = None,
) -> Staged:
    """Files that have been written into a staging folder, with their digests.

    Args:
        known: digests of files that were hashed while they were written.

    Raises:
        ArtifactStoreError: the files could not be read.
        PropertyError: the properties are too long to be recorded.
    """
    with _writing(store, materializer):
        files = hash_files(directory, known)
        content = materializer.digest(directory) or materializer.digest_files(files)
    if len(json_value.dumps(dict(properties)).encode()) > _MAX_PROPERTIES:
        raise PropertyError(
            "The properties of an artifact are too long to be recorded.",
            facts={
                "type": artifact_type_of(materializer, python_type).name,
                "properties": ", ".join(properties),
            },
            hint="Write what is long to a file of the artifact.",
        )
    return Staged(directory, files, content, materializer, python_type, properties)


def publish(store: ArtifactStore, staged: Sequence[Staged]) -> list[tuple[Artifact, ArtifactType]]:
    """Make staged files objects of the artifact store; the artifacts are not recorded yet.

    Raises:
        ArtifactStoreError: the files could not be made durable and visible.
    """
    stored = store.publish_all([(one.directory, one.files) for one in staged])
    return [_artifact(one, found) for one, found in zip(staged, stored, strict=True)]


def _artifact(staged: Staged, stored: StoredObject) -> tuple[Artifact, ArtifactType]:
    materializer, python_type, content = staged.materializer, staged.python_type, staged.content
    artifact_type = artifact_type_of(materializer, python_type)
    artifact = Artifact(
        id=0,
        type=artifact_type.name,
        uri=python_type.uri_in(f"{stored.uri}/{PAYLOAD}") if is_reference(python_type) else stored.uri,
        digest=_with_properties(
            stored.digest.hash if content is None else _content_digest(content), staged.properties
        ),
        object=stored.digest,
        materializer=name_of(materializer),
        python_type=recorded_name(python_type),
        configuration=json_value.dumps(vars(materializer)) if vars(materializer) else "",
        content_properties=staged.properties,
    )
    return artifact, artifact_type


def refer(value: Reference, seen: Sighting) -> tuple[Artifact, ArtifactType]:
    """The artifact of files that stay where they are, outside of the artifact store.

    Args:
        value: the reference.
        seen: what is there now.
    """
    digest, properties = seen.digest, value.properties()
    materializer = require_value(value)
    artifact = Artifact(
        id=0,
        type=value.type_name,
        uri=seen.place,
        digest=_with_properties(digest.hash, properties),
        object=digest,
        materializer="",
        python_type=recorded_name(type(value)),
        content_properties=properties,
    )
    return artifact, artifact_type_of(materializer, type(value))


def load(
    store: ArtifactStore,
    artifact: Artifact,
    *,
    materializer: BaseMaterializer | None = None,
    candidates: Iterable[Any] = (),
) -> Any:
    """The value of an artifact, its bytes verified against their digest first.

    Args:
        materializer: used if it is of the recorded class, for one that a step configured.
        candidates: types that are preferred to importing the recorded one, if they bear its name.

    Raises:
        ArtifactMissing, ArtifactDamaged: the bytes are gone, or not what was recorded.
        MaterializerError: the type or the materializer is gone, or the files cannot be read.
    """
    if not artifact.digest:
        raise MaterializerError(
            "This artifact was not made by zencache, which cannot tell how its files become a value.",
            facts={"uri": artifact.uri, "type": artifact.type},
            hint="Read the files at its URI with the tool that made them.",
        )
    types = [candidate for candidate in candidates if is_class(candidate)]
    if artifact.is_external and artifact.python_type:
        reference = _reference_type(artifact, types)()
        reference.uri, reference.recorded = artifact.uri, artifact
        reference.restore(artifact.content_properties)
        return reference
    if artifact.is_external:
        raise MaterializerError(
            "An external file is not in the artifact store.",
            facts={"uri": artifact.uri},
            hint="Read it where it lies; its recorded digest tells whether it has changed.",
        )
    asked_for = materializer
    if materializer is None or name_of(materializer) != artifact.materializer:
        materializer = _configured(by_name(artifact.materializer), artifact.configuration)
    _require_asked_for(materializer, asked_for, artifact)
    python_type = _type_of(artifact, materializer, types)
    directory = store.open(artifact.object)
    try:
        value = materializer.load(directory, python_type)
        value = materializer.restore(value, artifact.content_properties)
    except MaterializerError:
        raise
    except Exception as error:
        raise MaterializerError(
            f"A value could not be loaded: {type(error).__name__}: {error}.",
            facts={"uri": artifact.uri, "materializer": artifact.materializer, "type": artifact.python_type},
            hint="Its class or package may have changed since it was written; run the step anew.",
        ) from error
    if isinstance(value, Reference):
        value.recorded = artifact
    return value


def _reference_type(artifact: Artifact, types: Iterable[type]) -> type[Reference]:
    found = type_by_name(artifact.python_type, types)
    if not is_reference(found):
        raise MaterializerError(
            "A recorded type is something else than a reference to files.",
            facts={"uri": artifact.uri, "type": artifact.python_type},
        )
    return found


def _type_of(artifact: Artifact, materializer: BaseMaterializer, types: Iterable[type]) -> type:
    try:
        return type_by_name(artifact.python_type, types)
    except MaterializerError:
        if materializer.runs_code:
            return object  # the file itself says what to make
        raise


def _require_asked_for(
    materializer: BaseMaterializer, asked_for: BaseMaterializer | None, artifact: Artifact
) -> None:
    """What runs code is used only if somebody asks for it who is not the record itself."""
    kind = type(materializer)
    if not kind.runs_code or type(asked_for) is kind or kind in registered.values():
        return
    raise MaterializerError(
        "Loading this artifact may run code that comes with it, and nobody here has asked for that by name.",
        facts={"uri": artifact.uri, "materializer": artifact.materializer},
        hint=f"If you trust whoever can write to the stores: import the step that made it, or "
        f"`artifact.read(materializer={kind.__name__})`.",
    )


def lost_class(artifact: Artifact, known: Iterable[Any]) -> str | None:
    """The name of a class that loading would need and that is gone; None if all are there.

    Args:
        known: what a step declares, which may be found nowhere else, such as a class made in a function.
    """
    if artifact.is_external:
        return None
    kinds = [kind for kind in known if is_class(kind)]
    if not is_there(artifact.python_type, kinds):
        return artifact.python_type
    materializers = (found for kind in kinds if (found := find(kind)) is not None)
    known_there = has_materializer(artifact.materializer, itertools.chain(kinds, materializers))
    return None if known_there else artifact.materializer


def _configured(kind: type[BaseMaterializer], configuration: str) -> BaseMaterializer:
    """A materializer as it was when it saved: its attributes are recorded with the artifact."""
    materializer = kind.__new__(kind)
    if configuration:
        try:
            attributes = dict(json_value.loads(configuration))
            vars(materializer).update(attributes)
        except (ValueError, TypeError, RecursionError) as error:
            raise MaterializerError(
                "What a materializer was configured with cannot be read.",
                facts={"materializer": name_of(kind), "because": f"{type(error).__name__}: {error}"},
                hint="The record was changed or cut; run the step anew.",
            ) from error
        if any(not name.isidentifier() or name in _METHODS for name in attributes):
            raise MaterializerError(
                "A record gives a materializer attributes that it cannot have.",
                facts={"materializer": name_of(kind), "attributes": ", ".join(attributes)[:200]},
            )
    return materializer


@contextmanager
def _writing(store: ArtifactStore, materializer: BaseMaterializer) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactStoreError(
            f"A value could not be written: {error.strerror or error}.",
            facts={"store": store.url, "materializer": name_of(materializer)},
            hint="Check that the disk has space and can be written; what had finished is reused.",
        ) from error


def _with_properties(digest: str, properties: Mapping[str, Any]) -> str:
    """The digest of files together with the properties that count as their content."""
    if not properties:
        return digest
    return _content_digest(encode((digest, sorted(properties.items()))))


def _content_digest(content: str | bytes) -> str:
    """The digest of what a materializer says identifies the content."""
    text = content.encode() if isinstance(content, str) else content
    return f"{ALGORITHM}:{digest_bytes(text).hex}"
