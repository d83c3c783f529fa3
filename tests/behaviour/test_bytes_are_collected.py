"""Garbage collection removes bytes that are not needed, tells what it did, and never makes a run wrong."""

import json
import time
from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from zencache import ArtifactMissing, ConfigurationError, NotFoundError, Repository, pipeline, step
from zencache.cli import main


@step
def loaded(n: int = 10) -> np.ndarray:
    return np.arange(n)


@step
def total(x: np.ndarray) -> float:
    return float(x.sum())


@step
def doubled(x: np.ndarray) -> np.ndarray:
    return x * 2


@step
def constant() -> np.ndarray:
    return np.arange(10)


@pipeline
def adding(n: int = 10):
    total(loaded(n=n))


@pipeline
def doubling(n: int = 10):
    doubled(loaded(n=n))


@pipeline
def fixed():
    constant()


def ran(run) -> dict:
    return {name: view.status for name, view in run.steps.items()}


def collect(**limits):
    return Repository().gc(**{"grace": "0s", "dry_run": False, **limits})


def objects(project):
    return sorted((project / ".zencache" / "artifacts" / "objects").glob("*/*"))


def why(report) -> set:
    return {one.why for one in report.kept}


class TestADryRun:
    def test_is_the_default_and_changes_nothing(self, project):
        run = adding().run()
        before = objects(project)
        report = Repository().gc(keep_last=0, grace="0s")
        assert report.is_dry_run
        assert len(report.removed) == 2
        assert objects(project) == before
        assert {artifact.state for artifact in Repository().artifacts()} == {"LIVE"}
        assert ran(adding().run()) == dict.fromkeys(run.steps, "cached")

    def test_tells_what_deleting_then_frees(self, project):
        adding().run()
        foretold = Repository().gc(keep_last=0, grace="0s")
        files = [file for one in objects(project) for file in one.rglob("*") if file.is_file()]
        used = sum(file.stat().st_size for file in files)
        done = collect(keep_last=0)
        assert foretold.freed == done.freed == used
        assert foretold.removed == done.removed

    def test_makes_no_store(self, project):
        assert Repository().gc(keep_last=1).removed == ()
        assert not (project / ".zencache").exists()


class TestByAge:
    def test_what_was_used_since_stays(self, project):
        adding().run()
        assert collect(older_than="1h").removed == ()
        assert collect(older_than=timedelta(0)).freed > 0

    def test_a_hit_is_a_use(self, project):
        adding(1).run()
        adding(2).run()
        time.sleep(1.1)
        adding(1).run()
        report = collect(older_than="1s")
        assert len(report.removed) == 2
        assert ran(adding(1).run()) == {"loaded": "cached", "total": "cached"}

    def test_what_was_just_written_stays(self, project):
        adding().run()
        report = collect(older_than="0s", grace="1h")
        assert report.removed == ()
        assert why(report) == {"just written"}
        assert ran(adding().run()) == {"loaded": "cached", "total": "cached"}


class TestByCountAndSize:
    def test_those_used_longest_ago_go_first(self, project):
        for n in (1, 2, 3):
            adding(n).run()
        report = collect(max_count=2)
        assert len(report.removed) == 4
        assert ran(adding(3).run()) == {"loaded": "cached", "total": "cached"}
        assert ran(adding(1).run()) == {"loaded": "completed", "total": "completed"}

    def test_at_most_so_many_bytes_stay(self, project):
        for n in (1000, 2000, 3000):
            adding(n).run()
        report = collect(max_bytes="25kB")
        assert report.size <= 25_000
        assert ran(adding(3000).run()) == {"loaded": "cached", "total": "cached"}


class TestByRuns:
    def test_the_last_runs_of_each_pipeline_keep_what_they_used(self, project):
        adding(1).run()
        adding(2).run()
        doubling(3).run()
        report = collect(keep_last=1)
        assert len(report.removed) == 2
        assert {text.rpartition(": ")[0] for text in why(report)} == {
            "one of the last runs of adding",
            "one of the last runs of doubling",
        }

    def test_a_failed_run_does_not_push_out_the_last_good_one(self, project):
        @step
        def failing(x: float) -> float:
            raise ValueError("no")

        @pipeline
        def adding():
            failing(total(loaded()))

        with pytest.raises(Exception, match="failing"):
            adding().run()
        assert collect(keep_last=1).removed == ()

    def test_together_with_an_age_both_have_to_agree(self, project):
        adding(1).run()
        adding(2).run()
        assert collect(keep_last=1, older_than="1h").removed == ()
        assert len(collect(keep_last=1, older_than="0s").removed) == 2

    def test_one_pipeline_or_one_step(self, project):
        adding(2).run()
        doubling(2).run()
        assert len(collect(keep_last=0, pipeline="adding").removed) == 1  # the array is of both
        assert len(collect(keep_last=0, step="doubled").removed) == 1
        assert ran(doubling(2).run()) == {"loaded": "cached", "doubled": "completed"}


