"""``Examples``: gzip TFRecord shards with splits, written by Beam and read lazily in several ways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zencache.exceptions import MaterializerError
from zencache.materializer.reference import ReferenceMaterializer
from zencache.reference.standard import Examples

SPLIT = "all"  # of a collection that is returned without one
_FOLDER = re.compile(r"Split-(.+)")


class ExamplesMaterializer(ReferenceMaterializer):
    """Writes one collection, or a dict of them by split, as ``Split-<name>/data_tfrecord-…-of-….gz``.

    An element is the bytes of a record, or a message that serialises itself, such as a ``tf.train.Example``.
    """

    types = (Examples,)

    def write_beam(self, collections: Any, directory: Path, type: type[Examples]) -> Examples:
        import apache_beam as beam

        splits = collections if isinstance(collections, Mapping) else {SPLIT: collections}
        examples = type()
        examples.uri = str(directory)
        examples.splits = list(splits)
        for split, collection in splits.items():
            if collection.element_type is not bytes:  # else a call for each record is spared
                collection |= f"Serialise {split}" >> beam.Map(_serialised).with_output_types(bytes)
            _ = collection | f"Write {split}" >> beam.io.WriteToTFRecord(
                f"{examples.path(split=split)}/data_tfrecord", file_name_suffix=".gz"
            )
        return examples


def paths(examples: Examples, split: str | None = None) -> list[str]:
    """The shards of a split, or of all, sorted."""
    if split is not None and split not in examples.splits:
        raise MaterializerError(
            f"The examples have no split `{split}`.",
            facts={"splits": ", ".join(examples.splits) or "none", "uri": examples.uri},
        )
    folder = Path(examples.uri, f"Split-{split}") if split is not None else Path(examples.uri)
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def as_collection(shards: Sequence[str], pipeline: Any, label: str) -> Any:
    """A ``PCollection`` of the bytes of each record."""
    import apache_beam as beam

    return (
        pipeline
        | f"Shards of {label}" >> beam.Create(shards)
        | f"Read {label}" >> beam.io.ReadAllFromTFRecord()
    )


def as_tf_dataset(shards: Sequence[str]) -> Any:
    """A ``tf.data.Dataset`` of the bytes of each record."""
    import tensorflow as tf

    packed = {path.endswith(".gz") for path in shards}
    if len(packed) > 1:
        raise MaterializerError("Some shards are compressed and some are not.", facts={"shards": len(shards)})
    return tf.data.TFRecordDataset(list(shards), compression_type="GZIP" if True in packed else None)


def as_arrow_dataset(shards: Sequence[str]) -> Any:
    """A ``pyarrow.dataset.Dataset``, of examples that are Parquet files."""
    import pyarrow.dataset

    other = [path for path in shards if not path.endswith(".parquet")]
    if other:
        raise MaterializerError(
            "Examples can be taken as an arrow dataset only if they are Parquet files.",
            facts={"found": Path(other[0]).name},
            hint="Take them as `beam.PCollection`, `tf.data.Dataset` or `list[Path]`.",
        )
    return pyarrow.dataset.dataset(list(shards), format="parquet")


def _serialised(record: Any) -> bytes:
    if isinstance(record, bytes):
        return record
    if hasattr(record, "SerializeToString"):
        return bytes(record.SerializeToString(deterministic=True))
    raise TypeError(
        "an example is bytes or a message that serialises itself, such as tf.train.Example, "
        f"not {type(record).__name__}"
    )
