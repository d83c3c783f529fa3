"""A process that dies at any moment loses nothing that was recorded, and the next run clears up after it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from inspection import files_in_staging, mlmd_runs, mlmd_states, unsound_objects
from ml_metadata.metadata_store.metadata_store import MetadataStore

from zencache import Repository, pipeline, step

ARTIFACTS = Path(".zencache") / "artifacts"

# Waits where a test wants it to, as long as there is a file of that name. What the steps return does not
# depend on it, and neither does their code.
SCRIPT = """
import json, signal, sys, time
from pathlib import Path
import numpy as np
from zencache import BaseMaterializer, pipeline, step

signal.signal(signal.SIGINT, signal.default_int_handler)

def wait(where):
    if Path("wait-" + where).exists():
        Path("reached-" + where).touch()
        while Path("wait-" + where).exists():
            time.sleep(0.01)

class Pair:
    def __init__(self, left, right):
        self.left, self.right = left, right

class PairMaterializer(BaseMaterializer):
    types = (Pair,)

    def save(self, value, directory):
        (directory / "left").write_text(str(value.left))
        wait("between-files")
        (directory / "right").write_text(str(value.right))

    def load(self, directory, type):
        return Pair(int((directory / "left").read_text()), int((directory / "right").read_text()))

@step
def first() -> int:
    return 1

@step
def second(x: int) -> Pair:
    wait("body")
    return Pair(x, x + 1)

@step
def third(pair: Pair) -> np.ndarray:
    return np.arange(pair.left, pair.right + 4_000_000)

@step
def fourth(array: np.ndarray) -> int:
    return int(array.sum())

@pipeline
def working():
    fourth(third(second(first())))

