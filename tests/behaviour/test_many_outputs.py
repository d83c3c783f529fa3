"""The outputs of a step are saved one after another and made durable together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zencache import BaseMaterializer, Output, Repository, StepFailed, pipeline, step

MANY = Output(**{f"output_{index}": dict for index in range(40)})


@step
def numbers() -> MANY:
    return tuple({"number": index} for index in range(40))


@step
def alike() -> MANY:
    return tuple({"number": 1} for _ in range(40))


@pipeline
def numbered():
    numbers()


@pipeline
def all_alike():
    alike()


def objects(project: Path) -> list[Path]:
    return list((project / ".zencache" / "artifacts" / "objects").glob("*/*"))


def test_each_output_is_what_was_returned_for_it(project):
    for expected in ("completed", "cached"):
        made = numbered().run().steps["numbers"]
        assert made.status == expected
        assert [artifact.read() for artifact in made.outputs.values()] == [{"number": n} for n in range(40)]
    assert len(objects(project)) == 40
    assert not list((project / ".zencache" / "artifacts" / "staging").glob("*/*"))


def test_equal_outputs_are_one_object_and_many_artifacts(project):
    made = all_alike().run().steps["alike"]
    assert {artifact.read()["number"] for artifact in made.outputs.values()} == {1}
    assert len({artifact.uri for artifact in made.outputs.values()}) == len(objects(project)) == 1
    assert len(Repository().artifacts()) == 40


class OnlyEven(BaseMaterializer):
    """Saves even numbers, and fails with odd ones."""

    types = ()

    def save(self, value: int, directory: Path) -> None:
        if value % 2:
            raise ValueError(f"{value} is odd")
        (directory / "number").write_text(json.dumps(value))

    def load(self, directory: Path, type: type) -> int:
        return json.loads((directory / "number").read_text())


@step(materializers=OnlyEven)
def mixed() -> Output(first=int, second=int, third=int):
    return 2, 3, 4


@pipeline
def mixing():
    mixed()


def test_of_a_step_one_of_whose_outputs_cannot_be_saved_nothing_is_kept(project):
    with pytest.raises(StepFailed, match="3 is odd"):
        mixing().run()
    assert objects(project) == []
