"""A component that uses Beam reads and writes below the ``uri`` of its artifacts."""

import gzip
from pathlib import Path

import apache_beam as beam
import pytest

from zencache import StepFailed, tfx
from zencache.tfx.dsl.components import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
    component,
)
from zencache.tfx.types.standard_artifacts import Examples, ExampleStatistics


@component(use_beam=True)
def ImportNumbers(
    examples: OutputArtifact[Examples],
    rows: Parameter[int] = 20,
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    examples.splits = ["train", "eval"]
    with pipeline as running:
        numbers = running | beam.Create(range(rows))
        for split, rest in (("train", 0), ("eval", 1)):
            _ = (
                numbers
                | f"Take {split}" >> beam.Filter(lambda row, rest: row % 2 == rest, rest)
                | f"Text {split}" >> beam.Map(str)
                | f"Write {split}"
                >> beam.io.WriteToText(examples.path(split=split) + "/data", file_name_suffix=".gz")
            )


@component(use_beam=True, component_annotation=tfx.dsl.standard_annotations.Process)
def Statistics(
    examples: InputArtifact[Examples],
    statistics: OutputArtifact[ExampleStatistics],
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    statistics.splits = examples.splits
    for split in examples.splits:
        _ = (
            pipeline
            | f"Read {split}" >> beam.io.ReadFromText(examples.path(split=split) + "/*.gz")
            | f"Number {split}" >> beam.Map(int)
            | f"Sum {split}" >> beam.CombineGlobally(sum)
            | f"Write {split}"
            >> beam.io.WriteToText(f"{statistics.uri}/Split-{split}/sum", shard_name_template="")
        )


@component(use_beam=True)
def Lazy(examples: OutputArtifact[Examples], pipeline: BeamComponentParameter[beam.Pipeline] = None):
    _ = pipeline | beam.Create([1])


def summing(rows=20, **options):
    imported = ImportNumbers(rows=rows)
    statistics = Statistics(examples=imported.outputs["examples"]).with_beam_pipeline_args(
        ["--direct_running_mode=multi_threading"]
    )
    return tfx.dsl.Pipeline("summing", components=[imported, statistics], **options)


def test_shards_are_written_and_read_below_the_uri(project):
    run = summing().run()
    examples = run.steps["ImportNumbers"].output.read()
    (shard,) = Path(examples.path(split="eval")).iterdir()
    assert gzip.decompress(shard.read_bytes()).split() == [b"%d" % row for row in range(1, 20, 2)]
    statistics = run.steps["Statistics"].output.read()
    assert (Path(statistics.uri) / "Split-train" / "sum").read_text().split() == ["90"]
    assert {step.status for step in summing().run().steps.values()} == {"cached"}


def test_options_of_the_pipeline_go_before_those_of_the_component(project):
    run = summing(beam_pipeline_args=["--direct_num_workers=1"]).run()
    assert run.steps["ImportNumbers"].beam_pipeline_args == ["--direct_num_workers=1"]
    assert run.steps["Statistics"].beam_pipeline_args == [
        "--direct_num_workers=1",
        "--direct_running_mode=multi_threading",
    ]


def test_options_are_recorded_of_beam_components_only(project):
    source = project / "numbers"
    source.mkdir()
    (source / "one").write_text("1")
    imported = tfx.dsl.Importer(str(source), Examples)
    pipe = tfx.dsl.Pipeline("importing", components=[imported])
    run = pipe.run(beam_pipeline_args=["--direct_num_workers=1"])
    assert run.steps["Importer"].beam_pipeline_args == []


def test_a_deleted_shard_is_named_and_only_its_component_runs_again(project):
    examples = summing().run().steps["ImportNumbers"].output.read()
    (shard,) = Path(examples.path(split="eval")).iterdir()
    shard.parent.chmod(0o755)
    shard.unlink()
    again = summing().run()
    assert [step.status for step in again.steps.values()] == ["completed", "cached"]
    assert shard.name in again.steps["ImportNumbers"].reason


def test_a_pipeline_that_writes_nothing_fails_its_component(project):
    with pytest.raises(StepFailed, match="Nothing was written"):
        tfx.dsl.Pipeline("lazy", components=[Lazy()]).run()
