"""What a pipeline's author gives to a step beside parameters: values and external files, as artifacts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from zencache import artifact_value
from zencache.artifact_store import ArtifactStore
from zencache.binding import path_forms
from zencache.entity import Artifact
from zencache.exceptions import DeclarationError
from zencache.fingerprint import ExternalFile, FileFingerprints, Sighting
from zencache.materializer import ArtifactType, require_value
from zencache.metadata import MetadataStore, RunWriter, value_id
from zencache.redaction import redacted
from zencache.wiring import Node

_EXTERNAL = ArtifactType("ExternalFile")


class GivenValues:
    """The artifacts of given values, made once a run.

    Args:
        metadata: where an artifact of equal content may be recorded already.
        artifacts: where the bytes of values go.
        files: fingerprints of external files.
        writer: records an artifact that is new; without one nothing is recorded.
    """

    def __init__(
        self,
        metadata: MetadataStore,
        artifacts: ArtifactStore,
        files: FileFingerprints,
        writer: RunWriter | None,
    ):
        self._metadata = metadata
        self._artifacts = artifacts
        self._files = files
        self._writer = writer
        self._known: dict[tuple[str, str], Artifact] = {}
        self._seen: dict[tuple[str, str], Sighting] = {}

    def artifacts(self, node: Node) -> dict[str, Artifact]:
        """The artifact of each value that is given to a node, by argument.

        Raises:
            NotFoundError, ConfigurationError: an external file is not there, or cannot be read.
        """
        for argument, value in node.values.items():
            if (node.name, argument) not in self._known:
                self._known[node.name, argument] = self._artifact(node, argument, value)
        return {argument: self._known[node.name, argument] for argument in node.values}

    def paths(self, node: Node, argument: str) -> Any:
        """What a step receives for an external file: a path, or a list of them."""
        return as_annotated(
            node.step.arguments[argument], self._seen[node.name, argument], node.name, argument
        )

    def files(self, node: Node) -> dict[str, Sighting]:
        """What each external file of a node was seen to be, by argument."""
        seen = {argument: self._seen.get((node.name, argument)) for argument in node.values}
        return {argument: sighting for argument, sighting in seen.items() if sighting is not None}

    def _artifact(self, node: Node, argument: str, value: Any) -> Artifact:
        if isinstance(value, ExternalFile):
            seen = self._seen[node.name, argument] = self._files.find(value.url)
            as_annotated(node.step.arguments[argument], seen, node.name, argument)
            return self._recorded(_external(seen), _EXTERNAL)
        materializer = require_value(value, step=node.name, input=argument)()
        return self._recorded(*artifact_value.save(self._artifacts, value, materializer))

    def _recorded(self, artifact: Artifact, artifact_type: ArtifactType) -> Artifact:
        """With the id of the one artifact that there is, ever, for this content."""
        if self._writer is None:
            return artifact
        where = artifact.uri if artifact.is_external else artifact.python_type
        external_id = value_id(artifact.digest, artifact.materializer, where)
        recorded = self._metadata.read.value_artifacts([external_id]).get(external_id)
        if recorded is None:
            return self._writer.value(artifact, artifact_type, external_id)
        if recorded.state != "LIVE":
            self._metadata.mark_artifact(recorded, "LIVE")  # its bytes were gone, and are here again
        return replace(artifact, id=recorded.id)


def _external(seen: Sighting) -> Artifact:
    digest = seen.digest
    uri = redacted(seen.url) if "://" in seen.url else str(Path(seen.url).expanduser().absolute())
    return Artifact(
        id=0,
        type=_EXTERNAL.name,
        uri=uri,
        digest=digest.hash,
        object=digest,
        materializer="",
        python_type="",
        properties={"is_external": 1},
    )


def as_annotated(annotation: Any, seen: Sighting, node: str, argument: str) -> Any:
    """The paths as a parameter wants them, by its annotation."""
    forms = path_forms(annotation)
    form = next((form for form in forms if form.several or len(seen.files) == 1), None)
    if form is None:
        raise DeclarationError(
            "A parameter for one path was given several files.",
            facts={"step": node, "parameter": argument, "files": len(seen.files)},
            hint="Annotate it `list[str]` or `list[Path]`.",
        )
    paths = [form.kind(file.path) for file in seen.files]
    return paths if form.several else paths[0]
