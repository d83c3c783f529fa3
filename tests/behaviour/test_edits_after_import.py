"""A file that was edited after its import never lends its new text to the code that still runs."""

import pytest

SHAPES = """
from dataclasses import dataclass

@dataclass(order=True)
class Point:
    n: int = 3
"""
FLOW = """
import shapes
from zencache import pipeline, step

@step
def compare() -> bool:
    try:
        return shapes.Point(1) < shapes.Point(2)
    except TypeError:
        return False

@pipeline
def comparing():
    compare()
"""
RUN = """
import sys
from pathlib import Path
import flow

for old, new in zip(sys.argv[1::2], sys.argv[2::2]):
    file = Path("shapes.py")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
view = flow.comparing().run().steps["compare"]
print(view.status, view.output.read())
print(*view.why().untracked, sep="\\n")
"""


@pytest.fixture
def run(project, run_script):
    (project / "shapes.py").write_text(SHAPES)
    (project / "flow.py").write_text(FLOW)

    def run(*edits):
        first, *untracked = run_script(RUN, *edits).stdout.splitlines()
        return first, "\n".join(untracked)

    return run


def test_a_class_that_was_edited_after_its_import_does_not_lend_its_new_text_to_the_old_one(run):
    assert run() == ("completed True", "")
    told, untracked = run("(order=True)", "")
    assert told == "completed True", "the old class still runs"
    assert "shapes.Point: its file has changed since it was imported" in untracked
    assert run()[0] == "completed False", "and its result is not that of the new one"
    assert run()[0] == "cached False"


def test_a_comment_that_was_added_meanwhile_is_told_and_disturbs_nothing_afterwards(run):
    assert run()[0] == "completed True"
    run("class Point", "# a comment\nclass Point")
    assert run()[0] == "cached True"
