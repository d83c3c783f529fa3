"""A disk that is full in the middle of a write: one clear error, nothing half-visible, nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from inspection import files_in_staging, mlmd_runs, mlmd_states, statuses, unsound_objects

from zencache import (
    ArtifactStoreError,
    MetadataStoreError,
    Repository,
    StepFailed,
    ZencacheError,
    pipeline,
    step,
)

MEGABYTE = 1 << 20


@step
def small() -> int:
    return 3


@step
def big(x: int) -> np.ndarray:
    return np.arange(x * MEGABYTE, dtype=np.uint16)


@step
def total(array: np.ndarray) -> int:
    return int(array.sum(dtype=np.int64))


@pipeline
def filling():
    total(big(small()))


@step
def text(x: int) -> str:
    return "x" * 5000


@step
def length(text: str) -> int:
    return len(text)


@pipeline
def texting():
    length(text(small()))


TOTAL = int(np.arange(3 * MEGABYTE, dtype=np.uint16).sum(dtype=np.int64))


class Disk:
    """A small file system in memory, of a size that can change."""

    def __init__(self, folder: Path, options: str):
        self.folder = folder
        folder.mkdir()
        self._mount("tmpfs", options)

    def remount(self, options: str) -> None:
        self._mount("tmpfs", f"remount,{options}")

    def _mount(self, kind: str, options: str) -> None:
        command = ["mount", "-t", kind, "-o", options, kind, str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)


def fill_up(path: Path) -> None:
    """Write until the disk has not one more page."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"x" * 4096):
            pass


@pytest.fixture
def disk(project: Path) -> Iterator[Disk]:
    """4 MB of disk; the files that it can hold are counted too."""
    try:
        disk = Disk(project / "disk", "size=4m")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield disk
    disk.unmount()


def test_a_full_artifact_store_fails_the_step_and_the_next_run_with_space_goes_on(disk):
    artifacts = disk.folder / "artifacts"
    repository = Repository(artifacts=artifacts)

    with pytest.raises(StepFailed) as failed:
        filling().run(repository=repository)

    assert failed.value.step == "big"
    cause = failed.value.__cause__
    assert type(cause) is ArtifactStoreError
    assert "No space left on device" in str(cause)
    assert str(artifacts) in str(cause)
    assert "space" in (cause.hint or "")
    assert mlmd_states(repository.store) == [("small", "COMPLETE"), ("big", "FAILED")]
    assert unsound_objects(artifacts) == []
    assert files_in_staging(artifacts) == []

    disk.remount("size=64m")
    run = filling().run(repository=repository)

    assert statuses(run) == {"small": "cached", "big": "completed", "total": "completed"}
    assert run.steps["total"].output.read() == TOTAL
    assert unsound_objects(artifacts) == []
    assert set(statuses(filling().run(repository=repository)).values()) == {"cached"}


@dataclass
class Try:
    """A run on a disk with a limit, and the next one without."""

    limit: int
    error: ZencacheError | None
    states: dict[str, str]  # the run has each step once
    unsound: list[str]
    next_statuses: dict[str, str]
    next_result: int


def tries(disk: Disk, what: str) -> list[Try]:
    """The limit moves up by one file, or one page of memory, until a run has what it needs."""
    done: list[Try] = []
    while not done or done[-1].error is not None:
        limit = len(done) + 1
        disk.remount("size=64m,nr_inodes=1000")
        for path in disk.folder.iterdir():
            shutil.rmtree(path)
        artifacts = disk.folder / f"artifacts-{limit}"
        repository = Repository(metadata=Path(f"{limit}.db").absolute(), artifacts=artifacts)
        disk.remount(f"nr_inodes={limit}" if what == "files" else f"size={limit * 4}k")
        error = None
        try:
            texting().run(repository=repository)
        except ZencacheError as raised:
            error = raised
        unsound, states = unsound_objects(artifacts), dict(mlmd_states(repository.store))
        disk.remount("size=64m,nr_inodes=1000")
        run = texting().run(repository=repository)
        result = run.steps["length"].output.read()
        done.append(Try(limit, error, states, unsound, statuses(run), result))
        assert limit < 60, "the run never has enough"
    assert len({str(one.states) for one in done}) > 3, "the disk is not full at different steps"
    return done


@pytest.mark.parametrize("what", ["files", "bytes"])
def test_wherever_the_disk_gets_full_nothing_is_half_visible_and_the_next_run_is_right(disk, what):
    for one in tries(disk, what):
        assert one.unsound == [], one
        assert one.next_result == 5000, one
        finished = {name for name, state in one.states.items() if state == "COMPLETE"}
        assert finished == {name for name, status in one.next_statuses.items() if status == "cached"}, one


@pytest.mark.parametrize("what", ["files", "bytes"])
def test_wherever_the_disk_gets_full_it_is_one_clear_error_that_names_the_store(disk, what):
    for one in tries(disk, what)[:-1]:
        cause = one.error.__cause__ if isinstance(one.error, StepFailed) else one.error
        assert type(cause) is ArtifactStoreError, one
        assert "No space left on device" in str(cause), one
        assert str(disk.folder / f"artifacts-{one.limit}") in str(cause), one
        assert cause.hint, one


@pytest.mark.parametrize("what", ["files", "bytes"])
def test_wherever_the_disk_gets_full_the_step_is_recorded_as_failed(disk, what):
    for one in tries(disk, what)[:-1]:
        assert set(one.states.values()) <= {"COMPLETE", "FAILED"}, one


