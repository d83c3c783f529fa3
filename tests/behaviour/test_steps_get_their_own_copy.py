"""A step receives its own copy of an input: what it does to it is seen by nobody else."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

from zencache import BaseStepConfig, Run, pipeline, step

pytestmark = pytest.mark.usefixtures("project")


@dataclass
class Scores:
    values: list[int] = field(default_factory=lambda: [1, 2])


class Point(pydantic.BaseModel):
    xs: list[float] = [1.0]


class Config(BaseStepConfig):
    names: list[str] = pydantic.Field(default_factory=lambda: ["a"])


MAKERS = {
    "array": lambda: np.array([1.0, 2.0]),
    "integers": lambda: np.arange(6, dtype=np.uint8).reshape(2, 3),
    "scalar": lambda: np.float32(1.5),
    "frame": lambda: pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}, index=[10, 20]),
    "series": lambda: pd.Series([1.5, 2.5], name="s"),
    "list": lambda: [[1], 2],
    "dict": lambda: {"b": {"c": 1}, "a": [1]},
    "set": lambda: {1, 2},
    "tuple": lambda: ([1], {"a": 1}),
    "dataclass": Scores,
    "model": Point,
    "text": lambda: "text",
    "bytes": lambda: b"bytes",
    "none": lambda: None,
    "flag": lambda: True,
}


@step
def make(kind: str) -> Any:
    return MAKERS[kind]()


def describe(value: Any) -> str:
    """Type and content of a value as a text."""
    extra = value.dtype if isinstance(value, np.ndarray) else ""
    return f"{type(value).__module__}.{type(value).__qualname__} {extra} {value!r}"


def spoil(value: Any) -> None:
    """Change a value in place, as deep as it goes, if it can be changed."""
    match value:
        case np.ndarray():
            value[...] = 0
        case pd.DataFrame():
            value.loc[:, "x"] = 0
            value["new"] = 1
        case pd.Series():
            value.iloc[0] = -1
        case Scores():
            value.values.clear()
        case Point():
            value.xs.append(99.0)
        case list():
            value.append("spoiled")
            if isinstance(value[0], list):
                value[0].append("spoiled")
        case dict():
            value["spoiled"] = True
            value.get("b", {}).clear()
        case set():
            value.add("spoiled")
        case tuple():
            value[0].append("spoiled")
            value[1].clear()


@step
def look(value: Any, again: int = 0) -> str:
    return describe(value)


@step
def spoiler(value: Any) -> str:
    before = describe(value)
    spoil(value)
    return f"{before} -> {describe(value)}"


@pipeline
def spoiling(kind: str):
    value = make(kind=kind)
    spoiler(value)
    look(value)


@pipeline
def looking(kind: str, again: int = 0):
    look(make(kind=kind), again=again)


MUTABLE = ["array", "integers", "frame", "series", "list", "dict", "set", "tuple", "dataclass", "model"]


@pytest.mark.parametrize("kind", MUTABLE)
class TestASpoiledInput:
    def test_is_whole_in_the_step_that_comes_after(self, kind):
        run = spoiling(kind).run()
        before, after = run.steps["spoiler"].output.read().split(" -> ")
        assert before != after, "the step did change its input"
        assert run.steps["look"].output.read() == before == describe(MAKERS[kind]())

    def test_is_whole_when_it_is_read_later(self, kind):
        run = spoiling(kind).run()
        assert describe(run.steps["make"].output.read()) == describe(MAKERS[kind]())

    def test_is_whole_in_a_run_that_takes_it_from_the_cache(self, kind):
        spoiling(kind).run()
        later = looking(kind, again=1).run()
        assert later.steps["make"].is_cached
        assert not later.steps["look"].is_cached
        assert later.steps["look"].output.read() == describe(MAKERS[kind]())

    def test_is_whole_for_a_second_reader_when_the_first_spoils_what_was_read(self, kind):
        artifact = looking(kind).run().steps["make"].output
        spoil(artifact.read())
        assert describe(artifact.read()) == describe(MAKERS[kind]())


@pytest.mark.parametrize("kind", list(MAKERS))
def test_type_and_value_are_those_of_read_whether_the_producer_ran_or_hit(kind):
    ran = looking(kind, again=0).run()
    hit = looking(kind, again=1).run()
    assert (ran.steps["make"].status, hit.steps["make"].status) == ("completed", "cached")
    read = describe(hit.steps["make"].output.read())
    assert ran.steps["look"].output.read() == read
    assert hit.steps["look"].output.read() == read
    assert read == describe(MAKERS[kind]())


def test_what_a_producer_keeps_and_changes_later_does_not_reach_other_steps():
    kept: list[np.ndarray] = []

    def produce() -> np.ndarray:
        array = np.ones(3)
        remember(array)
        return array

    def change(after: np.ndarray) -> int:
        recall()[...] = 0
        return 1

    def total(array: np.ndarray, changed: int) -> float:
        return float(array.sum())

    remember, recall = kept.append, lambda: kept[0]
    producer, changer, summer = (
        step(
            function,
        )
        for function in (produce, change, total)
    )

    @pipeline
    def keeping():
        array = producer()
        summer(array, changer(array))

    run = keeping().run()
    assert kept[0].sum() == 0
    assert run.steps["total"].output.read() == 3.0


def test_one_output_given_to_two_parameters_arrives_as_two_copies():
    @step
    def difference(one: np.ndarray, other: np.ndarray) -> float:
        one += 1
        return float((one - other).sum())

    @pipeline
    def doubling():
        array = make(kind="array")
        difference(array, array)

    assert doubling().run().steps["difference"].output.read() == 2.0


def test_a_view_of_an_input_is_returned_as_a_value_of_its_own():
    @step
    def tail(array: np.ndarray) -> np.ndarray:
        return array[1:]

    @step
    def zero(array: np.ndarray) -> float:
        array[...] = 0
        return float(array.sum())

    @pipeline
    def viewing():
        array = make(kind="array")
        part = tail(array)
        zero(part)
        look(part)

    run = viewing().run()
    assert run.steps["look"].output.read() == describe(np.array([2.0]))
    assert run.steps["make"].output.read().tolist() == [1.0, 2.0]


class TestParameters:
    @staticmethod
    def run_twice(names: list) -> tuple[Run, Run]:
        @step
        def lengthen(names: list) -> int:
            names.append("more")
            return len(names)

        @pipeline
        def lengthening():
            lengthen(names=names)
            lengthen(names=names)

        bound = lengthening()
        return bound.run(), bound.run(enable_cache=False)

    def test_a_step_that_changes_one_changes_neither_the_record_nor_the_next_run(self):
        names = ["a", ["b"]]
        first, second = self.run_twice(names)
        assert names == ["a", ["b"]]
        for run in (first, second):
            for view in run.steps.values():
                assert view.parameters == {"names": ["a", ["b"]]}
                assert view.output.read() == 3

    def test_the_author_may_change_what_was_given_after_the_pipeline_is_bound(self):
        @step
        def size(options: dict) -> int:
            return len(options["inner"])

        @pipeline
        def sizing(options: dict):
            size(options=options)

        options = {"inner": [1]}
        bound = sizing(options)
        options["inner"].append(2)
        run = bound.run()
        assert run.steps["size"].output.read() == 1
        assert run.steps["size"].parameters == {"options": {"inner": [1]}}

    def test_a_default_that_is_changed_by_the_step_is_fresh_in_every_run(self):
        @step
        def lengthen(names: list = ["a"]) -> int:  # noqa: B006
            names.append("more")
            return len(names)

        @pipeline
        def lengthening():
            lengthen()

        assert lengthening().run().steps["lengthen"].output.read() == 2
        again = lengthening().run(enable_cache=False).steps["lengthen"]
        assert again.output.read() == 2
        assert again.parameters == {"names": ["a"]}

    def test_a_config_that_is_changed_by_the_step_is_fresh_in_every_run(self):
        @step
        def lengthen(config: Config) -> int:
            config.names.append("more")
            return len(config.names)

        @pipeline
        def lengthening(lengthener):
            lengthener()

        config = Config(names=["a", "b"])
        bound = lengthening(lengthen(config=config))
        config.names.append("c")
        assert bound.run().steps["lengthener"].output.read() == 3
        again = bound.run(enable_cache=False).steps["lengthener"]
        assert again.output.read() == 3
        assert again.parameters == {"names": ["a", "b"]}

    def test_a_value_given_to_a_pipeline_is_not_changed_by_its_steps(self):
        @step
        def zero(array: np.ndarray) -> float:
            array[...] = 0
            return float(array.sum())

        @pipeline
        def zeroing(array: np.ndarray):
            zero(array)

        array = np.ones(3)
        view = zeroing(array).run().steps["zero"]
        assert view.output.read() == 0.0
        assert array.tolist() == [1.0, 1.0, 1.0]
        assert view.inputs["array"].read().tolist() == [1.0, 1.0, 1.0]
