"""A step declares what it returns, in any of the usual spellings, and is held to it."""

import typing
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Optional

import numpy as np
import pytest

from zencache import (
    DeclarationError,
    MaterializerError,
    Output,
    OutputError,
    PickleMaterializer,
    Run,
    Step,
    StepFailed,
    pipeline,
    step,
)

pytestmark = pytest.mark.usefixtures("project")


class Summary(NamedTuple):
    total: int
    label: str


class Opaque:
    """A type that nothing knows how to save."""

    def __init__(self, number: int = 0):
        self.number = number


@step
def by_output() -> Output(total=int, label=str):
    return 6, "six"


@step
def by_named_tuple() -> Summary:
    return Summary(label="six", total=6)


@step
def by_named_tuple_as_plain_tuple() -> Summary:
    return 6, "six"


@step
def by_annotated_tuple() -> tuple[Annotated[int, "total"], Annotated[str, "label"]]:
    return 6, "six"


@step
def by_typing_tuple() -> typing.Tuple[Annotated[int, "total"], Annotated[str, "label"]]:  # noqa: UP006
    return 6, "six"


@step
def by_texts() -> "Output(total=int, label=str)":
    return 6, "six"


def run_alone(declared: Step) -> Run:
    """Run a pipeline of nothing but this step."""

    @pipeline
    def alone():
        declared()

    return alone().run()


def outputs_of(declared: Step) -> dict[str, Any]:
    (view,) = run_alone(declared).steps.values()
    return {name: artifact.read() for name, artifact in view.outputs.items()}


def failure_of(declared: Step) -> BaseException:
    """What made the run of this step fail."""
    with pytest.raises(StepFailed) as failed:
        run_alone(declared)
    assert failed.value.step == declared.name
    assert declared.name in str(failed.value.__cause__)
    return failed.value.__cause__


@pytest.mark.parametrize(
    "declared",
    [
        by_output,
        by_named_tuple,
        by_named_tuple_as_plain_tuple,
        by_annotated_tuple,
        by_typing_tuple,
        by_texts,
    ],
    ids=lambda declared: declared.name,
)
def test_several_outputs_have_the_declared_names_and_order(declared):
    outputs = outputs_of(declared)
    assert list(outputs.items()) == [("total", 6), ("label", "six")]


def test_a_plain_type_is_the_output_named_output():
    @step
    def count() -> int:
        return 6

    run = run_alone(count)
    assert list(run.steps["count"].outputs) == ["output"]
    assert run.steps["count"].output.read() == 6


def test_one_annotated_type_gives_its_output_a_name():
    @step
    def count() -> Annotated[int, "total"]:
        return 6

    assert outputs_of(count) == {"total": 6}


def test_annotated_without_a_name_is_a_plain_type():
    @step
    def count() -> Annotated[int, 42]:
        return 6

    assert outputs_of(count) == {"output": 6}


def test_a_tuple_without_names_is_one_output():
    @step
    def pair() -> tuple[int, str]:
        return 6, "six"

    assert outputs_of(pair) == {"output": (6, "six")}


def test_one_declared_name_is_returned_bare_or_as_a_tuple_of_one():
    @step
    def bare() -> Output(total=int):
        return 6

    @step
    def wrapped() -> Output(total=int):
        return (6,)

    assert outputs_of(bare) == outputs_of(wrapped) == {"total": 6}


def test_the_only_named_output_is_passed_on_without_unpacking():
    @step
    def make() -> Output(model=int):
        return 6

    @step
    def use(model: int) -> int:
        return model

    @pipeline
    def passing():
        model = make()
        use(model=model)

    assert passing().run().steps["use"].output.read() == 6


def test_a_step_without_an_annotation_or_with_none_has_no_output():
    @step
    def without():
        """For its effect."""

    @step
    def with_none() -> None:
        """For its effect."""

    for declared in (without, with_none):
        view = run_alone(declared).steps[declared.name]
        assert view.status == "completed"
        assert view.outputs == {}


def test_a_value_from_a_step_that_declares_no_output_fails_it():
    @step
    def effect():
        return 6

    assert isinstance(failure_of(effect), OutputError)


