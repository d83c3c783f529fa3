"""The law of the whole product: a cached run returns the same artifacts as a fresh run."""

import uuid

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from zencache import Repository, pipeline, step
from zencache.digest import fingerprint
from zencache.events import WillExecute
from zencache.key import KeyMaker
from zencache.testing import capture_events


@step
def source(value: int) -> list:
    return [value]


@step
def scale(numbers: list, factor: int) -> list:
    return [number * factor for number in numbers]


@step
def parity(numbers: list, value: int) -> list:
    """Gives the same for many inputs, so that what is below it is cut off early."""
    return [(number + value) % 2 for number in numbers]


@step
def join(left: list, right: list, offset: int) -> list:
    return [*left, *right, offset]


STEPS = {"source": (source, 0), "scale": (scale, 1), "parity": (parity, 1), "join": (join, 2)}
SMALL = st.integers(-3, 3)


@st.composite
def programs(draw):
    """A list of ``(step, its inputs as positions before it, its parameter)``."""
    nodes = [("source", (), draw(SMALL))]
    for position in range(1, draw(st.integers(2, 7))):
        name = draw(st.sampled_from(sorted(STEPS)))
        inputs = tuple(draw(st.integers(0, position - 1)) for _ in range(STEPS[name][1]))
        nodes.append((name, inputs, draw(SMALL)))
    return nodes


EDITS = st.lists(st.tuples(st.integers(0, 6), SMALL), max_size=4)


def edited(program, edit):
    position, parameter = edit[0] % len(program), edit[1]
    name, inputs, _ = program[position]
    return [*program[:position], (name, inputs, parameter), *program[position + 1 :]]


def bound(program):
    @pipeline(name="law")
    def wired():
        handles = []
        for name, inputs, parameter in program:
            handles.append(STEPS[name][0](*(handles[i] for i in inputs), parameter))

    return wired()


def memory_repository():
    return Repository(metadata=f"memory://{uuid.uuid4().hex}", artifacts=f"memory://{uuid.uuid4().hex}")


def contents(run):
    return [(view.name, view.output.digest, view.output.read()) for view in run.steps.values()]


def expected_values(program):
    """What plain Python gives, without any cache."""
    values = []
    for name, inputs, parameter in program:
        values.append(STEPS[name][0].entrypoint(*(values[i] for i in inputs), parameter))
    return values


def check_the_law(program, edits):
    shared = memory_repository()
    seen = set()
    for edit in [None, *edits, None]:
        program = program if edit is None else edited(program, edit)
        with capture_events() as happened:
            cached = contents(bound(program).run(repository=shared))
        fresh = contents(bound(program).run(repository=memory_repository()))
        values = expected_values(program)
        assert cached == fresh
        assert [value for _, _, value in cached] == values

        # And nothing runs that has been seen before: exactly the new combinations of step, parameter
        # and content of inputs.
        wanted = []
        for (name, inputs, parameter), (node, _, _) in zip(program, cached, strict=True):
            combination = (name, parameter, repr([values[i] for i in inputs]))
            if combination not in seen:
                wanted.append(node)
            seen.add(combination)
        assert [event.step for event in happened if isinstance(event, WillExecute)] == wanted


def law(examples):
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(programs(), EDITS)
    def checked(program, edits):
        check_the_law(program, edits)

    return checked


def test_a_cached_run_returns_the_same_artifacts_as_a_fresh_run(project):
    law(25)()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cached_run_returns_the_same_artifacts_as_a_fresh_run_150_times(project):
    law(150)()


@pytest.mark.parametrize("forgotten", ["parameter ", "input ", "code"])
def test_a_cache_that_forgets_a_part_of_the_key_is_caught(project, monkeypatch, forgotten):
    from zencache import key

    def wrong_key(parts):
        return key.CacheKey(
            fingerprint(sorted(row for row in parts.rows if not row[0].startswith(forgotten))), parts.labels
        )

    monkeypatch.setattr(key._Parts, "key", wrong_key)
    if forgotten == "code":
        # With the code forgotten, an edited function of the same name gives the old result.
        def versions():
            @step(name="scale")
            def first(x: int) -> int:
                return x

            @step(name="scale")
            def second(x: int) -> int:
                return -x

            return first, second

        shared = memory_repository()
        outputs = []
        for version in versions():

            @pipeline
            def edited_code(version=version):
                version(2)

            outputs.append(edited_code().run(repository=shared).steps["scale"].output.read())
        with pytest.raises(AssertionError):
            assert outputs == [2, -2]
    else:
        with pytest.raises(AssertionError):
            law(200)()


def test_the_parts_that_the_wrong_caches_forget_are_there(project):
    run = bound([("source", (), 1), ("scale", (0,), 2)]).run(repository=memory_repository())
    labels = run.steps["scale"].execution.key_parts
    assert {"parameter factor", "input numbers"} <= set(labels)
    assert any(label.startswith("code: ") for label in labels)
    assert (
        KeyMaker().key(scale.declaration, {"factor": 2}, {}).hex
        != KeyMaker().key(scale.declaration, {"factor": 3}, {}).hex
    )
