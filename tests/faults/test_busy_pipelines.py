"""Many runs of one pipeline write to its context: who never gets in records its run nevertheless."""

from __future__ import annotations

import pytest
from inspection import mlmd_runs, statuses
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store

from zencache import Repository, pipeline, step


@step
def one() -> int:
    return 1


@step
def two(x: int, plus: int) -> int:
    return x + plus


@pipeline
def counting(plus: int):
    two(one(), plus)


@pytest.fixture
def contended(project, monkeypatch):
    """From now on another run is always faster to note something with the pipeline; how often it was."""
    counting(1).run()
    lost = []
    real = metadata_store.MetadataStore._call

    def call(self, method_name, request, response):
        if method_name == "PutLineageSubgraph":
            noted = [c for c in request.contexts if c.id and "zencache_last_run" in c.custom_properties]
            if noted:
                lost.append(method_name)
                raise errors.AbortedError("two transactions met")
        return real(self, method_name, request, response)

    monkeypatch.setattr(metadata_store.MetadataStore, "_call", call)
    return lost


def test_a_run_that_executes(contended):
    run = counting(2).run()
    assert statuses(run) == {"one": "cached", "two": "completed"}
    assert contended
    assert statuses(counting(2).run()) == {"one": "cached", "two": "cached"}
    assert mlmd_runs(Repository().store) == ["completed"] * 3


def test_a_run_that_is_cached(contended):
    assert statuses(counting(1).run()) == {"one": "cached", "two": "cached"}
    assert contended
    (found,) = Repository().get_pipelines()
    assert [run.status for run in found.runs] == ["completed", "completed"]
