"""Code whose source is not there counts as compiled, and says so; what cannot count says what to do."""

import math
import socket

import pytest

from zencache import DeclarationError, StepFailed, pipeline, step

pytestmark = pytest.mark.usefixtures("project")


def executed(source, **names):
    """What a text that no file holds defines."""
    namespace = {"step": step, "__name__": "made", **names}
    exec(source, namespace)
    return namespace


def run(function):
    @pipeline(name="single")
    def wired():
        function()

    return wired().run().steps[function.name]


def test_a_helper_that_was_executed_from_a_text_counts_and_says_so():
    def steps(text):
        helper = executed(text)["helper"]

        @step
        def work() -> int:
            return helper(2)

        return work

    first = run(steps("def helper(x):\n    return x * 3"))
    assert first.output.read() == 6
    assert first.why().untracked == ("made.helper: source not found; its compiled code counts instead",)
    assert run(steps("def helper(x):\n    return x * 3")).is_cached
    assert run(steps("def helper(x):\n    return x * 4")).output.read() == 8


def test_a_step_that_was_executed_from_a_text_counts_and_says_so():
    text = "@step\ndef work(x: int = 2) -> int:\n    return x * 3"
    first = run(executed(text)["work"])
    assert first.why().untracked == ("made.work: source not found; its compiled code counts instead",)
    assert run(executed(text)["work"]).is_cached
    assert run(executed(text.replace("* 3", "* 4"))["work"]).output.read() == 8


def test_functions_of_c_and_frozen_modules_count_by_their_names():
    import zipimport

    def steps(function):
        @step
        def work() -> str:
            return f"{function(4.0)} {zipimport.__name__}"

        return work

    assert run(steps(math.sqrt)).status == "completed"
    assert run(steps(math.sqrt)).is_cached
    assert run(steps(math.exp)).status == "completed"


@pytest.mark.parametrize("held", ["alone", "in a list"])
def test_a_constant_that_cannot_be_encoded_is_an_error_when_the_pipeline_is_bound(held):
    with socket.socket() as connection:
        value = connection if held == "alone" else [connection]
        work = executed("@step\ndef work() -> int:\n    return len(repr(CONNECTION))", CONNECTION=value)[
            "work"
        ]

        @pipeline
        def wired():
            work()

        with pytest.raises(DeclarationError) as refused:
            wired()
    assert refused.value.facts["module"] == "made"
    assert refused.value.facts["variable"] == "CONNECTION"
    assert "socket" in refused.value.facts["type"]
    assert "inside the step" in refused.value.hint


def test_what_a_try_is_around_counts_without_a_source():
    def steps(text):
        helper = executed(text)["helper"]

        @step
        def work() -> int:
            return helper(0)

        return work

    caught = "def helper(x):\n try:\n  a = x\n  a = 1 // a\n except ZeroDivisionError:\n  a = 5\n return a"
    uncaught = caught.replace("  a = 1 // a\n", "").replace("  a = 5\n", "  a = 5\n else:\n  a = 1 // a\n")
    assert run(steps(caught)).output.read() == 5
    with pytest.raises(StepFailed, match="division"):
        run(steps(uncaught))