class TestASharedObject:
    def test_goes_only_if_all_its_artifacts_may(self, project):
        adding(10).run()
        time.sleep(1.1)
        fixed().run()  # other step, same bytes
        report = collect(older_than="1s")
        assert [one.size > 0 for one in report.removed] == [True]
        assert ran(adding(10).run()) == {"loaded": "cached", "total": "completed"}

    def test_is_counted_once(self, project):
        adding(10).run()
        fixed().run()
        report = collect(keep_last=0)
        assert sorted(len(one.artifacts) for one in report.removed) == [1, 2]
        assert objects(project) == []


class TestWhatIsLeft:
    def test_lineage_stays_and_tells_when_why_and_by_whom(self, project):
        run = adding().run()
        collect(keep_last=0)
        (array,) = Repository().artifacts(type="Array")
        assert array.state == "DELETED"
        tombstone = array.artifact.tombstone
        assert tombstone.why == "nothing was to be kept"
        assert tombstone.by.startswith("gc of ")
        assert [one.type for one in array.downstream()] == ["Float"]
        assert array.producer_step.run.name == run.name

    def test_reading_it_says_that_it_was_removed(self, project):
        run = adding().run()
        collect(keep_last=0)
        view = Repository().get_run(run.name).steps["loaded"].output
        with pytest.raises(ArtifactMissing, match=r"removed by gc of .*: nothing was to be kept"):
            view.read()
        assert Repository().artifacts(type="Array")[0].artifact.tombstone is not None
        with pytest.raises(ArtifactMissing):  # by a view from before, too, which says only that
            run.steps["loaded"].output.read()
        assert Repository().artifacts(type="Array")[0].artifact.tombstone is not None

    def test_the_next_run_makes_it_again_and_says_why(self, project):
        first = adding().run()
        collect(keep_last=0)
        again = adding().run()
        assert set(ran(again).values()) == {"completed"}
        assert "removed by gc of" in str(again.steps["loaded"].why())
        assert again.steps["total"].output.read() == first.steps["total"].output.read() == 45.0
        assert {artifact.state for artifact in Repository().artifacts()} == {"LIVE"}
        assert ran(adding().run()) == {"loaded": "cached", "total": "cached"}

    def test_a_plan_says_so_too(self, project):
        adding().run()
        collect(keep_last=0)
        assert "removed by gc of" in str(adding().plan())

    def test_a_hit_whose_bytes_another_step_made_again_is_one(self, project):
        adding(10).run()
        collect(keep_last=0)
        fixed().run()
        assert ran(adding(10).run())["loaded"] == "cached"
        assert {one.state for one in Repository().artifacts(type="Array")} == {"LIVE"}

    def test_mlmd_can_be_asked(self, project):
        adding().run()
        collect(keep_last=0)
        for artifact in Repository().store.get_artifacts():
            assert artifact.State.Name(artifact.state) == "DELETED"
            assert artifact.custom_properties["zencache_removed_why"].string_value
            assert artifact.custom_properties["zencache_removed_when"].string_value
            assert artifact.custom_properties["zencache_digest"].string_value

    def test_a_second_time_there_is_nothing_to_do(self, project):
        adding().run()
        collect(keep_last=0)
        report = collect(keep_last=0)
        assert (report.removed, report.kept, report.freed) == ((), (), 0)

    def test_texts_that_nothing_refers_to_go_as_well(self, project):
        run = adding().run()
        store = Repository().stores.artifacts
        store.write_record("nobody's text " * 1000)
        report = collect(older_than="30d")
        assert report.records == 1
        assert report.freed == 14_000
        assert Repository().get_run(run.name).record.definition["steps"]


class TestAnArtifactStoreOfSeveral:
    def test_texts_of_others_are_left_alone(self, project):
        adding().run()
        other = Repository(metadata=project / "other.db")
        adding().run(repository=other)
        other.stores.artifacts.write_record("of the other " * 1000)
        report = collect(older_than="30d")
        assert report.records == 0
        assert report.shared_with == (f"sqlite:///{project}/other.db",)

    def test_the_other_makes_again_what_it_misses(self, project):
        adding().run()
        other = Repository(metadata=project / "other.db")
        adding().run(repository=other)
        collect(keep_last=0)
        assert set(ran(adding().run(repository=other)).values()) == {"completed"}


