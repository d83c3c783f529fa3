"""Everything that a run did can be read with the stock ``ml_metadata`` client alone."""

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

from zencache import BaseStepConfig, Output, Repository, StepFailed, pipeline, step


class TrainerConfig(BaseStepConfig):
    epochs: int = 1
    rate: float = 0.1 + 0.2


@step
def importer() -> Output(X=list, y=list):
    return [1, 2, 3], [0, 1, 0]


@step
def trainer(config: TrainerConfig, X: list, y: list, note: str = "a") -> dict:
    return {"weight": sum(X) * config.epochs}


@step
def evaluator(model: dict, X: list) -> float:
    return float(model["weight"])


@step
def report(accuracy: float):
    if accuracy > 100:
        raise ValueError("too good to be true")


@pipeline
def training(importer, trainer, evaluator, report):
    X, y = importer()
    model = trainer(X=X, y=y)
    report(evaluator(model=model, X=X))


def run(epochs, **options):
    return training(importer(), trainer(config=TrainerConfig(epochs=epochs)), evaluator(), report()).run(
        **options
    )


@pytest.fixture
def stock(project):
    """A stock client of its own on the same database, opened after the runs."""

    def connect():
        config = proto.ConnectionConfig()
        config.sqlite.filename_uri = Repository().metadata_url.removeprefix("sqlite:///")
        return metadata_store.MetadataStore(config)

    return connect


def executions_of(store, run_name):
    context = store.get_context_by_type_and_name("pipeline_run", run_name)
    return {execution.type: execution for execution in store.get_executions_by_context(context.id)}


def state(execution):
    return proto.Execution.State.Name(execution.last_known_state)


def edges(store, execution):
    """``(direction, name, artifact id)`` of every event."""
    return {
        (proto.Event.Type.Name(event.type), step.key, event.artifact_id)
        for event in store.get_events_by_execution_ids([execution.id])
        for step in event.path.steps
        if step.WhichOneof("value") == "key"
    }


def test_each_step_of_each_run_is_an_execution_with_its_state(stock):
    first, second = run(1), run(1)
    store = stock()
    assert {name: state(e) for name, e in executions_of(store, first.name).items()} == {
        "importer": "COMPLETE",
        "trainer": "COMPLETE",
        "evaluator": "COMPLETE",
        "report": "COMPLETE",
    }
    assert {name: state(e) for name, e in executions_of(store, second.name).items()} == {
        "importer": "CACHED",
        "trainer": "CACHED",
        "evaluator": "CACHED",
        "report": "COMPLETE",
    }


def test_parameters_are_typed_custom_properties_and_floats_keep_every_digit(stock):
    run(2)
    second = run(2)
    for name in (run(2).name, second.name):
        properties = executions_of(stock(), name)["trainer"].custom_properties
        assert properties["epochs"].int_value == 2
        assert properties["note"].string_value == "a"
        assert properties["rate"].double_value == pytest.approx(0.3)
        assert repr(0.1 + 0.2) in properties["zencache_parameters"].string_value


def test_a_cached_execution_names_its_source_and_has_the_same_edges(stock):
    first, second = run(1), run(1)
    store = stock()
    executed, cached = executions_of(store, first.name), executions_of(store, second.name)
    for name in ("importer", "trainer", "evaluator"):
        assert cached[name].custom_properties["zencache_source_execution"].int_value == executed[name].id
        assert edges(store, cached[name]) == edges(store, executed[name])
    assert {(kind, name) for kind, name, _ in edges(store, cached["trainer"])} == {
        ("INPUT", "X"),
        ("INPUT", "y"),
        ("OUTPUT", "output"),
    }


def test_a_source_is_the_execution_that_ran_however_often_it_was_reused(stock):
    first = run(1)
    runs = [run(1) for _ in range(3)]
    store = stock()
    made = executions_of(store, first.name)["trainer"].id
    assert {
        executions_of(store, one.name)["trainer"].custom_properties["zencache_source_execution"].int_value
        for one in runs
    } == {made}