run = working().run()
result = run.steps["fourth"].output.read()
print(json.dumps({name: view.status for name, view in run.steps.items()} | {"result": result}))
"""
RESULT = sum(range(1, 4_000_002))


class Child:
    """The script in a process of its own, which a test can kill."""

    def __init__(self, source: str, *args: str):
        Path("child.py").write_text(textwrap.dedent(source))
        self.process = subprocess.Popen(
            [sys.executable, "child.py", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the script never came so far: {self.process.communicate()}")
            time.sleep(0.0005)

    def end(self, number: signal.Signals) -> str:
        """Send a signal; what the process wrote to stderr."""
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=60)
        assert self.process.returncode != 0
        return stderr


@pytest.fixture
def child(project: Path) -> Iterator[Callable[..., Child]]:
    children = []

    def start(source: str, *args: str) -> Child:
        children.append(Child(source, *args))
        return children[-1]

    yield start
    for one in children:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def kill_in_a_body(child: Callable[..., Child]) -> None:
    """A run of the script dies while its second step is executed."""
    Path("wait-body").touch()
    process = child(SCRIPT)
    process.wait_for(Path("reached-body").exists)
    process.end(signal.SIGKILL)


def go_on(run_forked: Callable[..., Any]) -> dict[str, Any]:
    """The next run, which nothing holds up: step -> status, and the result."""
    for file in Path().glob("wait-*"):
        file.unlink()
    statuses = json.loads(run_forked(SCRIPT).stdout)
    assert statuses.pop("result") == RESULT
    return statuses


def assert_cleared(states_of_dead_run: list[tuple[str, str]]) -> None:
    """The first run is canceled, its running steps too; nothing of its process is left on disk."""
    repository = Repository()
    store = repository.store
    assert mlmd_runs(store) == ["canceled", "completed"]
    assert mlmd_states(store)[: len(states_of_dead_run)] == states_of_dead_run
    assert "RUNNING" not in [state for _, state in mlmd_states(store)]
    dead, alive = repository.get_runs()
    assert (dead.status, alive.status) == ("canceled", "completed")
    assert [run.name for run in repository.get_pipeline("working").runs] == [dead.name, alive.name]
    assert files_in_staging(ARTIFACTS) == []
    assert unsound_objects(ARTIFACTS) == []


def test_killed_while_the_body_of_a_step_runs(child, run_forked):
    Path("wait-body").touch()
    process = child(SCRIPT)
    process.wait_for(Path("reached-body").exists)

    process.end(signal.SIGKILL)

    # Nobody has looked yet, so MLMD cannot know.
    before = subprocess.run(
        [sys.executable, "-c", "from zencache import Repository; print(Repository().get_runs()[-1].status)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert before.stdout.strip() == "running"
    assert go_on(run_forked) == {
        "first": "cached",
        "second": "completed",
        "third": "completed",
        "fourth": "completed",
    }
    assert_cleared([("first", "COMPLETE"), ("second", "CANCELED")])


def test_killed_between_two_files_of_an_artifact(child, run_forked):
    Path("wait-between-files").touch()
    process = child(SCRIPT)
    process.wait_for(Path("reached-between-files").exists)

    process.end(signal.SIGKILL)

    assert [Path(name).name for name in files_in_staging(ARTIFACTS) if not name.endswith(".run")]
    assert unsound_objects(ARTIFACTS) == []
    assert go_on(run_forked)["second"] == "completed"
    assert_cleared([("first", "COMPLETE"), ("second", "CANCELED")])


def test_killed_while_a_large_array_is_written(child, run_forked):
    process = child(SCRIPT)
    process.wait_for(lambda: any(f.stat().st_size for f in ARTIFACTS.glob("staging/*/*/payload/array.npy")))

    process.end(signal.SIGKILL)

    assert unsound_objects(ARTIFACTS) == []
    statuses = go_on(run_forked)
    assert (statuses["first"], statuses["second"]) == ("cached", "cached")
    assert_cleared([("first", "COMPLETE"), ("second", "COMPLETE")])


def test_a_run_of_another_pipeline_clears_up_as_well(child, run_forked):
    kill_in_a_body(child)
    other = run_forked(
        """
        from zencache import pipeline, step

        @step
        def alone() -> int:
            return 1

        @pipeline
        def other():
            alone()

        other().run()
        """
    )

    assert "had died; 1 running step is canceled." in other.stderr
    assert mlmd_runs(Repository().store) == ["canceled", "completed"]
    assert mlmd_states(Repository().store)[1] == ("second", "CANCELED")
    assert files_in_staging(ARTIFACTS) == []


def test_two_that_clear_the_same_run_do_not_fail(child, monkeypatch):
    kill_in_a_body(child)

    @step
    def alone() -> int:
        return 1

    @pipeline
    def other():
        alone()

    # As it is for the one that looks before another one has put the run below its pipeline.
    monkeypatch.setattr(MetadataStore, "get_parent_contexts_by_context", lambda store, context_id: [])
    assert other().run().status == "completed"
    assert mlmd_runs(Repository().store) == ["canceled", "completed"]
    assert [run.status for run in Repository().get_pipeline("working").runs] == ["canceled"]
    assert files_in_staging(ARTIFACTS) == []


def test_a_run_that_is_alive_is_left_alone(child, run_forked):
    Path("wait-body").touch()
    process = child(SCRIPT)
    process.wait_for(Path("reached-body").exists)
    run_forked(SCRIPT.replace('"wait-"', '"hold-"').replace("working()", "beside()"))

    assert mlmd_runs(Repository().store)[0] == "running"
    assert ("second", "RUNNING") in mlmd_states(Repository().store)
    Path("wait-body").unlink()
    stdout, stderr = process.process.communicate(timeout=60)
    assert process.process.returncode == 0, stderr
    assert json.loads(stdout)["result"] == RESULT
    assert mlmd_runs(Repository().store) == ["completed", "completed"]


@pytest.mark.parametrize("where", ["body", "between-files"])
def test_ctrl_c_cancels_the_run_and_its_running_step_at_once(child, run_forked, where):
    Path(f"wait-{where}").touch()
    process = child(SCRIPT)
    process.wait_for(Path(f"reached-{where}").exists)

    stderr = process.end(signal.SIGINT)

    assert "KeyboardInterrupt" in stderr
    store = Repository().store
    assert mlmd_runs(store) == ["canceled"]
    assert mlmd_states(store) == [("first", "COMPLETE"), ("second", "CANCELED")]
    assert files_in_staging(ARTIFACTS) == []
    assert go_on(run_forked)["first"] == "cached"
    assert_cleared([("first", "COMPLETE"), ("second", "CANCELED")])


# Every point of a run at which it can die: a fresh project and a forked process for each. The process sends
# a signal to itself at the n-th event, or before or after the n-th call that writes to MLMD; when it is dead
# another process says what it finds, runs the pipeline and says what it finds then.
POINTS = """
import json, os, signal, sys, tempfile
from pathlib import Path
from zencache import Output, Repository, events, pipeline, step
from ml_metadata.metadata_store import metadata_store

