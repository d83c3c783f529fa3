"""What an artifact was made of and what came of it, over all runs, asked through the public API."""

import contextlib
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from zencache import (
    ArtifactMissing,
    ConfigurationError,
    ExternalFile,
    NotFoundError,
    Output,
    Repository,
    StepFailed,
    pipeline,
    step,
)

pytestmark = pytest.mark.usefixtures("project")


@step
def importer(size: int) -> Output(X=np.ndarray, y=np.ndarray):
    return np.arange(float(size)), np.arange(float(size)) % 2


@step
def normalizer(X: np.ndarray) -> np.ndarray:
    return X / X.max()


@step
def trainer(X: np.ndarray, y: np.ndarray, epochs: int) -> dict[str, float]:
    if epochs > 100:
        raise ValueError("the loss is not a number")
    return {"weight": float(X @ y) * epochs}


@step
def evaluator(model: dict[str, float]) -> float:
    return model["weight"]


@step
def reporter(model: dict[str, float]):
    """No output: it exists for its effect."""


@step
def archiver(model: dict[str, float]):
    """Another one."""


@pipeline
def training(size: int = 4, epochs: int = 1):
    X, y = importer(size)
    evaluator(trainer(normalizer(X), y, epochs))


def ids(artifacts):
    return [artifact.id for artifact in artifacts]


def outputs(run, name):
    """The artifacts that a step gave, one after the other."""
    return list(run.steps[name].outputs.values())


class TestUpstream:
    def test_is_everything_that_an_artifact_was_made_of_oldest_first(self):
        run = training().run()
        X, y = outputs(run, "importer")
        normed, model = run.steps["normalizer"].output, run.steps["trainer"].output
        assert ids(run.steps["evaluator"].output.upstream()) == [X.id, y.id, normed.id, model.id]
        assert ids(normed.upstream()) == [X.id]
        assert X.upstream() == []

    def test_takes_every_branch_of_a_diamond_once(self):
        @step
        def left(x: float) -> float:
            return x + 1

        @step
        def right(x: float) -> float:
            return x + 2

        @step
        def add(a: float, b: float) -> float:
            return a + b

        @step
        def number() -> float:
            return 1.0

        @pipeline
        def diamond():
            x = number()
            add(left(x), right(x))

        run = diamond().run()
        start, *branches = (run.steps[name].output.id for name in ("number", "left", "right"))
        end = run.steps["add"].output
        assert ids(end.upstream()) == [start, *branches]
        assert ids(end.upstream(depth=1)) == branches
        assert ids(run.steps["number"].output.downstream()) == [*branches, end.id]
        assert len(Repository().lineage(end).executions) == 4

    def test_crosses_as_many_executions_as_depth_says(self):
        run = training().run()
        score = run.steps["evaluator"].output
        expected = [
            {"trainer"},
            {"trainer", "normalizer", "importer"},
            {"trainer", "normalizer", "importer"},
        ]
        for depth, makers in enumerate(expected, start=1):
            assert {found.producer_step.name for found in score.upstream(depth=depth)} == makers
        assert len(score.upstream(depth=2)) == 3  # of the importer only y, which the trainer took itself
        assert ids(score.upstream(depth=3)) == ids(score.upstream())

    def test_is_filtered_by_type_and_walks_on_through_the_others(self):
        run = training().run()
        score = run.steps["evaluator"].output
        assert [found.type for found in score.upstream(types="Array")] == ["Array"] * 3
        assert ids(score.upstream(types=["JsonValue"])) == [run.steps["trainer"].output.id]
        assert len(score.upstream(types=("JsonValue", "Array"))) == 4
        assert score.upstream(types="Nothing") == []
        assert score.upstream(types=[]) == []

    @pytest.mark.parametrize("depth", [0, -1, 1.5, "2", True])
    def test_takes_only_a_positive_whole_number_as_depth(self, depth):
        artifact = training().run().steps["trainer"].output
        for asked in (artifact.upstream, artifact.downstream):
            with pytest.raises(ConfigurationError, match="1 or more"):
                asked(depth=depth)
        with pytest.raises(ConfigurationError, match="1 or more"):
            Repository().lineage(artifact, depth=depth)


class TestDownstream:
    def test_goes_through_every_run_that_used_the_artifact(self):
        one, two = training(epochs=1).run(), training(epochs=2).run()
        X, y = outputs(one, "importer")
        models = [run.steps["trainer"].output.id for run in (one, two)]
        assert ids(X.downstream(types="JsonValue")) == models
        assert ids(y.downstream(types="JsonValue", depth=1)) == models
        assert X.downstream(types="JsonValue", depth=1) == []

    def test_is_the_other_side_of_upstream(self):
        training(epochs=1).run()
        training(epochs=2).run()
        training(size=5).run(enable_cache=False)
        everything = Repository().artifacts()
        above = {(a.id, b) for a in everything for b in ids(a.upstream())}
        below = {(b, a.id) for a in everything for b in ids(a.downstream())}
        assert above == below
        assert len(above) > 10