def test_artifacts_are_typed_live_and_carry_uri_digest_and_size(stock):
    first = run(1)
    store = stock()
    types = {t.id: t for t in store.get_artifact_types()}
    artifacts = store.get_artifacts()
    assert {types[a.type_id].name for a in artifacts} == {"JsonValue", "Float"}
    for artifact in artifacts:
        assert proto.Artifact.State.Name(artifact.state) == "LIVE"
        assert artifact.uri.startswith(Repository().artifacts_url)
        assert artifact.custom_properties["zencache_digest"].string_value.startswith("blake3:")
        assert int(artifact.custom_properties["zencache_size"].string_value) > 0
    output = first.steps["trainer"].output
    assert (
        store.get_artifacts_by_id([output.id])[0].custom_properties["zencache_digest"].string_value
        == output.digest
    )


def test_contexts_lie_as_tfx_lays_them(stock):
    first, second = run(1), run(1)
    store = stock()
    (parent,) = store.get_contexts_by_type("pipeline")
    assert parent.name == "training"
    assert {c.name for c in store.get_children_contexts_by_context(parent.id)} == {first.name, second.name}
    assert {c.name for c in store.get_contexts_by_type("node")} == {
        "training.importer",
        "training.trainer",
        "training.evaluator",
        "training.report",
    }
    node = store.get_context_by_type_and_name("node", "training.trainer")
    assert {state(e) for e in store.get_executions_by_context(node.id)} == {"COMPLETE", "CACHED"}
    made = {
        a.id
        for a in store.get_artifacts_by_context(
            store.get_context_by_type_and_name("pipeline_run", first.name).id
        )
    }
    reused = {
        a.id
        for a in store.get_artifacts_by_context(
            store.get_context_by_type_and_name("pipeline_run", second.name).id
        )
    }
    assert made == reused != set()


def test_a_cache_context_is_named_by_the_key_and_holds_executed_steps_only(stock):
    first, _, third = run(1), run(1), run(1, enable_cache=False)
    store = stock()
    key = executions_of(store, first.name)["trainer"].custom_properties["zencache_cache_key"].string_value
    context = store.get_context_by_type_and_name("execution_cache", key)
    assert {e.id for e in store.get_executions_by_context(context.id)} == {
        executions_of(store, first.name)["trainer"].id,
        executions_of(store, third.name)["trainer"].id,
    }


def test_a_bypassed_step_is_recorded_and_says_which_level_decided(stock):
    run(1)
    bypassed = run(1, enable_cache=False)
    trained = executions_of(stock(), bypassed.name)["trainer"]
    assert state(trained) == "COMPLETE"
    assert '"CACHE_OFF"' in trained.custom_properties["zencache_decision"].string_value
    assert '"level":"run"' in trained.custom_properties["zencache_decision"].string_value


def test_a_failed_step_is_recorded_with_its_error_and_its_inputs(stock):
    with pytest.raises(StepFailed, match="too good to be true"):
        run(1000)
    failed = Repository().get_runs()[-1]
    store = stock()
    execution = executions_of(store, failed.name)["report"]
    assert state(execution) == "FAILED"
    assert execution.custom_properties["zencache_error"].string_value == "ValueError: too good to be true"
    assert "report" in execution.custom_properties["zencache_traceback"].string_value
    assert {(kind, name) for kind, name, _ in edges(store, execution)} == {("INPUT", "accuracy")}
    context = store.get_context_by_type_and_name("pipeline_run", failed.name)
    assert context.custom_properties["zencache_status"].string_value == "failed"


def test_two_inputs_that_are_one_artifact_are_one_event_with_both_names(project, stock):
    @step
    def make() -> int:
        return 3

    @step
    def add(a: int, b: int) -> int:
        return a + b

    @pipeline
    def doubled():
        number = make()
        add(a=number, b=number)

    name = doubled().run().name
    assert doubled().run().steps["add"].output.read() == 6
    store = stock()
    context = store.get_context_by_type_and_name("pipeline_run", name)
    added = next(e for e in store.get_executions_by_context(context.id) if e.type == "add")
    assert {(kind, key) for kind, key, _ in edges(store, added)} == {
        ("INPUT", "a"),
        ("INPUT", "b"),
        ("OUTPUT", "output"),
    }


def test_the_store_of_a_repository_is_the_stock_one(project):
    run(1)
    store = Repository().store
    assert isinstance(store, metadata_store.MetadataStore)
    assert len(store.get_executions()) == 4