class TestPins:
    def test_an_artifact_stays(self, project):
        run = adding().run()
        pin = Repository().pin(run.steps["loaded"].output, "for the paper")
        report = collect(keep_last=0)
        assert why(report) == {f"pinned: artifact {pin.target} (for the paper)"}
        assert run.steps["loaded"].output.read().tolist() == list(range(10))

    def test_a_run_keeps_what_it_made_and_what_it_reused(self, project):
        adding(2).run()
        doubling(2).run()
        run = adding(2).run()
        Repository().pin(run)
        assert len(collect(keep_last=0).removed) == 1
        assert ran(adding(2).run()) == {"loaded": "cached", "total": "cached"}

    def test_are_listed_and_taken_back(self, project):
        repo, run = Repository(), adding().run()
        repo.pin(run, "good")
        repo.pin(run, "very good")
        (one,) = repo.pins()
        assert (one.kind, one.target, one.reason) == ("run", run.name, "very good")
        assert " on " in one.by
        repo.unpin(run)
        assert repo.pins() == []
        assert len(collect(keep_last=0).removed) == 2

    def test_come_too_late_for_bytes_that_are_gone(self, project):
        run = adding().run()
        collect(keep_last=0)
        with pytest.raises(ArtifactMissing, match="gone already"):
            Repository().pin(run.steps["loaded"].output)
        assert Repository().pins() == []

    def test_that_are_not_there_cannot_be_taken_back(self, project):
        run = adding().run()
        with pytest.raises(NotFoundError, match="not pinned"):
            Repository().unpin(run.steps["loaded"].output)

    def test_are_contexts_in_mlmd(self, project):
        run = adding().run()
        Repository().pin(run, "good")
        (context,) = Repository().store.get_contexts_by_type("zencache_pin")
        assert context.custom_properties["zencache_target"].string_value == run.name


class TestRefuses:
    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            ({}, "what may go"),
            ({"older_than": "yesterday"}, "`older_than` is not a length of time"),
            ({"older_than": "-3d"}, "`older_than`"),
            ({"older_than": timedelta(-1)}, "`older_than`"),
            ({"older_than": 30}, "`older_than`"),
            ({"older_than": "9" * 400 + "d"}, "`older_than`"),
            ({"max_bytes": "lots"}, "`max_bytes` is not a number of bytes"),
            ({"max_bytes": -1}, "`max_bytes`"),
            ({"max_count": -1}, "`max_count` is not a count"),
            ({"max_count": True}, "`max_count`"),
            ({"keep_last": 1.5}, "`keep_last`"),
            ({"keep_last": 1, "grace": "soon"}, "`grace`"),
        ],
    )
    def test_what_makes_no_sense(self, project, limits, message):
        adding().run()
        with pytest.raises(ConfigurationError, match=message):
            Repository().gc(**limits, dry_run=False)
        assert len(objects(project)) == 2

    def test_names_that_nothing_has(self, project):
        adding().run()
        with pytest.raises(NotFoundError, match="addin"):
            Repository().gc(keep_last=0, pipeline="addin", dry_run=False)
        with pytest.raises(NotFoundError, match="totl"):
            Repository().gc(keep_last=0, step="totl", dry_run=False)


class TestTheCommandLine:
    def typed(self, *arguments, code=0):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done.output

    def test_shows_first_and_deletes_when_told_to(self, project):
        adding().run()
        shown = self.typed("gc", "--keep-last", "0", "--grace", "0s")
        assert "2 objects would be removed" in shown
        assert "add --delete" in shown
        assert len(objects(project)) == 2
        assert "2 objects removed" in self.typed("gc", "--keep-last", "0", "--grace", "0s", "--delete")
        assert objects(project) == []

    def test_tells_all_as_json(self, project):
        adding().run()
        told = json.loads(self.typed("gc", "--keep-last", "0", "--grace", "0s", "--json"))
        assert told["is_dry_run"]
        assert [one["artifacts"] for one in told["removed"]] == [[1], [2]]

    def test_pins_lists_and_unpins(self, project):
        adding().run()
        assert "Nothing is pinned" in self.typed("pins")
        self.typed("pin", "latest", "--reason", "good")
        assert "0 objects would be removed" in self.typed("gc", "--keep-last", "0", "--grace", "0s")
        assert json.loads(self.typed("pins", "--json"))[0]["reason"] == "good"
        assert "not pinned any more" in self.typed("unpin", "latest")

    def test_refuses_what_makes_no_sense(self, project):
        adding().run()
        assert "not a length of time" in self.typed("gc", "--older-than", "yesterday", code=2)
        assert "what may go" in self.typed("gc", code=2)
        assert "no run" in self.typed("pin", "nothing", code=2)
        assert "x>=0" in self.typed("gc", "--keep-last", "-1", code=2)
