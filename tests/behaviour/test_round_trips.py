"""A run whose steps are all cached asks the metadata store a handful of questions, however long it is."""

from __future__ import annotations

import pytest
from ml_metadata.metadata_store import metadata_store

from zencache import Repository, pipeline, step

MOST = 10


@step
def first() -> int:
    return 0


@step
def following(value: int, number: int) -> int:
    return value + number


@pipeline
def chain(length: int):
    value = first()
    for number in range(1, length):
        value = following(value, number=number)


@pytest.fixture
def calls(monkeypatch):
    """The names of the calls to MLMD, as they are made."""
    made: list[str] = []
    call = metadata_store.MetadataStore._call

    def counted(self, method_name, *arguments):
        made.append(method_name)
        return call(self, method_name, *arguments)

    monkeypatch.setattr(metadata_store.MetadataStore, "_call", counted)
    return made


def run(length):
    done = chain(length).run(repository=Repository())
    return [one.status for one in done.steps.values()]


def test_a_warm_run_of_fifty_steps_makes_no_more_calls_than_one_of_three(project, calls):
    counts = {}
    for length in (3, 50):
        assert run(length) == ["completed"] * length or length == 50
        run(length)
        calls.clear()
        done = chain(length).run(repository=Repository())
        counts[length] = len(calls)
        assert [one.status for one in done.steps.values()] == ["cached"] * length
    assert counts[3] == counts[50]
    assert counts[50] <= MOST


def test_a_process_that_knows_nothing_yet_needs_no_more_than_ten(project, run_script):
    source = """
    import sys
    from ml_metadata.metadata_store import metadata_store
    from zencache import pipeline, step

    @step
    def first() -> int:
        return 0

    @step
    def following(value: int, number: int) -> int:
        return value + number

    @pipeline
    def chain():
        value = first()
        for number in range(1, 50):
            value = following(value, number=number)

    made = []
    call = metadata_store.MetadataStore._call
    def counted(self, method_name, *arguments):
        made.append(method_name)
        return call(self, method_name, *arguments)
    metadata_store.MetadataStore._call = counted
    run = chain().run()
    count = len(made)
    print(count, {step.status for step in run.steps.values()})
    """
    run_script(source)
    count, status = run_script(source).stdout.split()
    assert status == "{'cached'}"
    assert int(count) <= MOST
