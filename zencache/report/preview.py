"""What an artifact looks like, bounded in bytes, and never by running code that came with it.

Only files that a materializer of zencache's own has written are interpreted: a pickle is never loaded, nor
is a user's materializer imported. All bytes are verified against their digest before they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zencache.entity import Artifact
from zencache.exceptions import ArtifactStoreError, ArtifactUnusable, error_text
from zencache.report.array_preview import array_preview
from zencache.report.model_preview import model_preview
from zencache.report.table_preview import table_preview
from zencache.report.text_preview import files_preview, json_preview, text_preview
from zencache.repository import Repository

LARGEST = 512 << 20  # bytes of an object on this machine; all of them are read to be verified
_LARGEST_REMOTE = 32 << 20  # bytes of an object that would have to be fetched

_BUILT_IN = "zencache.materializer."
_PREVIEWS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "numpy_array:ArrayMaterializer": array_preview,
    "numpy_array:ScalarMaterializer": array_preview,
    "arrow_table:ArrowMaterializer": table_preview,
    "tabular:PandasMaterializer": table_preview,
    "keras_model:KerasMaterializer": model_preview,
    "json_value:JsonMaterializer": json_preview,
    "structured:PydanticMaterializer": json_preview,
    "structured:DataclassMaterializer": json_preview,
    "plain:TextMaterializer": text_preview,
}


def preview_of(repository: Repository, artifact: Artifact, *, largest: int = LARGEST) -> dict[str, Any]:
    """The preview of an artifact; of one whose bytes cannot be shown, the reason.

    Args:
        largest: bytes of the largest object that is opened.
    """
    if artifact.is_external:
        return _none("Its bytes lie outside of the artifact store, and are not read for a preview.")
    if artifact.state != "LIVE" and not artifact.is_lost:
        return _none("Its bytes are gone. What is recorded of it stays.", state="gone")
    is_remote = "://" in repository.artifacts_url
    largest = min(largest, _LARGEST_REMOTE) if is_remote else largest
    if artifact.size > largest:
        return _none(f"It is too large for a preview: more than {largest >> 20} MB.", state="large")
    try:
        directory = repository.stores.artifacts.open(artifact.object)
    except ArtifactUnusable as error:
        return _none(error.message, state="gone")
    except (ArtifactStoreError, OSError) as error:
        return _none(f"Its bytes could not be read: {error_text(error)[:300]}")
    if any(path.is_symlink() for path in directory.rglob("*")):  # zencache stores none
        return _none("A link lies in the artifact store; where it leads is not followed.")
    return _interpreted(artifact.materializer, directory)


def _interpreted(materializer: str, directory: Path) -> dict[str, Any]:
    leaf = materializer.removeprefix(_BUILT_IN) if materializer.startswith(_BUILT_IN) else ""
    try:
        return _PREVIEWS.get(leaf, files_preview)(directory)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        extra = {"pyarrow": "tables", "numpy": "tables"}.get(package, "all")
        return _none(f'`{package}` is not installed here: pip install "zencache[{extra}]" to see it.')
    except Exception as error:  # whatever a library says of a file that it does not understand
        return _none(f"It could not be shown: {error_text(error)[:300]}")


def _none(reason: str, *, state: str = "none") -> dict[str, Any]:
    return {"kind": "none", "reason": reason, "state": state}
