"""A returned collection is written while the pipeline runs; a consumer's annotation says what it receives."""

from pathlib import Path
from typing import Annotated, NamedTuple

import apache_beam as beam
import pyarrow.dataset as ds
import pytest

from zencache import DeclarationError, StepFailed, pipeline, step
from zencache.materializer.parquet import ParquetMaterializer
from zencache.tfx.types.standard_artifacts import Examples, Model


@step
def generate(source: beam.Pipeline, rows: int = 10) -> Examples:
    numbers = source | beam.Create(range(rows))
    train, test = numbers | beam.Partition(lambda row, _: int(row % 5 == 0), 2)
    return {
        "train": train | "train" >> beam.Map(lambda row: b"%d" % row),
        "eval": test | "eval" >> beam.Map(lambda row: b"%d" % row),
    }


@step
def add_one(numbers: beam.PCollection) -> Examples:
    return numbers | beam.Map(lambda row: b"%d" % (int(row) + 1))


@step
def count_train(numbers: Annotated[beam.PCollection, "train"], target: str) -> int:
    numbers | beam.Map(bytes.decode) | beam.io.WriteToText(target)
    return 0


@step
def count_files(numbers: list[Path]) -> list:
    return [path.parent.name for path in numbers]


@pipeline
def numbers(rows: int = 10):
    made = generate(rows=rows)
    count_files(add_one(made))
    count_files(made)


