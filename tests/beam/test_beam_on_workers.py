"""Beam steps and components on workers: the pipeline is made where the step runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from zencache import pipeline, step, tfx
from zencache.tfx.dsl.components import BeamComponentParameter, InputArtifact, OutputArtifact, Parameter
from zencache.tfx.types.standard_artifacts import Examples

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(params=["threads", "int"])
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "int":
        yield 2
        return
    with ThreadPoolExecutor(2) as pool:
        yield pool


@step
def generate(source: beam.Pipeline, rows: int) -> Examples:
    return source | beam.Create([b"%d" % row for row in range(rows)])


@step
def count(numbers: beam.PCollection) -> Examples:
    return numbers | beam.combiners.Count.Globally() | beam.Map(lambda n: b"%d" % n)


@step
def read(a: list[Path], b: list[Path]) -> list[int]:
    return [len(a), len(b)]


@pipeline
def counting():
    read(count(generate(rows=10)), count(generate(rows=20)))


def test_beam_steps_run_on_workers(project, executor):
    parallel = counting().run(executor=executor)
    assert {view.status for view in parallel.steps.values()} == {"completed"}
    assert [view.status for view in counting().run().steps.values()] == ["cached"] * 5


@tfx.dsl.components.component(use_beam=True)
def Generate(  # noqa: N802
    numbers: OutputArtifact[Examples],
    rows: Parameter[int],
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> tfx.dsl.components.OutputDict(pid=int):
    with pipeline as running:
        running | beam.Create(range(rows)) | beam.Map(str) | beam.io.WriteToText(f"{numbers.uri}/numbers")
    return {"pid": os.getpid()}


@tfx.dsl.components.component
def Add(numbers: InputArtifact[Examples], total: OutputArtifact[tfx.types.standard_artifacts.Model]):  # noqa: N802
    lines = [int(line) for file in Path(numbers.uri).iterdir() for line in file.read_text().split()]
    Path(total.uri, "total").write_text(str(sum(lines)))


def test_components_run_on_workers(project, executor):
    made = Generate(rows=5)
    wired = tfx.dsl.Pipeline("adding", components=[made, Add(numbers=made.outputs["numbers"])])
    run = tfx.orchestration.LocalDagRunner().run(wired, executor=executor)
    assert Path(run.steps["Add"].output.uri, "total").read_text() == "10"
    assert (run.steps["Generate"].outputs["pid"].read().value == os.getpid()) is not isinstance(executor, int)
    assert {view.status for view in wired.run().steps.values()} == {"cached"}


def test_a_resolver_runs_where_the_metadata_store_is(project, executor):
    made = Generate(rows=5)
    tfx.dsl.Pipeline("adding", components=[made]).run()
    latest = tfx.dsl.Resolver(numbers=tfx.dsl.Channel(type=Examples))
    wired = tfx.dsl.Pipeline("adding", components=[latest, Add(numbers=latest.outputs["numbers"])])
    run = wired.run(executor=executor)
    assert Path(run.steps["Add"].output.uri, "total").read_text() == "10"