def test_a_disk_that_a_step_fills_up_under_both_stores_loses_nothing(disk):
    @step
    def filler(x: int) -> int:
        if not Path("spare").exists():
            fill_up(Path("disk/ballast"))
        return x + 1

    @pipeline
    def filled():
        filler(small())

    artifacts = disk.folder / "artifacts"
    repository = Repository(metadata=disk.folder / "metadata.db", artifacts=artifacts)
    with pytest.raises(ZencacheError) as failed:
        filled().run(repository=repository)

    assert isinstance(failed.value, StepFailed | MetadataStoreError | ArtifactStoreError)
    assert str(disk.folder) in str(failed.value)
    Path("spare").touch()
    (disk.folder / "ballast").unlink()
    disk.remount("size=64m")
    run = filled().run(repository=repository)

    assert statuses(run) == {"small": "cached", "filler": "completed"}
    assert run.steps["filler"].output.read() == 4
    assert unsound_objects(artifacts) == []


def test_a_full_disk_under_the_metadata_store_is_one_clear_error_and_hits_what_was_recorded(disk):
    database = disk.folder / "metadata.db"
    repository = Repository(metadata=database)
    filling().run(repository=repository)
    fill_up(disk.folder / "ballast")
    errors = []
    for _ in range(30):  # SQLite writes into pages that it has, as long as there are any
        try:
            filling().run(repository=repository, enable_cache=False)
        except ZencacheError as error:
            errors.append(error)
            break

    assert [type(error) for error in errors] == [MetadataStoreError]
    assert str(database) in str(errors[0])
    assert "space" in (errors[0].hint or "")
    (disk.folder / "ballast").unlink()
    disk.remount("size=64m")
    run = filling().run(repository=repository)
    assert set(statuses(run).values()) == {"cached"}
    assert run.steps["total"].output.read() == TOTAL


LIMITED = """
import json, resource, signal, sys
import numpy as np
from zencache import Repository, StepFailed, pipeline, step

@step
def small() -> int:
    return 3

@step
def big(x: int) -> np.ndarray:
    return np.arange(x * 2**20, dtype=np.uint32)

@step
def total(array: np.ndarray) -> int:
    return int(array.sum(dtype=np.int64))

@pipeline
def filling():
    total(big(small()))

limit = int(sys.argv[1])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    run = filling().run()
except StepFailed as error:
    cause = error.__cause__
    facts = {"step": error.step, "cause": type(cause).__name__, "text": str(cause), "hint": cause.hint}
    print(json.dumps(facts))
else:
    result = run.steps["total"].output.read()
    print(json.dumps({name: view.status for name, view in run.steps.items()} | {"result": result}))
"""


def test_a_file_that_grows_beyond_the_limit_of_its_user_is_as_a_full_disk(project, run_script):
    """Needs no rights: the system refuses the bytes above the limit, in the middle of an array."""
    answer = json.loads(run_script(LIMITED, 8 * MEGABYTE).stdout)

    assert answer["step"] == "big"
    assert answer["cause"] == "ArtifactStoreError"
    assert "File too large" in answer["text"]
    assert str(project / ".zencache" / "artifacts") in answer["text"]
    assert answer["hint"]
    assert unsound_objects(project / ".zencache" / "artifacts") == []
    assert files_in_staging(project / ".zencache" / "artifacts") == []
    n = 3 * MEGABYTE
    assert json.loads(run_script(LIMITED, 0).stdout) == {
        "small": "cached",
        "big": "completed",
        "total": "completed",
        "result": n * (n - 1) // 2,
    }


READ_ONLY = """
import json, sys
from zencache import StepFailed, ZencacheError, pipeline, step

@step
def small() -> int:
    return 3

@step
def more(x: int, factor: int = 2) -> int:
    return x * factor

@pipeline
def growing(factor: int):
    more(small(), factor)

try:
    run = growing(int(sys.argv[1])).run()
except ZencacheError as error:
    cause = error.__cause__ if isinstance(error, StepFailed) else error
    print(json.dumps({"cause": type(cause).__name__, "text": str(cause), "hint": cause.hint}))
else:
    print(json.dumps({name: view.status for name, view in run.steps.items()}))
"""


@pytest.fixture
def read_only_artifacts(project: Path, run_script) -> Iterator[Path]:
    """The artifact store of a project in which ``growing(2)`` has run; nobody may write into it now."""
    run_script(READ_ONLY, 2)
    artifacts = project / ".zencache" / "artifacts"
    set_modes(artifacts, 0o555)
    yield artifacts
    set_modes(artifacts, 0o755)


def set_modes(top: Path, mode: int) -> None:
    """The mode of a folder and of those below."""
    for folder in [top, *(path for path in top.rglob("*") if path.is_dir())]:
        folder.chmod(mode)


def test_a_read_only_artifact_store_is_one_clear_error_and_nothing_is_lost(
    read_only_artifacts, run_script, run_obeying_modes
):
    done = run_obeying_modes(READ_ONLY, 3, check=False)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["cause"] == "ArtifactStoreError"
    assert "Permission denied" in answer["text"]
    assert str(read_only_artifacts) in answer["text"]
    assert "right to write" in answer["hint"]
    assert unsound_objects(read_only_artifacts) == []
    set_modes(read_only_artifacts, 0o755)
    assert json.loads(run_script(READ_ONLY, 3).stdout) == {"small": "cached", "more": "completed"}
    store = Repository().store
    assert "running" not in mlmd_runs(store)
    assert "RUNNING" not in [state for _, state in mlmd_states(store)]


def test_a_read_only_artifact_store_serves_hits(read_only_artifacts, run_obeying_modes):
    answer = json.loads(run_obeying_modes(READ_ONLY, 2).stdout)

    assert answer == {"small": "cached", "more": "cached"}
