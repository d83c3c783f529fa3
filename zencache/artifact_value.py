"""A value into the artifact store, and back: the pair of verbs between Python and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zencache.artifact_store import ArtifactStore
from zencache.digest import ALGORITHM, digest_bytes
from zencache.entity import Artifact
from zencache.exceptions import ArtifactStoreError, MaterializerError
from zencache.materializer import (
    ArtifactType,
    BaseMaterializer,
    artifact_type_of,
    by_name,
    find,
    is_there,
    json_value,
    name_of,
    type_by_name,
    type_name,
)


def save(store: ArtifactStore, value: Any, materializer: BaseMaterializer) -> tuple[Artifact, ArtifactType]:
    """Write a value as an object of the artifact store; the artifact is not recorded yet.

    Raises:
        MaterializerError: the value would not come back as it is.
        ArtifactStoreError: the bytes could not be written.
    """
    artifact_type = artifact_type_of(materializer, type(value))
    with store.stage() as directory:
        try:
            known = materializer.save(value, directory)
            content = materializer.digest(directory)
        except OSError as error:
            raise ArtifactStoreError(
                f"A value could not be written: {error.strerror or error}.",
                facts={"store": store.url, "materializer": name_of(materializer)},
                hint="Check that the disk has space and can be written; what had finished is reused.",
            ) from error
        stored = store.publish(directory, known)
    digest = stored.digest.hash if content is None else _content_digest(content)
    artifact = Artifact(
        id=0,
        type=artifact_type.name,
        uri=stored.uri,
        digest=digest,
        object=stored.digest,
        materializer=name_of(materializer),
        python_type=type_name(type(value)),
        configuration=json_value.dumps(vars(materializer)) if vars(materializer) else "",
    )
    return artifact, artifact_type


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
    if artifact.is_external:
        raise MaterializerError(
            "An external file is not in the artifact store.",
            facts={"uri": artifact.uri},
            hint="Read it where it lies; its recorded digest tells whether it has changed.",
        )
    directory = store.open(artifact.object)
    types = [candidate for candidate in candidates if isinstance(candidate, type)]
    python_type = type_by_name(artifact.python_type, types)
    if materializer is None or name_of(materializer) != artifact.materializer:
        materializer = _configured(by_name(artifact.materializer), artifact.configuration)
    try:
        return materializer.load(directory, python_type)
    except MaterializerError:
        raise
    except Exception as error:
        raise MaterializerError(
            f"A value could not be loaded: {type(error).__name__}: {error}.",
            facts={"uri": artifact.uri, "materializer": artifact.materializer, "type": artifact.python_type},
            hint="Its class or package may have changed since it was written; run the step anew.",
        ) from error


def lost_class(artifact: Artifact, known: Iterable[Any]) -> str | None:
    """The name of a class that loading would need and that is gone; None if all are there.

    Args:
        known: what a step declares, which may be found nowhere else, such as a class made in a function.
    """
    if artifact.is_external:
        return None
    kinds = [kind for kind in known if isinstance(kind, type)]
    if not is_there(artifact.python_type, kinds):
        return artifact.python_type
    kinds += [found for kind in kinds if (found := find(kind)) is not None]
    return None if is_there(artifact.materializer, kinds) else artifact.materializer


def _configured(kind: type[BaseMaterializer], configuration: str) -> BaseMaterializer:
    """A materializer as it was when it saved: its attributes are recorded with the artifact."""
    materializer = kind.__new__(kind)
    if configuration:
        vars(materializer).update(json_value.loads(configuration))
    return materializer


def _content_digest(content: str | bytes) -> str:
    """The digest of what a materializer says identifies the content."""
    text = content.encode() if isinstance(content, str) else content
    return f"{ALGORITHM}:{digest_bytes(text).hex}"