kind, number = sys.argv[1], signal.Signals[sys.argv[2]]
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.stderr = open(os.devnull, "w")

@step
def first() -> int:
    return 1

@step
def pair(x: int, plus: int) -> Output(a=int, b=str):
    return x + plus, "b"

@step
def last(a: int, b: str) -> int:
    return a + len(b)

@pipeline
def dying(plus: int):
    a, b = pair(first(), plus)
    last(a, b)

count, target = 0, 0

def strike():
    global count
    count += 1
    if count == target:
        os.kill(os.getpid(), number)

def arm():
    if kind == "event":
        return
    for name in [name for name in dir(metadata_store.MetadataStore) if name.startswith("put_")]:
        def wrap(call):
            def wrapped(*args, **kwargs):
                if kind == "before":
                    strike()
                answer = call(*args, **kwargs)
                if kind == "after":
                    strike()
                return answer
            return wrapped
        setattr(metadata_store.MetadataStore, name, wrap(getattr(metadata_store.MetadataStore, name)))

def states():
    store = Repository().store
    executions = sorted(store.get_executions(), key=lambda e: e.id)
    return [(e.name.rpartition("/")[2], e.State.Name(e.last_known_state)) for e in executions]

def forked(function):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            json.dump(function(), pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return status, said and json.loads(said)

def dies():
    arm()
    with events.listening(lambda event: strike() if kind == "event" else None):
        dying(plus).run()
    return "alive" if count < target else "nothing"

def dies_loudly():
    try:
        return dies()
    except BaseException as error:
        return type(error).__name__

def next_run():
    run = dying(plus).run()
    repository = Repository()
    return {
        "statuses": {name: view.status for name, view in run.steps.items()},
        "result": run.steps["last"].output.read(),
        "runs": [(r.name, r.status) for r in repository.get_runs()],
        "of_pipeline": [(r.name, r.status) for r in repository.get_pipeline("dying").runs],
        "states": states(),
    }

points = []
warm = len(sys.argv) > 3
while True:
    target += 1
    folder = tempfile.mkdtemp(prefix=f"point-{target:02}-", dir=os.getcwd())
    Path(folder, "pyproject.toml").touch()
    os.chdir(folder)
    plus = 1
    if warm:  # the dying run hits its first step and runs the others
        status, said = forked(lambda: dying(plus).run() and 0)
        assert status == 0
        plus = 2
    status, said = forked(dies_loudly)
    if said == "alive":
        break
    assert (number == signal.SIGKILL) == os.WIFSIGNALED(status), (target, status, said)
    status, before = forked(states)
    assert status == 0
    status, after = forked(next_run)
    points.append({"point": target, "before": before, "next": after, "folder": folder, "status": status,
                   "raised": said})
    os.chdir("..")
print(json.dumps(points))
"""


_points: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}


def points(run_forked: Any, kind: str, number: str, *, warm: bool = False) -> list[dict[str, Any]]:
    """What was found at each point. Found once for the tests that look at it from several sides."""
    done = _points.get((kind, number, warm))
    if done is None:
        done = json.loads(run_forked(POINTS, kind, number, *["warm"] * warm).stdout)
        _points[kind, number, warm] = done
    assert len(done) > 5, "too few points to be the life of a run"
    for point in done:
        assert point["status"] == 0, point
    return done


everywhere = pytest.mark.parametrize("kind", ["event", "before", "after"])


def assert_right(point: dict[str, Any], result: int) -> None:
    """The run after this point ended well, and nothing half-written is in the artifact store."""
    assert point["next"]["result"] == result, point
    assert set(point["next"]["statuses"].values()) <= {"cached", "completed"}, point
    assert "running" not in [status for _, status in point["next"]["runs"]], point
    artifacts = Path(point["folder"]) / ARTIFACTS
    assert unsound_objects(artifacts) == [], point
    assert files_in_staging(artifacts) == [], point


@everywhere
def test_killed_anywhere_the_next_run_is_right_and_hits_what_was_recorded(run_forked, kind):
    for point in points(run_forked, kind, "SIGKILL"):
        assert_right(point, 3)
        recorded = {name for name, state in point["before"] if state == "COMPLETE"}
        hit = {name for name, status in point["next"]["statuses"].items() if status == "cached"}
        assert hit == recorded, point
        assert "RUNNING" not in [state for _, state in point["next"]["states"]], point


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["event", "after"])
def test_killed_anywhere_in_a_run_that_began_with_a_hit_the_next_run_is_right(run_forked, kind):
    for point in points(run_forked, kind, "SIGKILL", warm=True):
        assert_right(point, 4)
        made = [name for name, state in point["before"] if state == "COMPLETE"]
        recorded = {"first"} | {name for name in made if made.count(name) == 2}  # once by each run
        hit = {name for name, status in point["next"]["statuses"].items() if status == "cached"}
        assert hit == recorded, point
        assert "RUNNING" not in [state for _, state in point["next"]["states"]], point


@pytest.mark.slow
@everywhere
def test_killed_anywhere_the_dead_run_is_listed_under_its_pipeline(run_forked, kind):
    for point in points(run_forked, kind, "SIGKILL"):
        assert point["next"]["of_pipeline"] == point["next"]["runs"], point


@everywhere
def test_interrupted_anywhere_the_next_run_is_right(run_forked, kind):
    for point in points(run_forked, kind, "SIGINT"):
        assert_right(point, 3)


@everywhere
def test_interrupted_anywhere_it_is_the_interrupt_that_is_raised(run_forked, kind):
    for point in points(run_forked, kind, "SIGINT"):
        assert point["raised"] == "KeyboardInterrupt", point


@pytest.mark.slow
@everywhere
def test_interrupted_anywhere_no_step_is_left_running(run_forked, kind):
    for point in points(run_forked, kind, "SIGINT"):
        assert "RUNNING" not in [state for _, state in point["next"]["states"]], point


# Many small steps, so that most of the time goes into the writes to MLMD.
MANY = """
import json, os, sys
from zencache import pipeline, step

@step
def start(round: int) -> int:
    return round

@step
def more(x: int) -> int:
    return x + 1

@pipeline
def counting(round: int):
    x = start(round * 100)
    for _ in range(8):
        x = more(x)

if sys.argv[2] == "die":
    print("go", flush=True)
run = counting(int(sys.argv[1])).run()
result = run.steps["more_8"].output.read()
print(json.dumps({name: view.status for name, view in run.steps.items()} | {"result": result}))
"""


def kill_at_random(project: Path, child: Any, run_forked: Any, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(rounds):
        process = child(MANY, str(number), "die")
        assert process.process.stdout is not None
        process.process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.35))
        process.process.send_signal(signal.SIGKILL)
        process.process.communicate(timeout=60)

        answer = json.loads(run_forked(MANY, number, "live").stdout)

        assert answer.pop("result") == number * 100 + 8, (seed, number)
        assert set(answer.values()) <= {"cached", "completed"}, (seed, number)
        statuses = list(answer.values())
        assert statuses == sorted(statuses), "what had been recorded hits, and it was recorded in order"
        store = Repository().store
        assert "RUNNING" not in [state for _, state in mlmd_states(store)], (seed, number)
        assert "running" not in mlmd_runs(store), (seed, number)
        del store
        assert files_in_staging(ARTIFACTS) == [], (seed, number)
    assert unsound_objects(ARTIFACTS) == []


def test_killed_at_random_moments(project, child, run_forked):
    kill_at_random(project, child, run_forked, rounds=5, seed=int.from_bytes(os.urandom(4), "big"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_many_random_moments(project, child, run_forked):
    kill_at_random(project, child, run_forked, rounds=40, seed=int.from_bytes(os.urandom(4), "big"))
