"""A purge removes the bytes of everything that came from one content, and names what it leaves."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from zencache import ConfigurationError, ExternalFile, Repository, pipeline, step
from zencache.cli import main


@step
def imported(path: str) -> np.ndarray:
    return np.loadtxt(path)


@step
def loaded(n: int) -> np.ndarray:
    return np.arange(n)


@step
def copied(n: int) -> np.ndarray:
    return np.arange(n)


@step
def doubled(x: np.ndarray) -> np.ndarray:
    return x * 2


@step
def total(x: np.ndarray) -> float:
    return float(x.sum())


@pipeline
def working(n: int = 10):
    total(doubled(loaded(n=n)))


@pipeline
def importing(path: str):
    total(doubled(imported(ExternalFile(path))))


@pipeline
def copying(n: int = 10):
    total(copied(n=n))


def states() -> dict:
    return {one.id: one.state for one in Repository().artifacts()}


def dataset():
    return Repository().get_runs()[-1].steps["loaded"].output


def test_a_dry_run_comes_first(project):
    working().run()
    report = Repository().purge(dataset())
    assert report.is_dry_run
    assert [one.artifacts for one in report.removed] == [(2,), (3,)]
    assert set(states().values()) == {"LIVE"}


def test_what_came_of_it_goes_and_lineage_stays(project):
    run = working().run()
    data = dataset()
    foretold = Repository().purge(data)
    report = Repository().purge(data, dry_run=False)
    assert report.freed == foretold.freed > 0
    assert report.removed == foretold.removed
    assert states() == {1: "LIVE", 2: "DELETED", 3: "DELETED"}
    assert [one.type for one in data.downstream()] == ["Array", "Float"]
    assert data.downstream()[0].artifact.tombstone.by.startswith("purge of ")
    assert run.steps["loaded"].output.read().tolist() == list(range(10))


def test_its_own_bytes_go_when_asked_for(project):
    working().run()
    Repository().purge(dataset(), include_itself=True, dry_run=False)
    assert set(states().values()) == {"DELETED"}
    assert not list((project / ".zencache" / "artifacts" / "objects").glob("*/*"))
    assert {view.status for view in working().run().steps.values()} == {"completed"}


def test_what_came_of_the_same_content_made_elsewhere_goes_too(project):
    working().run()
    data = dataset()
    copying().run()  # another step, the same array, and its total
    report = Repository().purge(data, include_itself=True, dry_run=False)
    assert report.kept == ()
    assert set(states().values()) == {"DELETED"}


def test_equal_bytes_that_came_of_something_else_stay(project):
    @step
    def halved(n: int) -> np.ndarray:
        return np.arange(n) * 2

    @pipeline
    def other():
        halved(n=10)

    working().run()
    data = dataset()
    other().run()
    report = Repository().purge(data, dry_run=False)
    assert [(one.artifacts, "did not come from it" in one.why) for one in report.kept] == [((2, 4), True)]
    assert states() == {1: "LIVE", 2: "LIVE", 3: "DELETED", 4: "LIVE"}


def test_what_is_pinned_is_named_and_nothing_goes(project):
    run = working().run()
    Repository().pin(run.steps["total"].output, "for the paper")
    assert Repository().purge(dataset()).pinned == ("artifact 3 (for the paper)",)
    with pytest.raises(ConfigurationError, match="pinned") as caught:
        Repository().purge(dataset(), dry_run=False)
    assert "for the paper" in str(caught.value)
    assert set(states().values()) == {"LIVE"}
    Repository().purge(dataset(), even_pinned=True, dry_run=False)
    assert states()[3] == "DELETED"


def test_external_files_are_named_and_left_alone(project):
    file = project / "data.txt"
    file.write_text("1\n2\n")
    run = importing("data.txt").run()
    (start,) = run.steps["imported"].inputs.values()
    report = Repository().purge(start, include_itself=True, dry_run=False)
    assert report.external == (str(file),)
    assert file.exists()
    assert {one.state for one in Repository().artifacts() if one.type != "ExternalFile"} == {"DELETED"}


def test_the_command_line(project):
    working().run()
    shown = CliRunner().invoke(main, ["purge", "--derived-from", "latest/loaded"])
    assert "2 objects would be removed" in shown.output
    assert "add --delete" in shown.output
    assert "the artifact itself" not in shown.output
    done = CliRunner().invoke(main, ["purge", "--derived-from", "latest/loaded", "--delete", "--json"])
    assert len(json.loads(done.output)["removed"]) == 2
    wrong = CliRunner().invoke(main, ["purge", "--derived-from", "nothing"])
    assert wrong.exit_code == 2
    assert "no artifact `nothing`" in wrong.output
