"""A folder of Parquet files as a ``pyarrow.dataset.Dataset``, written by arrow or by Beam and read lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.dataset

from zencache.digest import Digest
from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading, writing
from zencache.materializer.shards import content_of

_BATCH = 10_000  # rows of a record batch


class ParquetMaterializer(BaseMaterializer):
    """Streams a dataset, or a Beam collection, into Parquet files.

    Args:
        schema: column -> name of its arrow type, such as ``{"fare": "float64"}``. Needed for a collection
            of dicts only: rows with a Beam schema (``beam.Row``, a NamedTuple) have it in them.
    """

    types = (pyarrow.dataset.Dataset,)
    artifact_type = ArtifactType("Table", base="Dataset")

    def __init__(self, schema: Mapping[str, str] | None = None):
        if schema is not None:
            self.schema = dict(schema)

    def save(self, value: Any, directory: Path) -> None:
        with writing(value):
            pyarrow.dataset.write_dataset(
                value, directory, format="parquet", basename_template="data-{i}.parquet", preserve_order=True
            )

    def load(self, directory: Path, type: type) -> Any:
        with reading(directory):
            return pyarrow.dataset.dataset(str(directory), format="parquet")

    def digest_files(self, files: Mapping[str, Digest]) -> str | None:
        return content_of(files)

    def write_beam(self, collections: Any, directory: Path, type: type) -> None:
        import apache_beam as beam

        schema = getattr(self, "schema", None)
        columns = None
        if schema is not None:
            columns = pyarrow.schema([(n, pyarrow.type_for_alias(alias)) for n, alias in schema.items()])
        _ = collections | beam.io.WriteToParquet(
            f"{directory}/data", schema=columns, file_name_suffix=".parquet"
        )


def as_collection(shards: list[str], pipeline: Any, label: str) -> Any:
    """A ``PCollection`` of a dict for each row."""
    import apache_beam as beam

    return (
        pipeline
        | f"Shards of {label}" >> beam.Create(shards)
        | f"Read {label}" >> beam.io.ReadAllFromParquet()
    )


def as_tf_dataset(shards: list[str]) -> Any:
    """A ``tf.data.Dataset`` of a dict of tensors for each row."""
    import tensorflow as tf

    dataset = pyarrow.dataset.dataset(shards, format="parquet")

    def batches() -> Iterator[dict[str, Any]]:
        for batch in dataset.to_batches(batch_size=_BATCH):
            yield {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}

    signature = {field.name: tf.TensorSpec((None,), _tensor_type(tf, field.type)) for field in dataset.schema}
    return tf.data.Dataset.from_generator(batches, output_signature=signature).unbatch()


def as_arrow_dataset(shards: list[str]) -> Any:
    return pyarrow.dataset.dataset(shards, format="parquet")


def _tensor_type(tf: Any, arrow_type: Any) -> Any:
    text = pyarrow.types.is_string(arrow_type) or pyarrow.types.is_binary(arrow_type)
    return tf.string if text else tf.as_dtype(arrow_type.to_pandas_dtype())