class TestProducersAndConsumers:
    def test_an_artifact_that_several_runs_produced_names_them_all(self):
        for name in ("one", "two", "three"):
            training().run(run_name=name)
        model = Repository().get_run("three").steps["trainer"].output
        assert [(s.run.name, s.status) for s in model.producers] == [
            ("one", "completed"),
            ("two", "cached"),
            ("three", "cached"),
        ]
        assert model.producer_step.run.name == "one"
        assert [(s.run.name, s.name) for s in model.consumers] == [
            (name, "evaluator") for name in ("one", "two", "three")
        ]
        assert [run.name for run in model.runs] == ["one", "two", "three"]

    def test_what_was_taken_by_one_of_them_counts(self):
        """Equal content under a second id is an input of its own, though the step below was cached."""
        one = training().run()
        again = training().run(refresh=["importer"])
        assert again.steps["trainer"].is_cached
        for run in (one, again):
            assert {a.id for a in outputs(run, "importer")} <= set(
                ids(one.steps["trainer"].output.upstream())
            )

    def test_a_consumer_that_failed_is_one(self):
        with pytest.raises(StepFailed):
            training(epochs=101).run(run_name="failed")
        y = Repository().get_run("failed").steps["importer"].outputs["y"]
        (consumer,) = y.consumers
        assert (consumer.name, consumer.status) == ("trainer", "failed")
        assert y.downstream() == []

    def test_a_value_given_to_a_pipeline_has_none_that_made_it(self):
        @pipeline
        def given(X, y):
            evaluator(trainer(X, y, 1))

        run = given(np.arange(3.0), np.ones(3)).run(run_name="given")
        above = run.steps["evaluator"].output.upstream(types="Array")
        assert [a.read().tolist() for a in above] == [[0, 1, 2], [1, 1, 1]]
        assert [a.producers for a in above] == [[], []]
        assert [a.producer_step for a in above] == [None, None]
        assert [run.name for run in above[0].runs] == ["given"]

    def test_an_external_file_is_where_lineage_begins(self, project):
        (project / "data.csv").write_text("1,2\n")

        @step
        def read(path: Path) -> str:
            return path.read_text()

        @pipeline
        def reading():
            read(ExternalFile("data.csv"))

        text = reading().run().steps["read"].output
        (file,) = text.upstream()
        assert file.uri == str(project / "data.csv")
        assert ids(file.downstream()) == [text.id]
        (project / "data.csv").write_text("3,4\n")
        other = reading().run().steps["read"].output
        assert ids(file.downstream()) == [text.id]  # other content is another artifact
        assert ids(Repository().artifacts(properties={"is_external": 1})) == [file.id, *ids(other.upstream())]


class TestCircles:
    @pytest.fixture
    def circle(self, project):
        """``flip`` gives back what it was given two flips ago, so that the third use of it is cached."""

        @step
        def start() -> int:
            return 1

        @step
        def flip(x: int) -> int:
            return -x

        @pipeline
        def flipping():
            flip(flip(flip(start())))

        run = flipping().run()
        assert run.steps["flip_3"].is_cached
        return run

    def test_end(self, circle):
        one, minus, back = (circle.steps[name].output for name in ("start", "flip", "flip_2"))
        assert circle.steps["flip_3"].output.id == minus.id
        assert ids(minus.upstream()) == [one.id, back.id]
        assert ids(minus.downstream()) == [back.id]
        assert ids(back.upstream()) == [one.id, minus.id]
        assert ids(one.downstream()) == [minus.id, back.id]
        assert one.upstream() == []

    def test_of_one_artifact_leave_it_out_of_its_own_lineage(self):
        @step
        def start() -> int:
            return 1

        @step
        def same(x: int) -> int:
            return x

        @pipeline
        def standing():
            same(same(start()))

        run = standing().run()
        assert run.steps["same_2"].is_cached
        assert run.steps["same_2"].inputs["x"].id == run.steps["same_2"].output.id
        start_id, same_id = run.steps["start"].output.id, run.steps["same"].output.id
        assert ids(run.steps["same"].output.upstream()) == [start_id]
        assert ids(run.steps["start"].output.downstream()) == [same_id]
        assert run.steps["same"].output.downstream() == []

    def test_are_in_the_graph(self, circle):
        graph = Repository().lineage(circle.steps["flip"].output)
        assert len(graph.artifacts) == 3
        assert len(graph.executions) == 4  # the cached one took another artifact than the first