def test_annotations_may_be_postponed(run_script):
    result = run_script(
        """
from __future__ import annotations
from typing import Annotated, NamedTuple, Optional
import numpy as np
from zencache import BaseStepConfig, Output, pipeline, step

class Config(BaseStepConfig):
    factor: int = 2

class Pair(NamedTuple):
    total: int
    label: Optional[str]

@step
def make() -> Output(a=np.ndarray, b=int):
    return np.ones(2), 3

@step
def scale(config: Config, a: np.ndarray, b: int) -> tuple[Annotated[np.ndarray, "c"], Annotated[int, "d"]]:
    return a * config.factor, b * config.factor

@step
def pair(c: np.ndarray, d: int) -> Pair:
    return int(c.sum()) + d, None

@pipeline
def postponed():
    made = make()
    scaled = scale(a=made.a, b=made.b)
    pair(scaled.c, scaled.d)

run = postponed().run()
outputs = run.steps["pair"].outputs
print(list(run.steps["scale"].outputs), outputs["total"].read(), outputs["label"].read())
"""
    )
    assert result.stdout.strip() == "['c', 'd'] 10 None"


def test_postponed_annotations_may_name_types_of_the_function_around_them():
    class Local(NamedTuple):
        total: int

    @step
    def make() -> "Local":
        return (6,)

    assert outputs_of(make) == {"total": 6}


def test_an_annotation_that_cannot_be_read_is_an_error_where_the_step_is_defined():
    def make() -> "Nowhere":  # noqa: F821
        return 6

    with pytest.raises(DeclarationError, match="Nowhere"):
        step(make)


def test_an_int_is_taken_where_a_float_is_declared():
    @step
    def make() -> float:
        return 3

    @step
    def use(x: float, factor: float) -> str:
        return f"{type(x).__name__} {x} {type(factor).__name__} {factor}"

    @pipeline
    def numbers():
        use(make(), factor=2)

    run = numbers().run()
    value = run.steps["make"].output.read()
    assert (value, type(value)) == (3, int)
    assert run.steps["use"].output.read() == "int 3 int 2"


def test_a_float_is_not_taken_where_an_int_is_declared():
    @step
    def make() -> int:
        return 3.0

    assert isinstance(failure_of(make), OutputError)


@pytest.mark.parametrize("value", [None, 1.5])
def test_an_optional_output_is_a_value_or_none(value):
    @step
    def new_spelling(value: float | None) -> float | None:
        return value

    @step
    def old_spelling(value: Optional[float]) -> Optional[float]:  # noqa: UP045
        return value

    @step
    def none_arrives(x: float | None) -> bool:
        return x is None

    @pipeline
    def optional():
        none_arrives(new_spelling(value=value))
        old_spelling(value=value)

    run = optional().run()
    assert run.steps["new_spelling"].output.read() == value
    assert run.steps["old_spelling"].output.read() == value
    assert run.steps["none_arrives"].output.read() is (value is None)


@pytest.mark.parametrize("given", [True, False])
def test_an_optional_array_is_an_array_or_none(given):
    @step
    def make(given: bool) -> np.ndarray | None:
        return np.arange(3) if given else None

    @step
    def total(array: np.ndarray | None) -> int:
        return -1 if array is None else int(array.sum())

    @pipeline
    def optional():
        total(make(given=given))

    assert optional().run().steps["total"].output.read() == (3 if given else -1)


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (list[int], [1, 2], [1, "2"]),
        (dict[str, float], {"a": 1.5, "b": 2}, {"a": 1.5, 2: 2.0}),
        (dict[str, list[int]], {"a": [1]}, {"a": [None]}),
        (tuple[int, ...], (1, 2, 3), (1, 2.5)),
        (tuple[int, str], (1, "a"), (1, "a", "b")),
        (set[bytes], {b"a"}, {"a"}),
        (list[int | None], [1, None], [1, "2"]),
    ],
    ids=str,
)
def test_the_members_of_containers_are_checked(annotation, good, bad):
    def make(good: bool):
        return good_value if good else bad_value

    good_value, bad_value = good, bad
    make.__annotations__["return"] = annotation
    declared = step(make)
    assert outputs_of(declared(good=True)) == {"output": good}
    problem = failure_of(declared(good=False))
    assert isinstance(problem, OutputError)
    assert repr(bad) in str(problem)


