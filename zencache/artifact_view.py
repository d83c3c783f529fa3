"""An artifact as it looks afterwards, by itself: its recorded facts, and its value on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zencache import artifact_value, drawing, lineage
from zencache.cache import Cache
from zencache.declaration import asked_for_by_name
from zencache.entity import Artifact, Edge
from zencache.exceptions import ArtifactMissing, ArtifactUnusable
from zencache.materializer import BaseMaterializer
from zencache.provenance import require_signed
from zencache.stores import Stores

_Materializer = BaseMaterializer | type[BaseMaterializer]
_DRAWN = 2  # executions to each side of an artifact that shows itself


class RecordedArtifact:
    """An artifact: its facts, and its value on demand."""

    def __init__(self, stores: Stores, artifact: Artifact):
        self._stores = stores
        self.artifact = artifact

    @property
    def id(self) -> int:
        """Its id in the metadata store."""
        return self.artifact.id

    @property
    def uri(self) -> str:
        """Absolute address of the stored object: a path, or a URL."""
        return self.artifact.uri

    @property
    def type(self) -> str:
        """The name of its MLMD artifact type."""
        return self.artifact.type

    @property
    def digest(self) -> str:
        """Digest of its content: ``blake3:`` and 64 hex digits; empty if another tool made it."""
        return self.artifact.digest

    @property
    def size(self) -> int:
        """Bytes."""
        return self.artifact.size

    @property
    def state(self) -> str:
        """Its MLMD state: ``LIVE``, or ``DELETED`` once its bytes are gone."""
        return self.artifact.state

    @property
    def properties(self) -> Mapping[str, Any]:
        """What else was recorded about it; if another tool did, its declared and custom properties."""
        return self.artifact.properties

    def read(self, *, materializer: _Materializer | None = None) -> Any:
        """The value, its bytes verified against their digest first.

        Args:
            materializer: what loads it, if that may run code that comes with it, as a pickle does, and no
                step that this program knows has asked for that: ``read(materializer=PickleMaterializer)``.

        Raises:
            ArtifactMissing, ArtifactDamaged: the bytes are gone, or not what was recorded. No look-up
                finds them any more: the next run makes them again.
            MaterializerError: its type or materializer is gone, or the files cannot be read, or another
                tool made it, so that only its address is known.
            SignatureError: nobody whose signature is accepted has signed its record.
        """
        require_signed(self._stores.metadata, [self.artifact])
        try:
            asked_for = materializer() if isinstance(materializer, type) else materializer
            return artifact_value.load(
                self._stores.artifacts,
                self.artifact,
                materializer=asked_for or self._asked_for_by_its_step(),
            )
        except ArtifactUnusable as error:
            if self.artifact.tombstone is not None:
                raise ArtifactMissing(
                    f"The bytes of an artifact were {self.artifact.tombstone}.",
                    facts={"artifact": self.id, "uri": self.uri},
                    hint="Run the pipeline again: the step that made it will run.",
                ) from error
            Cache(self._stores.metadata, self._stores.artifacts).invalidate(self.artifact, error)
            raise

    def _asked_for_by_its_step(self) -> BaseMaterializer | None:
        """The materializer that may run code, if a step that this program has declared asks for it."""
        known = asked_for_by_name(self.artifact.materializer)
        if not known:
            return None
        made = [edge.execution_id for edge in self._edges() if edge.is_output]
        makers = {execution.step for execution in self._stores.metadata.read.executions_by_id(made)}
        return next((one for step, one in known if step in makers), None)

    def _edges(self) -> list[Edge]:
        return self._stores.metadata.read.edges_of_artifacts([self.id])

    def _repr_html_(self) -> str:
        graph = lineage.draw_lineage(self._stores.metadata.read, self.id, _DRAWN)
        rows = [
            ("digest", self.digest),
            ("size", f"{self.size:,} bytes"),
            ("state", self.state),
            ("uri", self.uri),
            *((name, str(value)) for name, value in self.properties.items()),
        ]
        title = f"{self.type} {self.id}"
        picture = lineage.lineage_picture(graph, f"What {title} was made of, and what came of it")
        return drawing.page(title, (), picture, drawing.table((), rows))

    def __repr__(self) -> str:
        content = f"{self.size} bytes, {self.digest[:15]}…" if self.digest else self.uri
        return f"<artifact {self.id}: {self.type}, {content}>"