class TestTheGraph:
    def test_holds_both_directions_with_what_stands_between(self):
        run = training().run()
        model = run.steps["trainer"].output
        graph = Repository().lineage(model)
        assert list(graph.artifacts) == ids(Repository().artifacts())
        assert [execution.step for execution in graph.executions.values()] == [
            "importer",
            "normalizer",
            "trainer",
            "evaluator",
        ]
        assert ids([model]) == [graph.start]
        nearest = Repository().lineage(model.id, depth=1)
        assert [execution.step for execution in nearest.executions.values()] == ["trainer", "evaluator"]

    def test_counts_what_was_reused_as_one(self):
        for _ in range(3):
            run = training().run()
        graph = Repository().lineage(run.steps["trainer"].output)
        assert len(graph.executions) == 4
        assert set(graph.reuses.values()) == {2}

    def test_keeps_steps_apart_that_only_took_the_same(self):
        """Steps without outputs, and those that failed, have nothing but their inputs to be told by."""

        @pipeline
        def effects(epochs: int = 1):
            X, y = importer(4)
            model = trainer(X, y, 1)
            reporter(model)
            archiver(model)

        effects().run()
        run = effects().run()
        graph = Repository().lineage(run.steps["trainer"].output)
        steps = {execution.step: graph.reuses[id] for id, execution in graph.executions.items()}
        assert steps == {"importer": 1, "trainer": 1, "reporter": 1, "archiver": 1}

    def test_tells_failures_of_other_parameters_apart(self):
        for epochs in (101, 102):
            with pytest.raises(StepFailed):
                training(epochs=epochs).run()
        X = Repository().artifacts(step="importer")[0]
        failed = [e.parameters["epochs"] for e in Repository().lineage(X).executions.values() if e.error]
        assert failed == [101, 102]

    def test_of_an_artifact_that_is_not_there_is_not_found(self):
        training().run()
        with pytest.raises(NotFoundError, match="no such artifact"):
            Repository().lineage(999)

    def test_of_an_artifact_whose_bytes_are_gone_is_still_told(self, project):
        run = training().run(run_name="first")
        before = Repository().lineage(run.steps["trainer"].output)
        shutil.rmtree(project / ".zencache" / "artifacts" / "objects")
        model = Repository().get_run("first").steps["trainer"].output
        with pytest.raises(ArtifactMissing):
            model.read()
        model = Repository().get_run("first").steps["trainer"].output
        assert model.state == "DELETED"
        after = Repository().lineage(model)
        assert list(after.artifacts) == list(before.artifacts)
        assert after.edges == before.edges
        assert [a.type for a in model.upstream()] == ["Array"] * 3


# -- random pipelines against a walk of one's own


@step
def source(seed: int) -> int:
    return seed


@step
def unary(x: int, k: int) -> int:
    return (x + k) % 3


@step
def binary(x: int, y: int) -> int:
    return (x + y) % 3


@step
def split(x: int) -> Output(low=int, high=int):
    return x % 2, x // 2


@step
def fails_on_two(x: int) -> int:
    if x == 2:
        raise ValueError("two")
    return x


def random_pipeline(choose: random.Random):
    """Steps over few numbers, so that contents return and make circles, hits and artifacts of many runs."""

    @pipeline(name=f"random-{choose.randrange(2)}")
    def random_one():
        made = [source(choose.randrange(3))]
        for _ in range(choose.randrange(2, 8)):
            kind = choose.choice(["source", "unary", "unary", "binary", "split", "fails"])
            x, y = choose.choice(made), choose.choice(made)
            if kind == "source":
                made.append(source(choose.randrange(3)))
            elif kind == "unary":
                made.append(unary(x, choose.randrange(2)))
            elif kind == "binary":
                made.append(binary(x, y))
            elif kind == "split":
                made.extend(split(x))
            else:
                made.append(fails_on_two(x))

    return random_one()


def brute_force(store, start, depth, direction):
    """Every artifact that can be reached, by the events that the stock client gives."""
    took, made = {}, {}
    for event in store.get_events_by_execution_ids([e.id for e in store.get_executions()]):
        side = {event.INPUT: took, event.OUTPUT: made}[event.type]
        side.setdefault(event.execution_id, set()).add(event.artifact_id)
    if direction == "upstream":
        took, made = made, took
    reached, frontier, level = {start}, {start}, 0
    while frontier and (depth is None or level < depth):
        crossed = [execution for execution, artifacts in took.items() if artifacts & frontier]
        frontier = set().union(*(made.get(execution, set()) for execution in crossed)) - reached
        reached |= frontier
        level += 1
    return sorted(reached - {start})


