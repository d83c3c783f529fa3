"""Clean-up, quota and doctor do the same on every kind of metadata store and of artifact store."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
from artifact_kinds import url_of
from metadata_servers import metadata_url

from zencache import Repository, StepFailed, pipeline, step
from zencache.stores import _artifact_store

SIZE = 10_000  # numbers of 8 bytes in each large output


@step
def loaded(seed: int) -> np.ndarray:
    return np.arange(SIZE) * seed


@step
def total(x: np.ndarray) -> float:
    return float(x.sum())


@pipeline
def working(seed: int = 1):
    total(loaded(seed))


@pytest.fixture(
    params=[
        pytest.param(("sqlite", "local"), id="sqlite-local"),
        pytest.param(("sqlite", "memory"), id="sqlite-memory"),
        *(
            pytest.param(kinds, id="-".join(kinds), marks=pytest.mark.slow)
            for kinds in [
                ("sqlite", "s3"),
                ("mysql", "local"),
                ("postgresql", "memory"),
                ("grpc", "s3"),
            ]
        ),
    ]
)
def open_repository(request, project, monkeypatch):
    """``open_repository()``: the repository of this test, as a new process would open it."""
    metadata, artifacts = request.param
    monkeypatch.delenv("ZENCACHE_QUOTA", raising=False)
    with ExitStack() as opened:
        here = {
            "metadata": opened.enter_context(metadata_url(metadata, project)),
            "artifacts": url_of(artifacts, project, monkeypatch),
        }

        def open_repository():
            _artifact_store.cache_clear()
            return Repository(**here)

        yield open_repository


def statuses(run):
    return {name: view.status for name, view in run.steps.items()}


def findings(repository, **options):
    return [str(one) for one in repository.doctor(grace="0s", **options)]


def test_the_last_runs_keep_their_bytes_and_the_others_lose_them(open_repository):
    for seed in (1, 2, 3):
        working(seed).run(repository=open_repository())
    planned = open_repository().gc(keep_last=1, grace="0s")
    assert planned.is_dry_run
    report = open_repository().gc(keep_last=1, grace="0s", dry_run=False)
    assert len(report.removed) == len(planned.removed) == 4
    assert report.freed > 2 * 8 * SIZE
    repository = open_repository()
    assert sorted(a.state for a in repository.artifacts()) == ["DELETED"] * 4 + ["LIVE"] * 2
    assert findings(repository) == []
    assert statuses(working(3).run(repository=repository)) == {"loaded": "cached", "total": "cached"}
    again = working(1).run(repository=open_repository())
    assert statuses(again) == {"loaded": "completed", "total": "completed"}
    assert again.steps["total"].output.read() == float(np.arange(SIZE).sum())


def test_what_is_pinned_stays(open_repository):
    run = working().run(repository=open_repository())
    repository = open_repository()
    repository.pin(run.steps["loaded"].output)
    open_repository().gc(max_bytes=0, grace="0s", dry_run=False)
    states = {a.producer_step.name: a.state for a in open_repository().artifacts()}
    assert states == {"loaded": "LIVE", "total": "DELETED"}


def test_a_step_that_would_write_beyond_the_quota_fails_and_a_clean_up_makes_room(
    open_repository, monkeypatch
):
    monkeypatch.setenv("ZENCACHE_QUOTA", str(12 * SIZE))
    working(1).run(repository=open_repository())
    with pytest.raises(StepFailed, match="quota"):
        working(2).run(repository=open_repository())
    assert statuses(working(1).run(repository=open_repository())) == {"loaded": "cached", "total": "cached"}
    open_repository().gc(max_bytes=0, grace="0s", dry_run=False)
    assert working(2).run(repository=open_repository()).status == "completed"


def test_the_doctor_finds_and_mends_what_hands_have_done(open_repository):
    run = working().run(repository=open_repository())
    repository = open_repository()
    store, artifact = repository.stores.artifacts, run.steps["loaded"].output.artifact
    store.remove(artifact.uri.removeprefix(store.url).strip("/"))
    with store.stage() as directory:
        (directory / "x").write_text("nobody's")
        store.publish(directory)
    execution = repository.store.get_executions()[-1]
    execution.last_known_state = execution.State.Value("RUNNING")
    repository.store.put_executions([execution], field_mask_paths=["last_known_state"])

    told = findings(open_repository(), mend=True)
    for expected in (
        "missing",
        "no artifact refers to",
        "A step is said to be running in a run that has ended",
    ):
        assert any(expected in line for line in told), told
    findings(open_repository(), mend=True)
    assert findings(open_repository()) == []
    again = working().run(repository=open_repository())
    assert again.steps["total"].output.read() == float(np.arange(SIZE).sum())


def test_purged_bytes_are_gone_everywhere(open_repository):
    run = working().run(repository=open_repository())
    open_repository().purge(run.steps["loaded"].output, include_itself=True, dry_run=False)
    assert {a.state for a in open_repository().artifacts()} == {"DELETED"}
    assert statuses(working().run(repository=open_repository()))["loaded"] == "completed"