def records(examples):
    tf = pytest.importorskip("tensorflow")
    shards = [str(path) for path in Path(examples.uri).rglob("*.gz")]
    return sorted(
        int(row) for row in tf.data.TFRecordDataset(shards, compression_type="GZIP").as_numpy_iterator()
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_dict_of_collections_becomes_splits_of_gzip_shards(project):
    run = numbers().run()
    examples = run.steps["generate"].output.read()
    assert examples.splits == ["train", "eval"]
    assert {path.name[-3:] for path in Path(examples.uri).rglob("*") if path.is_file()} == {".gz"}
    assert records(examples) == list(range(10))
    assert records(run.steps["add_one"].output.read()) == list(range(1, 11))
    assert run.steps["count_files_2"].output.read() == ["Split-eval", "Split-train"]
    assert {step.status for step in numbers().run().steps.values()} == {"cached"}


def test_one_split_can_be_taken(project, tmp_path):
    @pipeline
    def one_split(target: str):
        count_train(generate(), target=target)

    one_split(str(tmp_path / "train")).run()
    lines = [int(line) for file in tmp_path.glob("train*") for line in file.read_text().split()]
    assert sorted(lines) == [1, 2, 3, 4, 6, 7, 8, 9]


def test_what_examples_are_taken_as_counts(project):
    @step
    def taken_as_paths(numbers: list[Path]) -> int:
        return len(numbers)

    as_text = step(name="taken_as_paths")(taken_as_text)

    @pipeline
    def taking(consumer):
        consumer(generate())

    first = taking(taken_as_paths).run()
    assert taking(as_text).run().steps["taken_as_paths"].cache_key != first.steps["taken_as_paths"].cache_key


def taken_as_text(numbers: list[str]) -> int:
    return len(numbers)


@pytest.mark.slow
def test_examples_are_taken_as_a_dataset_of_tensorflow(project):
    tf = pytest.importorskip("tensorflow")

    @step
    def total(numbers: tf.data.Dataset) -> int:
        return sum(int(row) for row in numbers.as_numpy_iterator())

    @pipeline
    def totalling():
        total(generate())

    assert totalling().run().steps["total"].output.read() == 45


class Trip(NamedTuple):
    fare: float
    company: str


beam.coders.registry.register_coder(Trip, beam.coders.RowCoder)


@step
def trips(source: beam.Pipeline) -> ds.Dataset:
    return source | beam.Create([Trip(1.0, "a"), Trip(2.0, "b")]).with_output_types(Trip)


@step(materializers=ParquetMaterializer({"fare": "double", "company": "string"}))
def doubled(rows: beam.PCollection) -> ds.Dataset:
    return rows | beam.Map(lambda row: {**row, "fare": row["fare"] * 2})


@step
def fares(rows: ds.Dataset, files: list[str]) -> list:
    assert all(file.endswith(".parquet") for file in files)
    return sorted(rows.to_table()["fare"].to_pylist())


@pipeline
def riding():
    rows = doubled(trips())
    fares(rows, rows)


def test_rows_go_through_parquet_files(project):
    assert riding().run().steps["fares"].output.read() == [2.0, 4.0]
    assert {step.status for step in riding().run().steps.values()} == {"cached"}


@pytest.mark.slow
def test_parquet_files_are_taken_as_a_dataset_of_tensorflow(project):
    tf = pytest.importorskip("tensorflow")

    @step
    def companies(rows: tf.data.Dataset) -> list:
        return sorted(row["company"].decode() for row in rows.as_numpy_iterator())

    @pipeline
    def listing():
        companies(trips())

    assert listing().run().steps["companies"].output.read() == ["a", "b"]


# In a process of its own: Beam leaves the file of a bundle that raised open.
BREAKING = """
import sys
from pathlib import Path
import apache_beam as beam
from zencache import StepFailed, pipeline, step
from zencache.tfx.types.standard_artifacts import Examples

def divided(row, bad):
    return b"%d" % (row // (row - bad))

@step
def breaking(source: beam.Pipeline, bad: int) -> Examples:
    return source | beam.Create(range(100)) | beam.Map(divided, bad)

@pipeline
def broken(bad: int):
    breaking(bad=bad)

try:
    broken(50).run()
except StepFailed as error:
    print("ZeroDivisionError" in str(error))
store = Path(".zencache/artifacts")
print([*store.rglob("*.gz"), *store.rglob("payload")])
print(broken(1000).run().status)
"""


def test_a_bundle_that_raises_half_way_leaves_nothing(run_script):
    assert run_script(BREAKING).stdout.split() == ["True", "[]", "completed"]


def test_a_collection_is_not_written_as_a_type_that_has_no_way_to(project):
    @step
    def wrong(source: beam.Pipeline) -> Model:
        return source | beam.Create([b"1"])

    @pipeline
    def wronging():
        wrong()

    with pytest.raises(StepFailed, match="cannot be written as a value of the declared type"):
        wronging().run()


def test_rows_that_are_no_examples_fail_the_step(project):
    @step
    def wrong(source: beam.Pipeline) -> Examples:
        return source | beam.Create([{"fare": 1}])

    @pipeline
    def wronging():
        wrong()

    with pytest.raises(StepFailed, match="an example is bytes"):
        wronging().run()


def test_a_plain_value_is_not_taken_as_a_collection(project):
    @step
    def one() -> int:
        return 1

    @pipeline
    def wronging():
        add_one(one())

    with pytest.raises(DeclarationError, match="another artifact type"):
        wronging()


def test_the_order_of_shards_does_not_count():
    from zencache.digest import Digest
    from zencache.materializer.shards import content_of

    a, b, c = (Digest(f"blake3:{name}", 1) for name in "abc")
    one = content_of({"Split-x/d-00000-of-00002.gz": a, "Split-x/d-00001-of-00002.gz": b})
    assert one == content_of({"Split-x/d-00000-of-00002.gz": b, "Split-x/d-00001-of-00002.gz": a})
    assert one != content_of({"Split-x/d-00000-of-00002.gz": a, "Split-x/d-00001-of-00002.gz": c})
    assert one != content_of({"Split-x/d-00000-of-00002.gz": a, "Split-y/d-00001-of-00002.gz": b})
    assert one != content_of({"Split-x/d-00000-of-00002.gz": a, "Split-x/d-00001-of-00002.gz": a})
    assert content_of({"a.txt": a}) is None