@pytest.mark.parametrize("seed", range(6))
def test_random_pipelines_have_the_lineage_that_the_stock_client_tells(seed):
    choose = random.Random(seed)
    repo = Repository()
    for _ in range(4):
        with contextlib.suppress(StepFailed):
            random_pipeline(choose).run(enable_cache=choose.choice([None, None, False]))
    everything = repo.artifacts()
    assert len(everything) > 5
    for artifact in everything:
        for depth in (None, 1, 2, 3):
            up, down = (brute_force(repo.store, artifact.id, depth, d) for d in ("upstream", "downstream"))
            assert ids(artifact.upstream(depth=depth)) == up
            assert ids(artifact.downstream(depth=depth)) == down
            graph = repo.lineage(artifact, depth)
            assert {artifact.id, *up, *down} <= set(graph.artifacts)
            for edge in graph.edges:
                assert edge.artifact_id in graph.artifacts
                assert edge.execution_id in graph.executions
        unlimited = repo.lineage(artifact)
        own = [edge for edge in unlimited.edges if edge.artifact_id == artifact.id]
        kept = {(e.is_output, e.execution_id) for e in own}
        every = {(True, s.id) for s in artifact.producers} | {(False, s.id) for s in artifact.consumers}
        assert kept <= every
        assert bool(kept) == bool(every)


# -- lists


class TestLists:
    @pytest.fixture(autouse=True)
    def _five_runs(self, project):
        for number in range(5):
            training(epochs=number + 1).copy(f"p{number % 2}").run(run_name=f"r{number}")

    def test_runs_go_on_before_a_run(self):
        repo = Repository()
        assert [run.name for run in repo.get_runs(limit=2)] == ["r3", "r4"]
        assert [run.name for run in repo.get_runs(limit=2, before="r3")] == ["r1", "r2"]
        assert [run.name for run in repo.get_runs(limit=2, before="r1")] == ["r0"]
        assert repo.get_runs(limit=2, before="r0") == []
        assert [run.name for run in repo.get_runs(limit=None, before="r2")] == ["r0", "r1"]

    def test_runs_of_a_pipeline_go_on_before_a_run_of_any(self):
        repo = Repository()
        assert [run.name for run in repo.get_runs("p0", before="r4")] == ["r0", "r2"]
        assert [run.name for run in repo.get_runs("p0", before="r3")] == ["r0", "r2"]

    def test_before_a_run_that_there_is_not_offers_the_nearest(self):
        with pytest.raises(NotFoundError, match="Did you mean"):
            Repository().get_runs(before="rr4")

    def test_executions_up_to_a_limit_are_the_last(self):
        repo = Repository()
        for asked in (
            {},
            {"step": "trainer"},
            {"pipeline": "p1"},
            {"status": "cached"},
            {"step": "importer", "pipeline": "p0", "status": "cached"},
        ):
            everything = [view.id for view in repo.executions(**asked)]
            assert len(everything) >= 2
            for limit in (0, 1, 3, 100):
                last = everything[len(everything) - min(limit, len(everything)) :]
                assert [view.id for view in repo.executions(**asked, limit=limit)] == last

    def test_executions_of_a_status_that_there_is_not_offer_the_nearest(self):
        with pytest.raises(ConfigurationError, match="Did you mean `failed`"):
            Repository().executions(status="faild")

    def test_artifacts_up_to_a_limit_are_the_last(self):
        repo = Repository()
        for asked in ({}, {"type": "Float"}, {"step": "trainer"}):
            everything = ids(repo.artifacts(**asked))
            assert len(everything) >= 5
            for limit in (0, 1, 3, 100):
                last = everything[len(everything) - min(limit, len(everything)) :]
                assert ids(repo.artifacts(**asked, limit=limit)) == last

    def test_artifacts_are_filtered_by_what_else_is_recorded_of_them(self):
        repo = Repository()
        stage(repo, repo.artifacts(type="JsonValue")[1], stage="production", rank=1, score=0.5)
        stage(repo, repo.artifacts(type="JsonValue")[2], stage="production", rank=2)
        models = ids(repo.artifacts(type="JsonValue"))
        assert ids(repo.artifacts(properties={"stage": "production"})) == models[1:3]
        assert ids(repo.artifacts(properties={"stage": "production"}, limit=1)) == models[2:3]
        assert ids(repo.artifacts(properties={"stage": "production", "rank": 1})) == models[1:2]
        assert ids(repo.artifacts(properties={"rank": "2"})) == models[2:3]
        assert ids(repo.artifacts(properties={"score": 0.5}, step="trainer")) == models[1:2]
        assert repo.artifacts(properties={"stage": "staging"}) == []
        assert repo.artifacts(properties={"nothing": "production"}) == []


def stage(repo, artifact, **properties):
    """What a user may record of an artifact through the stock client."""
    (proto,) = repo.store.get_artifacts_by_id([artifact.id])
    for name, value in properties.items():
        field = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(proto.custom_properties[name], field, value)
    repo.store.put_artifacts([proto])
