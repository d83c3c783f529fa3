"""An edit that the user knows to be harmless keeps the old entries: recorded, listed and revocable."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
from zencache import pipeline, step

def helper(n):
    return n + 1

@step
def steady(n: int = 2) -> int:
    return helper(n) * 2

@pipeline
def counting():
    steady()
"""


@pytest.fixture
def program(project):
    file = project / "counting.py"
    file.write_text(PROGRAM)
    return file


def zencache(*arguments, code=0):
    command = [sys.executable, "-m", "zencache", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def prediction():
    (step,) = json.loads(zencache("plan", "counting.py", "--json"))["steps"]
    return step["prediction"], step["reasons"]


def edit(program, old, new):
    assert old in program.read_text()
    program.write_text(program.read_text().replace(old, new))


def test_an_accepted_edit_keeps_the_old_entry_and_says_so(program):
    zencache("run", "counting.py")
    edit(program, "n + 1", "1 + n")
    assert prediction()[0] == "MISS"
    zencache("accept", "steady", "--reason", "the sum is the same")
    assert prediction() == ("HIT", ["same key (an edit of its code was accepted: the sum is the same)"])
    zencache("run", "counting.py")
    assert "cached, because same key (an edit of its code was accepted: the sum" in zencache(
        "why", "latest", "steady"
    )


def test_a_further_edit_counts_again_and_can_be_accepted_as_well(program):
    zencache("run", "counting.py")
    edit(program, "n + 1", "1 + n")
    zencache("accept", "steady", "--reason", "the sum is the same")
    edit(program, "1 + n", "1 + n + 0")
    assert prediction()[0] == "MISS"
    zencache("accept", "steady", "--reason", "nothing is added")
    assert prediction()[0] == "HIT"
    rows = json.loads(zencache("accept", "--json"))
    assert [(row["step"], row["reason"]) for row in rows] == [
        ("steady", "the sum is the same"),
        ("steady", "nothing is added"),
    ]
    assert rows[0]["old"] == rows[1]["old"]


def test_an_edit_can_be_accepted_after_the_new_code_has_run(program):
    zencache("run", "counting.py")
    edit(program, "n + 1", "1 + n")
    zencache("run", "counting.py")
    zencache("accept", "steady", "--reason", "the sum is the same")
    assert prediction()[0] == "HIT"


def test_a_revoked_acceptance_holds_no_more_and_stays_listed(program):
    zencache("run", "counting.py")
    edit(program, "n + 1", "1 + n")
    zencache("accept", "steady", "--reason", "the sum is the same")
    zencache("accept", "steady", "--revoke")
    assert prediction()[0] == "MISS"
    assert [row["revoked"] for row in json.loads(zencache("accept", "--json"))] == [True]
    assert "No edit of step `steady` is accepted" in zencache("accept", "steady", "--revoke", code=2)


def test_other_parts_of_the_key_still_count(program):
    zencache("run", "counting.py")
    edit(program, "n + 1", "1 + n")
    zencache("accept", "steady", "--reason", "the sum is the same")
    edit(program, "n: int = 2", "n: int = 3")
    assert prediction()[0] == "MISS"


def test_a_hit_that_is_also_executed_again_says_both(program):
    edit(program, "@step", "@step(cache_policy=CachePolicy(verify=1.0))")
    edit(program, "import pipeline", "import CachePolicy, pipeline")
    zencache("run", "counting.py")
    edit(program, "n + 1", "1 + n")
    zencache("accept", "steady", "--reason", "the sum is the same")
    zencache("run", "counting.py")
    said = zencache("why", "latest", "steady")
    assert (
        "same key (an edit of its code was accepted: the sum is the same; executed again, it gave the same)"
        in said
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["steady", "--reason", "why not"], "There is no edit to accept"),
        (["stedy", "--reason", "why not"], "Did you mean `steady`?"),
        (["steady"], "--reason"),
        (["steady", "--reason", " "], "for a reason"),
    ],
    ids=["nothing was edited", "no such step", "no reason", "an empty reason"],
)
def test_what_cannot_be_accepted_is_an_error(program, arguments, said):
    zencache("run", "counting.py")
    assert said in zencache("accept", *arguments, code=2)


def test_code_that_is_gone_is_an_error_that_says_where_it_was(program):
    zencache("run", "counting.py")
    program.unlink()
    said = zencache("accept", "steady", "--reason", "why not", code=2)
    assert "is not found any more" in said
    assert "counting.py" in said
