"""The answers behind the page: bounded, and the same facts as the library's own."""

from __future__ import annotations

import pytest

from zencache import NotFoundError, Repository, pipeline, step
from zencache.report.answers import Answers


@pytest.fixture(scope="module")
def answers(scoring):
    return Answers(scoring)


def test_a_run_is_told_as_the_library_tells_it(answers, scoring):
    told = answers.run("fourth")
    run = scoring.get_run("fourth")
    assert [(row["name"], row["status"]) for row in told["steps"]] == [
        (name, view.status) for name, view in run.steps.items()
    ]
    assert (told["duration"], told["saved"], told["previous"]) == (run.duration, run.saved, "third")
    by_name = {row["name"]: row for row in told["steps"]}
    assert by_name["train"]["inputs"][0]["from"] == ["clean", "output"]
    assert by_name["load"]["made_by"] == "first"


def test_why_is_told_part_by_part(answers, scoring):
    told = answers.step("second", "train")["why"]
    why = scoring.get_run("second").steps["train"].why()
    assert [row["text"] for row in told["differences"]] == [str(one) for one in why.differences]
    assert told["differences"][0]["label"] == "parameter rate"


def test_an_artifact_names_its_neighbours_and_uses(answers, scoring):
    artifact = scoring.get_run("first").steps["clean"].output
    told = answers.artifact(artifact.id)
    assert (told["step"], told["output"], told["run"]) == ("clean", "output", "first")
    assert [(row["step"], row["output"]) for row in told["upstream"]] == [("load", "frame")]
    assert told["made_by"]["count"] == 4
    assert [row["status"] for row in told["made_by"]["steps"]] == ["completed", "cached", "cached", "cached"]
    assert told["taken_by"]["count"] == 4


def test_a_quarantine_is_told(own_scoring):
    artifact = own_scoring.get_run("first").steps["clean"].output
    own_scoring.quarantine(artifact, "wrong units")
    assert Answers(own_scoring).artifact(artifact.id)["quarantine"] == "wrong units"


def test_lineage_goes_as_far_as_is_clear_or_as_is_said(tmp_path):
    @step
    def begin() -> int:
        return 0

    @step
    def add(number: int) -> int:
        return number + 1

    @pipeline
    def chain():
        number = begin()
        for _ in range(80):
            number = add(number)

    repository = Repository(tmp_path, metadata=tmp_path / "m.db", artifacts=tmp_path / "a")
    run = chain().run(repository=repository)
    middle = run.steps["add_40"].output.id
    answers = Answers(repository)
    clear = answers.lineage(middle)
    assert len(clear["artifacts"]) == 2 * clear["depth"] + 1 <= 60
    near = answers.lineage(middle, depth=2)
    assert (len(near["artifacts"]), near["depth"]) == (5, 2)
    whole = answers.lineage(middle, depth=1000)
    assert (len(whole["artifacts"]), whole["depth"]) == (81, None)


def test_the_history_counts_hits_and_misses(answers):
    told = answers.history("scoring")["runs"]
    assert [run["name"] for run in told] == ["first", "second", "third", "fourth"]
    assert told[0]["counts"] == {"completed": 6, "skipped": 0}
    assert told[2]["counts"] == {"cached": 6, "skipped": 0}
    assert told[3]["counts"] == {"cached": 3, "completed": 1, "failed": 1, "skipped": 1}


@pytest.mark.parametrize("question", ["run", "history"])
def test_what_is_not_there_is_an_error_or_empty(answers, question):
    if question == "run":
        with pytest.raises(NotFoundError):
            answers.run("nowhere")
    else:
        assert answers.history("nowhere")["runs"] == []
