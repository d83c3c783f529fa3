"""Artifacts by reference, whose files a component has written where they will lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zencache.digest import Digest
from zencache.exceptions import MaterializerError
from zencache.materializer.contract import ArtifactType, BaseMaterializer
from zencache.materializer.shards import content_of
from zencache.reference import Artifact


class ReferenceMaterializer(BaseMaterializer):
    """Gives an :class:`Artifact` back as it was: its class, its properties, and a ``uri`` to read from."""

    types = (Artifact,)

    @classmethod
    def artifact_type_for(cls, python_type: type[Artifact]) -> ArtifactType:
        annotation = python_type.TYPE_ANNOTATION
        return ArtifactType(
            str(python_type.TYPE_NAME),
            base=annotation.BASE_TYPE if annotation is not None else None,
            properties={name: one.type.value for name, one in (python_type.PROPERTIES or {}).items()},
        )

    def save(self, value: Artifact, directory: Path) -> None:
        raise MaterializerError(
            "An artifact by reference cannot be copied into the store.",
            facts={"artifact": repr(value)},
            hint="Write it below the `uri` of a parameter that is annotated `OutputArtifact[...]`.",
        )

    def load(self, directory: Path, type: type[Artifact]) -> Artifact:
        reference = type()
        reference.uri = type.uri_in(str(directory))
        return reference

    def digest_files(self, files: Mapping[str, Digest]) -> str | None:
        return content_of(files)

    def properties(self, value: Artifact) -> Mapping[str, Any]:
        return value.properties()

    def restore(self, value: Artifact, properties: Mapping[str, Any]) -> Artifact:
        value.restore(properties)
        return value
