"""Rows through Beam into Parquet or gzip TFRecord, with zencache and without, measured by the process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow
import pyarrow.dataset as ds
from apache_beam.options.pipeline_options import PipelineOptions
from array_pipeline import counted, evict
from measure import peak_memory

from zencache import Repository, pipeline, step, tfx
from zencache.materializer.parquet import ParquetMaterializer
from zencache.tfx.dsl.components import OutputArtifact, Parameter, component
from zencache.tfx.types.standard_artifacts import Examples

SCHEMA = {"ride": "int64", "miles": "float64", "fare": "float64", "tips": "float64", "company": "string"}
CHUNK = 1_000


def rows_of(chunk: int) -> Iterator[dict[str, Any]]:
    """The rows of a chunk, a thousand."""
    numbers = np.random.default_rng(chunk).random((CHUNK, 3)).tolist()
    for row, (miles, fare, tips) in enumerate(numbers):
        ride = chunk * CHUNK + row
        yield {"ride": ride, "miles": miles, "fare": fare, "tips": tips, "company": f"company {ride % 7}"}


def as_record(row: dict[str, Any]) -> bytes:
    return repr(row).encode()


def made(source: beam.Pipeline, rows: int) -> Any:
    return source | beam.Create(range(rows // CHUNK)) | beam.FlatMap(rows_of)


@step(materializers=ParquetMaterializer(SCHEMA))
def parquet(source: beam.Pipeline, rows: int) -> ds.Dataset:
    return made(source, rows)


@step
def tfrecord(source: beam.Pipeline, rows: int) -> Examples:
    return made(source, rows) | beam.Map(as_record)


@component
def Elsewhere(files: OutputArtifact[Examples], kind: Parameter[str], rows: Parameter[int]) -> None:  # noqa: N802
    """Beam runs in another process, as with a cluster, so that what this one holds is zencache's own part."""
    files.splits = ["all"]
    command = [sys.executable, __file__, "bare", kind, str(rows), files.path(split="all")]
    subprocess.run(command, check=True, capture_output=True)


@pipeline
def writing(kind: str, rows: int):
    {"parquet": parquet, "tfrecord": tfrecord}[kind](rows=rows)


def bare(kind: str, rows: int, folder: Path) -> None:
    """The same Beam pipeline, and nothing around it."""
    with beam.Pipeline(options=PipelineOptions(flags=["--runner=FnApiRunner"])) as source:
        written = made(source, rows)
        if kind == "parquet":
            columns = pyarrow.schema([(n, pyarrow.type_for_alias(alias)) for n, alias in SCHEMA.items()])
            sink = beam.io.WriteToParquet(f"{folder}/data", columns, file_name_suffix=".parquet")
        else:
            written = written | beam.Map(as_record)
            sink = beam.io.WriteToTFRecord(f"{folder}/data", file_name_suffix=".gz")
        _ = written | sink


def with_zencache(kind: str, rows: int, folder: Path) -> dict[str, Any]:
    run = writing(kind, rows).run(repository=Repository(folder))
    return {"status": run.steps[kind].status}


def cached(kind: str, rows: int, folder: Path) -> dict[str, Any]:
    """A cached run with the files out of the page cache."""
    import ml_metadata.metadata_store  # noqa: F401 - its own files are not what is counted here

    repository, bound = Repository(folder), writing(kind, rows)
    evict(folder / ".zencache" / "artifacts")
    runs: list[Any] = []
    found = counted(lambda: runs.append(bound.run(repository=repository)))
    artifact = runs[0].steps[kind].output
    shards = [path for path in Path(artifact.uri).rglob("*") if path.is_file()]
    found["run"] = found.pop("seconds")
    return {**found, "status": runs[0].steps[kind].status, "shards": [path.stat().st_size for path in shards]}


def own_part(kind: str, rows: int, folder: Path) -> dict[str, Any]:
    nodes = [Elsewhere(kind=kind, rows=rows)]
    run = tfx.dsl.Pipeline("elsewhere", components=nodes).run(repository=Repository(folder))
    return {"bytes": run.steps["Elsewhere"].output.size}


if __name__ == "__main__":
    what, kind, rows, folder = sys.argv[1:]
    calls = {"bare": bare, "zencache": with_zencache, "cached": cached, "own part": own_part}
    started = time.perf_counter()
    measured = calls[what](kind, int(rows), Path(folder)) or {}
    measured = {"seconds": time.perf_counter() - started, **measured}
    measured["peak"] = peak_memory()
    print(json.dumps(measured))