def test_a_value_of_the_wrong_type_names_step_output_and_both_types():
    @step
    def make() -> Output(image=np.ndarray, label=int):
        return np.ones(2), "seven"

    problem = failure_of(make)
    assert isinstance(problem, OutputError)
    assert problem.facts["output"] == "label"
    assert problem.facts["expected"] == "int"
    assert "str 'seven'" in problem.facts["found"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_wrong_number_of_values_names_step_and_both_counts(count):
    @step
    def make(count: int) -> Output(a=int, b=int):
        return tuple(range(count))

    problem = failure_of(make(count=count))
    assert isinstance(problem, OutputError)
    assert "2: a, b" in str(problem)
    assert f"{count} values" in str(problem)


def test_one_value_where_two_are_declared_fails_the_step():
    @step
    def make() -> Output(a=int, b=int):
        return 1

    assert "one int" in str(failure_of(make))


CONTAINERS = [
    (1, (2, 3), [4]),
    {"a", "b"},
    frozenset({1}),
    {"raw": b"\x00\xff", "empty": b""},
    {1: "int", (1, 2): "tuple", None: "none", False: "bool", 2.5: "float", b"k": "bytes"},
    {"$tuple": [1]},
    [float("inf"), -0.0, 10**30, None, True],
    {"nested": [{"t": (frozenset({b"x"}), {})}]},
]


@pytest.mark.parametrize("value", CONTAINERS, ids=range(len(CONTAINERS)))
def test_json_containers_come_back_with_their_types(value):
    @step
    def make() -> Any:
        return value

    @step
    def look(x: Any) -> str:
        return canonical(x)

    @pipeline
    def containers():
        look(make())

    run = containers().run()
    assert canonical(run.steps["make"].output.read()) == canonical(value)
    assert run.steps["look"].output.read() == canonical(value)


def canonical(value: Any) -> str:
    """A text that is equal only for values equal in type, order and content."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}{sorted(map(canonical, value))}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{canonical(k)}: {canonical(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[{', '.join(map(canonical, value))}]"
    return f"{type(value).__name__} {value!r}"


def test_a_container_that_would_not_come_back_as_it_is_is_refused():
    @step
    def make() -> Output(first=int, scores=dict):
        return 1, {"inner": OrderedDict(a=1)}

    with pytest.raises(StepFailed) as failed:
        run_alone(make)
    assert failed.value.step == "make"
    assert isinstance(failed.value.__cause__, MaterializerError)
    assert "OrderedDict" in str(failed.value.__cause__)
    assert "['inner']" in str(failed.value.__cause__)


@step
def ordered(reverse: bool) -> dict[str, int]:
    return {"b": 2, "a": 1} if reverse else {"a": 1, "b": 2}


@step
def first_key(options: dict[str, int]) -> str:
    return next(iter(options))


def test_the_order_of_a_dict_counts_for_the_steps_below():
    @pipeline
    def reading(reverse: bool):
        first_key(ordered(reverse=reverse))

    forward, backward = reading(reverse=False).run(), reading(reverse=True).run()
    assert forward.steps["first_key"].output.read() == "a"
    assert backward.steps["first_key"].output.read() == "b"
    assert forward.steps["ordered"].output.digest != backward.steps["ordered"].output.digest


def test_the_order_of_a_dict_counts_when_it_is_a_parameter():
    @pipeline
    def reading(options: dict):
        first_key(options=options)

    assert reading({"a": 1, "b": 2}).run().steps["first_key"].output.read() == "a"
    assert reading({"b": 2, "a": 1}).run().steps["first_key"].output.read() == "b"
    assert reading({"a": 1, "b": 2}).run().steps["first_key"].is_cached


def test_the_order_of_a_set_does_not_count():
    @step
    def size(numbers: set[int]) -> int:
        return len(numbers)

    @pipeline
    def counting(numbers: set):
        size(numbers=numbers)

    one, other = {0, 8}, {8, 0}
    assert list(one) != list(other), "0 and 8 collide in a small set, so the first one in comes first"
    counting(one).run()
    assert counting(other).run().steps["size"].is_cached


@step
def add(a: int, b: int) -> int:
    return a - b


@step
def two() -> Output(big=int, small=int):
    return 5, 3


def test_handles_are_unpacked_by_position():
    @pipeline
    def unpacking():
        big, small = two()
        add(big, small)

    assert unpacking().run().steps["add"].output.read() == 2


def test_handles_are_unpacked_with_a_star():
    @pipeline
    def unpacking():
        big, *rest = two()
        add(big, rest[0])

    assert unpacking().run().steps["add"].output.read() == 2


def test_handles_are_taken_by_name():
    @pipeline
    def naming():
        made = two()
        add(b=made.big, a=made.small)

    assert naming().run().steps["add"].output.read() == -2


@pytest.mark.parametrize("name", ["count", "index", "node", "wiring"])
def test_handles_are_taken_by_any_name(name):
    def make():
        return 5, 3

    make.__annotations__["return"] = Output(**{name: int, "other": int})
    declared = step(make)

    @pipeline
    def naming():
        made = declared()
        add(getattr(made, name), made.other)

    assert naming().run().steps["add"].output.read() == 2


def test_an_unknown_output_offers_the_nearest():
    @pipeline
    def mistyped():
        add(two().bigg, 1)

    with pytest.raises(DeclarationError, match="Did you mean `big`"):
        mistyped()


def test_too_many_names_to_unpack_are_an_error():
    @pipeline
    def unpacking():
        a, b, _c = two()
        add(a, b)

    with pytest.raises(ValueError, match="expected 3"):
        unpacking()


def test_one_output_cannot_be_unpacked():
    @step
    def single() -> int:
        return 1

    @pipeline
    def unpacking():
        big, small = single()
        add(big, small)

    with pytest.raises(DeclarationError, match="cannot be unpacked"):
        unpacking()


def test_all_outputs_given_as_one_input_are_an_error_that_names_both():
    @step
    def use(a: int) -> int:
        return a

    @pipeline
    def passing():
        use(a=two())

    with pytest.raises(DeclarationError, match="All outputs") as error:
        passing()
    assert error.value.facts["step"] == "use"
    assert error.value.facts["from"] == "two"


def test_an_output_type_that_cannot_be_saved_is_an_error_when_the_pipeline_is_bound():
    @step
    def make() -> Output(fine=int, odd=Opaque):
        return 1, Opaque()

    @pipeline
    def opaque():
        make()

    with pytest.raises(DeclarationError, match="Opaque") as error:
        opaque()
    assert error.value.facts["step"] == "make"
    assert error.value.facts["output"] == "odd"
    assert "PickleMaterializer" in error.value.hint


def test_a_returned_value_that_cannot_be_saved_fails_the_step_and_names_the_remedy():
    @step
    def make() -> Any:
        return Opaque()

    problem = failure_of(make)
    assert isinstance(problem, MaterializerError)
    assert problem.facts["output"] == "output"
    assert "PickleMaterializer" in problem.hint


@pytest.mark.parametrize(
    "materializers",
    [PickleMaterializer, PickleMaterializer(), {"odd": PickleMaterializer}],
    ids=["class", "instance", "by output"],
)
def test_a_step_names_the_materializer_of_its_outputs(materializers):
    @step(materializers=materializers)
    def make() -> Output(odd=Opaque):
        return Opaque(7)

    assert outputs_of(make)["odd"].number == 7


def test_a_materializer_for_an_output_that_is_not_declared_is_an_error():
    with pytest.raises(DeclarationError, match="does not declare"):

        @step(materializers={"odd": PickleMaterializer})
        def make() -> int:
            return 7


def test_two_outputs_of_one_name_are_an_error():
    with pytest.raises(DeclarationError, match="one name"):

        @step
        def make() -> tuple[Annotated[int, "a"], Annotated[int, "a"]]:
            return 1, 2


def test_an_output_without_names_is_an_error():
    with pytest.raises(DeclarationError, match="names no output"):
        Output()


def test_files_and_text_are_outputs_as_well():
    @step
    def make() -> Output(report=Path, text=str, raw=bytes):
        file = Path("report.txt")
        file.write_text("fine")
        return file, "tëxt\n", b"\x00"

    outputs = outputs_of(make)
    assert outputs["report"].read_text() == "fine"
    assert (outputs["text"], outputs["raw"]) == ("tëxt\n", b"\x00")
