"""Bytes that are gone or changed are never used: their step runs again, and everything else still hits."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inspection import mlmd_states, statuses, unsound_objects

from zencache import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactUnusable,
    Repository,
    StepFailed,
    pipeline,
    step,
)
from zencache.artifact_store.manifest import Manifest
from zencache.digest import digest_bytes

ARTIFACTS = Path(".zencache") / "artifacts"


@step
def source() -> np.ndarray:
    with open("ran.txt", "a") as ran:
        ran.write("source ")
    return np.arange(1000)


@step
def doubled(array: np.ndarray, plus: int = 0) -> np.ndarray:
    with open("ran.txt", "a") as ran:
        ran.write("doubled ")
    return array * 2 + plus


@step
def total(array: np.ndarray, plus: int = 0) -> int:
    with open("ran.txt", "a") as ran:
        ran.write("total ")
    return int(array.sum()) + plus


@pipeline
def chain(plus: int = 0, last: int = 0):
    total(doubled(source(), plus), last)


SUM = 999 * 1000 // 2


@step
def left(array: np.ndarray, plus: int) -> int:
    with open("ran.txt", "a") as ran:
        ran.write("left ")
    return int(array.sum()) + plus


@step
def right(array: np.ndarray, plus: int) -> int:
    with open("ran.txt", "a") as ran:
        ran.write("right ")
    return int(array.max()) + plus


@step
def joined(left: int, right: int) -> int:
    return left * 1000 + right


@pipeline
def diamond(plus: int = 0):
    array = source()
    joined(left(array, plus), right(array, plus))


def ran() -> list[str]:
    """The steps whose bodies ran since this was asked the last time."""
    file = Path("ran.txt")
    names = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return names


def folder_of(view: Any) -> Path:
    return Path(view.output.uri)


def payload_of(folder: Path) -> Path:
    (file,) = (path for path in (folder / "payload").rglob("*") if path.is_file())
    return file


def rewrite(file: Path, change: Callable[[bytes], bytes]) -> None:
    time.sleep(0.02)  # more than a tick of the clock that stamps files
    file.chmod(0o644)
    file.write_bytes(change(file.read_bytes()))


def flip_byte(folder: Path) -> None:
    """One byte of the content, so that the size stays."""
    rewrite(payload_of(folder), lambda content: content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


def truncate(folder: Path) -> None:
    rewrite(payload_of(folder), lambda content: content[: len(content) // 2])


def lengthen(folder: Path) -> None:
    rewrite(payload_of(folder), lambda content: content + b"\0")


def garble_manifest(folder: Path) -> None:
    rewrite(folder / "manifest.json", lambda content: b"\xff" + content[1:])


def rewrite_manifest(folder: Path) -> None:
    rewrite(folder / "manifest.json", lambda content: content[:-10] + b"00000" + content[-5:])


def forge_manifest(folder: Path) -> None:
    """A sound manifest, of other content."""
    forged = Manifest.of({payload_of(folder).name: digest_bytes(b"other")})
    rewrite(folder / "manifest.json", lambda content: forged.dump())


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "object deleted": (shutil.rmtree, "missing"),
    "payload deleted": (lambda folder: shutil.rmtree(folder / "payload"), "missing"),
    "file deleted": (lambda folder: payload_of(folder).unlink(), "missing"),
    "manifest deleted": (lambda folder: (folder / "manifest.json").unlink(), "missing"),
    "manifest garbled": (garble_manifest, "damaged"),
    "manifest rewritten": (rewrite_manifest, "damaged"),
    "manifest of another object": (forge_manifest, "damaged"),
    "file truncated": (truncate, "damaged"),
    "file emptied": (lambda folder: rewrite(payload_of(folder), lambda content: b""), "damaged"),
    "file lengthened": (lengthen, "damaged"),
}
damages = pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)


@damages
def test_what_is_found_without_reading_is_a_miss_with_its_reason_and_heals(project, damage, reason):
    first = chain().run()
    damage(folder_of(first.steps["source"]))
    ran()

    run = chain().run()

    assert statuses(run) == {"source": "completed", "doubled": "cached", "total": "cached"}
    assert f"an artifact is {reason}" in run.steps["source"].reason
    assert "output" in run.steps["source"].reason
    assert ran() == ["source"]
    assert run.steps["source"].output.read().tolist() == list(range(1000))
    assert unsound_objects(ARTIFACTS) == []
    assert set(statuses(chain().run()).values()) == {"cached"}


@damages
def test_a_damaged_output_in_the_middle_is_made_again_from_what_is_whole(project, damage, reason):
    first = chain().run()
    damage(folder_of(first.steps["doubled"]))
    ran()

    run = chain(last=5).run()

    assert ran() == ["doubled", "total"]
    assert statuses(run) == {"source": "cached", "doubled": "completed", "total": "completed"}
    assert run.steps["total"].output.read() == 2 * SUM + 5
    assert unsound_objects(ARTIFACTS) == []


@damages
def test_all_outputs_of_a_chain_may_be_damaged_at_once(project, damage, reason):
    first = chain().run()
    for view in first.steps.values():
        damage(folder_of(view))
    ran()

    run = chain().run()

    assert ran() == ["source", "doubled", "total"]
    assert run.steps["total"].output.read() == 2 * SUM
    assert unsound_objects(ARTIFACTS) == []


def test_a_flipped_byte_is_found_by_the_consumer_which_gets_the_right_data_in_the_same_run(project):
    first = chain().run()
    flip_byte(folder_of(first.steps["source"]))
    ran()

    run = chain(plus=1).run()

    assert ran() == ["source", "doubled", "total"]
    assert statuses(run) == {"source": "completed", "doubled": "completed", "total": "completed"}
    assert "damaged" in run.steps["source"].reason
    assert run.steps["total"].output.read() == 2 * SUM + 1000
    assert unsound_objects(ARTIFACTS) == []
    assert set(statuses(chain(plus=1).run()).values()) == {"cached"}
    assert "RUNNING" not in [state for _, state in mlmd_states(Repository().store)]


def test_flipped_bytes_in_the_whole_chain_are_found_one_after_the_other(project):
    first = chain().run()
    for name in ("source", "doubled"):
        flip_byte(folder_of(first.steps[name]))
    ran()

    run = chain(last=5).run()

    assert ran() == ["source", "doubled", "total"]
    assert run.steps["total"].output.read() == 2 * SUM + 5
    assert unsound_objects(ARTIFACTS) == []


def test_what_nobody_reads_is_not_read(project):
    first = chain().run()
    flip_byte(folder_of(first.steps["source"]))
    ran()

    run = chain().run()

    assert set(statuses(run).values()) == {"cached"}
    assert ran() == []
    with pytest.raises(ArtifactDamaged):
        run.steps["source"].output.read()


def test_a_flipped_byte_above_a_diamond_runs_the_producer_once_for_both_consumers(project):
    first = diamond().run()
    flip_byte(folder_of(first.steps["source"]))
    ran()

    run = diamond(plus=1).run()

    assert ran() == ["source", "left", "right"]
    assert run.steps["joined"].output.read() == (SUM + 1) * 1000 + 1000
    assert statuses(run)["source"] == "completed"
    assert unsound_objects(ARTIFACTS) == []


def test_a_byte_flipped_by_one_consumer_does_not_reach_the_other(project):
    @step
    def vandal(array: np.ndarray, after: int) -> int:
        (file,) = Path(str(Path("victim").read_text())).glob("payload/*")
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:-2] + b"\x55" + file.read_bytes()[-1:])
        return int(array[-1])

    @pipeline
    def vandalised():
        array = source()
        right(array, vandal(array, 0))

    Path("victim").write_text(str(folder_of(diamond().run().steps["source"])))
    time.sleep(0.02)

    run = vandalised().run()

    assert run.steps["right"].output.read() == 999 + 999
    assert unsound_objects(ARTIFACTS) == []


@pytest.mark.parametrize("damage", [flip_byte, truncate, shutil.rmtree])
def test_two_steps_with_equal_bytes_share_one_object_and_both_heal(project, damage):
    @step
    def twin() -> np.ndarray:
        return np.arange(1000)

    @pipeline
    def twins(plus: int = 0):
        joined(left(source(), plus), right(twin(), plus))

    first = twins().run()
    assert first.steps["twin"].output.uri == first.steps["source"].output.uri
    damage(folder_of(first.steps["twin"]))

    run = twins(plus=1).run()

    assert run.steps["joined"].output.read() == (SUM + 1) * 1000 + 1000
    assert unsound_objects(ARTIFACTS) == []
    assert set(statuses(twins(plus=1).run()).values()) == {"cached"}


ALL = {**{name: damage for name, (damage, _) in DAMAGES.items()}, "byte flipped": flip_byte}


@pytest.mark.parametrize("damage", ALL.values(), ids=ALL)
def test_reading_the_last_output_afterwards_says_what_is_wrong_and_what_to_do(project, damage):
    run = chain().run()
    output = run.steps["total"].output
    damage(Path(output.uri))

    with pytest.raises(ArtifactUnusable) as unusable:
        output.read()

    assert isinstance(unusable.value, ArtifactMissing | ArtifactDamaged)
    assert output.uri in str(unusable.value)
    assert output.digest in str(unusable.value)
    assert "Run the pipeline again" in (unusable.value.hint or "")


@pytest.mark.parametrize(
    "damage",
    list(ALL.values()),
    ids=ALL,
)
def test_a_last_output_that_was_read_in_vain_is_made_again_by_the_next_run(project, damage):
    output = chain().run().steps["total"].output
    damage(Path(output.uri))
    with pytest.raises(ArtifactUnusable):
        output.read()
    ran()

    run = chain().run()

    assert statuses(run) == {"source": "cached", "doubled": "cached", "total": "completed"}
    assert run.steps["total"].output.read() == 2 * SUM
    assert ran() == ["total"]
    assert unsound_objects(ARTIFACTS) == []


def test_an_artifact_that_the_stock_client_marked_deleted_is_a_miss(project):
    first = chain().run()
    store = Repository().store
    (artifact,) = store.get_artifacts_by_id([first.steps["source"].output.id])
    artifact.state = artifact.State.Value("DELETED")
    store.put_artifacts([artifact])
    ran()

    run = chain().run()

    assert ran() == ["source"]
    assert statuses(run) == {"source": "completed", "doubled": "cached", "total": "cached"}
    assert "DELETED" in run.steps["source"].reason
    assert run.steps["source"].output.state == "LIVE"
    assert run.steps["source"].output.id != first.steps["source"].output.id
    assert set(statuses(chain().run()).values()) == {"cached"}


def test_the_artifact_of_a_damaged_object_is_marked_and_keeps_its_facts(project):
    first = chain().run()
    damaged = first.steps["source"].output
    truncate(Path(damaged.uri))
    chain().run()

    (artifact,) = Repository().store.get_artifacts_by_id([damaged.id])

    assert artifact.State.Name(artifact.state) == "DELETED"
    assert artifact.uri == damaged.uri
    assert artifact.custom_properties["zencache_digest"].string_value == damaged.digest
    assert list((ARTIFACTS / "damaged").iterdir()), "the damaged bytes are kept for whoever wants to look"


@step
def measured() -> int:
    """Not a pure function, so that two entries of one key differ."""
    return int(Path("measure.txt").read_text())


@step
def plus_one(x: int, plus: int = 1) -> int:
    return x + plus


@pipeline
def measuring(plus: int = 1):
    plus_one(measured(), plus)


@pytest.fixture
def two_entries(project: Path) -> Any:
    """The run that made the newer entry of ``measured``, 20; the older one holds 10."""
    runs = []
    for value in (10, 20):
        Path("measure.txt").write_text(str(value))
        runs.append(measuring().run(enable_cache=False))
        time.sleep(0.005)  # MLMD's clock counts milliseconds
    Path("measure.txt").write_text("30")
    assert measuring().run().steps["plus_one"].output.read() == 21
    return runs[-1]


@damages
def test_the_older_entry_is_used_when_the_newest_is_unusable(two_entries, damage, reason):
    damage(folder_of(two_entries.steps["measured"]))

    run = measuring().run()

    assert statuses(run) == {"measured": "cached", "plus_one": "cached"}
    assert run.steps["measured"].output.read() == 10
    assert run.steps["plus_one"].output.read() == 11
    assert measuring().run().steps["plus_one"].output.read() == 11


def test_the_older_entry_is_used_when_the_newest_turns_out_to_be_damaged_on_reading(two_entries):
    flip_byte(folder_of(two_entries.steps["measured"]))

    run = measuring(plus=5).run()

    assert statuses(run) == {"measured": "cached", "plus_one": "completed"}
    assert run.steps["measured"].output.read() == 10
    assert run.steps["plus_one"].output.read() == 15
    assert unsound_objects(ARTIFACTS) == []


def test_the_step_runs_when_all_of_its_entries_are_unusable(two_entries):
    for artifact in Repository().artifacts(step="measured"):
        shutil.rmtree(artifact.uri)

    run = measuring().run()

    assert statuses(run) == {"measured": "completed", "plus_one": "completed"}
    assert run.steps["plus_one"].output.read() == 31


def test_a_run_without_the_cache_replaces_a_damaged_object(project):
    first = chain().run()
    flip_byte(folder_of(first.steps["source"]))

    run = chain().run(enable_cache=False)

    assert run.steps["source"].output.read().tolist() == list(range(1000))
    assert unsound_objects(ARTIFACTS) == []


def test_a_value_given_to_the_pipeline_is_stored_again_when_its_object_is_damaged(project):
    @pipeline
    def given(plus: int):
        total(np.arange(1000), plus)

    first = given(0).run()
    flip_byte(Path(first.steps["total"].inputs["array"].uri))

    run = given(1).run()

    assert run.steps["total"].output.read() == SUM + 1
    assert unsound_objects(ARTIFACTS) == []


def test_the_whole_artifact_store_may_be_deleted(project):
    chain().run()
    shutil.rmtree(ARTIFACTS)
    ran()

    run = chain().run()

    assert ran() == ["source", "doubled", "total"]
    assert run.steps["total"].output.read() == 2 * SUM


def test_the_metadata_may_be_deleted_under_the_artifacts(project):
    chain().run()
    for file in Path(".zencache").glob("metadata.db*"):
        file.unlink()
    ran()

    run = chain().run()

    assert ran() == ["source", "doubled", "total"]
    assert run.steps["total"].output.read() == 2 * SUM
    assert unsound_objects(ARTIFACTS) == []


def test_a_store_that_was_away_for_a_while_is_used_again_when_it_is_back(project):
    @step
    def fetch() -> int:
        if Path("offline").exists():
            raise ConnectionError("the network is down")
        return 7

    @pipeline
    def fetching():
        fetch()

    first = fetching().run()
    away = ARTIFACTS.with_name("away")
    ARTIFACTS.rename(away)
    Path("offline").touch()
    with pytest.raises(StepFailed, match="the network is down"):
        fetching().run()
    shutil.rmtree(ARTIFACTS)
    away.rename(ARTIFACTS)

    run = fetching().run()

    assert statuses(run) == {"fetch": "cached"}
    assert run.steps["fetch"].output.read() == 7
    (artifact,) = Repository().store.get_artifacts_by_id([first.steps["fetch"].output.id])
    assert artifact.State.Name(artifact.state) == "LIVE"


def test_bytes_that_are_back_do_not_revive_what_somebody_else_deleted(project):
    first = chain().run()
    store = Repository().store
    (artifact,) = store.get_artifacts_by_id([first.steps["source"].output.id])
    artifact.state = artifact.State.Value("DELETED")
    store.put_artifacts([artifact])
    chain().run()
    ran()

    assert set(statuses(chain().run()).values()) == {"cached"}
    (artifact,) = store.get_artifacts_by_id([first.steps["source"].output.id])
    assert artifact.State.Name(artifact.state) == "DELETED"
