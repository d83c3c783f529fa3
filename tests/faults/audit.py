"""What must hold of a project whatever happened to it: nothing wrong, nothing lost, nothing stuck."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import mixed_load
from inspection import files_in_staging, unsound_objects
from ml_metadata.proto import metadata_store_pb2 as mlmd

from zencache import Repository

ARTIFACTS = Path(".zencache") / "artifacts"


def assert_sound() -> None:
    """Audit the project in the working directory, and put its whole family of pipelines to work once more."""
    assert not Path("wrong.txt").exists(), Path("wrong.txt").read_text()
    assert not Path("errors.txt").exists(), Path("errors.txt").read_text()
    mixed_load.run_one(mixed_load.NUMBERS + 1, 1)  # a run of any pipeline clears what dead ones left
    repository = Repository()
    store = repository.store
    executions = store.get_executions()
    states = Counter(execution.State.Name(execution.last_known_state) for execution in executions)
    assert set(states) <= {"COMPLETE", "CACHED", "CANCELED"}, states
    names = Counter(execution.name for execution in executions)
    assert [name for name, count in names.items() if count > 1] == [], "one execution for a node of a run"
    assert {run.status for run in repository.get_runs(limit=None)} <= {"completed", "canceled"}
    assert unsound_objects(ARTIFACTS) == []
    assert files_in_staging(ARTIFACTS) == []
    assert_every_entry_hits(recorded_keys(store))


def recorded_keys(store: Any) -> set[str]:
    """The keys that have an entry whose bytes nobody has cleaned up, by the stock client."""
    found = set()
    for context in store.get_contexts_by_type("execution_cache"):
        for execution in store.get_executions_by_context(context.id):
            events = store.get_events_by_execution_ids([execution.id])
            outputs = [event.artifact_id for event in events if event.type == event.OUTPUT]
            states = {artifact.state for artifact in store.get_artifacts_by_id(outputs)}
            if execution.last_known_state == execution.COMPLETE and states == {mlmd.Artifact.LIVE}:
                found.add(context.name)
    return found


def assert_every_entry_hits(recorded: set[str]) -> None:
    """No entry is lost, and nothing stands in the way of any step."""
    for number in range(mixed_load.NUMBERS):
        for factor in range(1, mixed_load.FACTORS + 1):
            for view in mixed_load.run_one(number, factor).steps.values():
                assert view.is_cached or view.cache_key not in recorded, (number, factor, view)
            again = mixed_load.run_one(number, factor)
            assert all(view.is_cached for view in again.steps.values()), (number, factor)
    assert not Path("wrong.txt").exists(), Path("wrong.txt").read_text()
