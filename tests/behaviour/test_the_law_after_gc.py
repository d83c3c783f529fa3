"""After any removals a run returns the same artifacts as a fresh run, and what is pinned can be read."""

import uuid

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zencache import Repository, pipeline, step
from zencache.testing import temporary_repository


@step
def source(value: int) -> list:
    return [value]


@step
def parity(numbers: list) -> list:
    """Gives the same for many inputs, so that objects are shared and what is below it is cut off early."""
    return [number % 2 for number in numbers]


@step
def joined(left: list, right: list) -> list:
    return [*left, *right]


@pipeline
def first(value: int):
    numbers = source(value=value)
    joined(numbers, parity(numbers))


@pipeline
def second(value: int):
    parity(joined(source(value=value), source(value=value + 1)))


EXPECTED = {
    "first": lambda value: [value, value % 2],
    "second": lambda value: [value % 2, (value + 1) % 2],
}
LAST = {"first": "joined", "second": "parity"}
VALUES = st.integers(0, 3)
LIMITS = st.one_of(
    st.fixed_dictionaries({"keep_last": st.integers(0, 3)}),
    st.fixed_dictionaries({"max_count": st.integers(0, 5)}),
    st.fixed_dictionaries({"max_bytes": st.integers(0, 1000), "keep_last": st.integers(0, 2)}),
    st.fixed_dictionaries({"older_than": st.just("0s"), "step": st.sampled_from(["source", "parity"])}),
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from(["first", "second"]), VALUES),
        st.tuples(st.just("gc"), LIMITS),
        st.tuples(st.just("pin"), st.integers(0, 9)),
        st.tuples(st.just("purge"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("doctor")),
    ),
    min_size=3,
    max_size=10,
)
PIPELINES = {"first": first, "second": second}


@given(ACTIONS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_run_after_removals_is_as_a_fresh_one(actions):
    with temporary_repository() as repository:
        first(0).run(repository=repository)
        for action in actions:
            do(repository, *action)
        for name, value in (("first", 0), ("second", 1), ("first", 1)):
            check(repository, name, value)
        for pin in repository.pins():
            (artifact,) = (one for one in repository.artifacts() if str(one.id) == pin.target)
            artifact.read()
        assert repository.doctor(grace="0s", deep=True) == []


def check(repository: Repository, name: str, value: int) -> None:
    run = PIPELINES[name](value).run(repository=repository, run_name=f"{name}-{uuid.uuid4().hex}")
    assert run.steps[LAST[name]].output.read() == EXPECTED[name](value)
    for view in run.steps.values():
        assert view.output.state == "LIVE"
        view.output.read()


def do(repository: Repository, kind: str, *arguments) -> None:
    artifacts = repository.artifacts()
    if kind == "run":
        check(repository, *arguments)
    elif kind == "gc":
        foretold = repository.gc(grace="0s", **arguments[0])
        done = repository.gc(grace="0s", dry_run=False, **arguments[0])
        assert (done.removed, done.freed) == (foretold.removed, foretold.freed)
    elif kind == "pin":
        chosen = artifacts[arguments[0] % len(artifacts)]
        if chosen.state == "LIVE":
            repository.pin(chosen)
    elif kind == "purge":
        chosen = artifacts[arguments[0] % len(artifacts)]
        if not repository.pins():
            repository.purge(chosen, include_itself=arguments[1], dry_run=False)
    else:
        assert repository.doctor(grace="0s") == []
