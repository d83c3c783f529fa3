"""Workers that die, are behind the times, or are interrupted; steps that are tried again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from zencache import Repository, StepFailed, pipeline, step
from zencache.events import WillRetry
from zencache.exceptions import DeclarationError, WorkerLost
from zencache.testing import capture_events


@step
def die(once: str = "") -> int:
    """Dies by SIGKILL: always, or only if a file is not there."""
    if not once or not os.path.exists(once):
        if once:
            Path(once).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@step
def live(number: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return number


@step
def add(a: int, b: int) -> int:
    return a + b


def test_a_dead_worker_is_one_failed_step_and_the_others_finish(project):
    @pipeline
    def some():
        lost = die()
        first = live(1, 1.0)
        add(lost, first)
        add(live(2), live(3))

    with pytest.raises(StepFailed, match="Step `die` failed: WorkerLost: The worker was lost") as failed:
        some().run(executor=2, run_name="some")
    assert isinstance(failed.value.__cause__, WorkerLost)
    run = Repository().get_run("some")
    assert {name: view.status for name, view in run.steps.items()} == {
        "die": "failed",
        "live": "completed",
        "add": "skipped",
        "live_2": "completed",
        "live_3": "completed",
        "add_2": "completed",
    }
    assert run.steps["die"].error.startswith("WorkerLost: The worker was lost before it gave a result")
    states = {e.name: e.last_known_state for e in Repository().store.get_executions()}
    assert states["some/die"] == 4  # FAILED


def test_a_pool_that_breaks_fails_what_it_had_and_no_step_is_left_running(project):
    @pipeline
    def some():
        add(die(), live(1))
        live(2, 0.5)

    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.raises(StepFailed, match="Step `die` failed: WorkerLost") as failed,
    ):
        some().run(executor=pool, run_name="some")
    assert list(failed.value.failures) == ["die", "live", "live_2"]
    statuses = [view.status for view in Repository().get_run("some").steps.values()]
    assert sorted(statuses) == ["failed", "failed", "failed", "skipped"]


def test_a_step_whose_worker_died_is_tried_again_where_it_says_so(project, tmp_path):
    @pipeline
    def some(retried):
        add(retried(once=str(tmp_path / "died")), live(2))

    with capture_events() as happened:
        run = some(step(retries=1)(die.entrypoint)).run(executor=2)
    assert run.steps["add"].output.read() == 3
    assert run.steps["die"].tries == 2
    assert run.steps["add"].tries == 1
    assert [(e.step, e.tries, e.of) for e in happened if isinstance(e, WillRetry)] == [("die", 2, 2)]


@step(retries=2)
def flaky(folder: str, fails: int) -> int:
    calls = len(os.listdir(folder))
    Path(folder, str(calls)).touch()
    if calls < fails:
        raise ConnectionError(f"call {calls}")
    return calls


@pytest.mark.parametrize("kind", ["here", "threads", "int"])
def test_a_step_that_raises_is_tried_again(project, tmp_path, kind, capfd):
    folder = tmp_path / "calls"
    folder.mkdir()

    @pipeline
    def trying(fails: int):
        flaky(str(folder), fails)

    with ThreadPoolExecutor(1) as pool:
        executor = {"here": None, "threads": pool, "int": 1}[kind]
        run = trying(2).run(executor=executor)
        assert run.steps["flaky"].output.read() == 2
        assert run.steps["flaky"].tries == 3
        assert "Step `flaky` is tried again (2 of 3), for it failed: ConnectionError: call 0" in (
            capfd.readouterr().err
        )
        assert trying(2).run(executor=executor).steps["flaky"].status == "cached"
        with pytest.raises(StepFailed, match="ConnectionError: call 5"):
            trying(9).run(executor=executor, run_name="in vain")
    assert len(list(folder.iterdir())) == 6
    assert Repository().get_run("in vain").steps["flaky"].tries == 3
    states = [e.last_known_state for e in Repository().store.get_executions()]
    assert sorted(states) == [3, 4, 5]  # COMPLETE, FAILED, CACHED: one execution for all tries of a step


def test_retries_are_no_part_of_the_key(project):
    @pipeline
    def one(chosen):
        chosen(number=1)

    one(live).run()
    assert one(step(retries=5)(live.entrypoint)).run().steps["live"].is_cached


@pytest.mark.parametrize("wrong", [-1, True, 1.0, "2", None])
def test_retries_are_a_number_of_times(wrong):
    with pytest.raises(DeclarationError, match="`retries` is a number of times, 0 or more"):
        step(retries=wrong)(live.entrypoint)


# SIGINT as a terminal has it: what a shell starts in the background inherits that it is ignored.
_SCRIPT = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from zencache import Repository, pipeline, step

signal.signal(signal.SIGINT, signal.default_int_handler)

@step
def slow(name: str) -> str:
    Path(name).write_text(str(os.getpid()))
    time.sleep(3 if sys.argv[1] == "threads" else 600)
    Path(name + ".ended").touch()
    return name

@step
def below(name: str) -> str:
    return name

@pipeline
def waiting():
    below(slow("a"))
    slow("b")

try:
    if sys.argv[1] == "int":
        waiting().run(executor=2, run_name="interrupted")
    else:
        with ThreadPoolExecutor(2) as pool:
            waiting().run(executor=pool, run_name="interrupted")
except KeyboardInterrupt:
    print("interrupted")
"""


def started(project: Path, *names: str) -> list[int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        texts = [(project / name).read_text() for name in names if (project / name).exists()]
        if len(texts) == len(names) and all(texts):
            return [int(text) for text in texts]
        time.sleep(0.05)
    raise AssertionError("the steps have not started")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, "workers are still running"
        time.sleep(0.05)


@pytest.mark.parametrize("kind", ["int", pytest.param("threads", marks=pytest.mark.slow)])
def test_ctrl_c_cancels_the_run_and_late_results_are_not_recorded(project, kind):
    script = project / "script.py"
    script.write_text(_SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), kind],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = started(project, "a", "b")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to every process
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:  # else a process that is left over fails another test too
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert out == "interrupted\n", err
    assert "Traceback" not in err
    if kind == "int":
        wait_for_end(pids)
    run = Repository().get_run("interrupted")
    assert run.status == "canceled"
    assert [view.status for view in run.steps.values()] == ["canceled", "skipped", "canceled"]
    assert "was canceled" in err
    assert not [a for a in Repository().artifacts() if a.producer_step == "slow"]
    assert [e.last_known_state for e in Repository().store.get_executions()] == [6, 6]  # CANCELED


def test_workers_end_with_a_parent_that_is_killed(project):
    script = project / "script.py"
    script.write_text(_SCRIPT)
    process = subprocess.Popen([sys.executable, str(script), "int"], cwd=project, stderr=subprocess.DEVNULL)
    pids = started(project, "a", "b")
    process.kill()
    process.wait()
    wait_for_end(pids)
    assert not (project / "a.ended").exists()


_MODULE = """
import os
import helpers
from zencache import pipeline, step

@step
def compute(number: int) -> list[int]:
    return [helpers.Rule().apply(number), os.getpid()]

@pipeline
def computing():
    compute(10)
"""
_OLD = """
class Rule:
    factor = 2

    def apply(self, number):
        return number * self.factor
"""

_STALE = """
import importlib, os, sys
from concurrent.futures import ProcessPoolExecutor
import multiprocessing, pathlib

def import_them(names):
    for name in names:
        importlib.import_module(name)

if __name__ == "__main__":
    how, old, new = sys.argv[1:]
    import linecache
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(import_them, ["helpers"] if how == "helper only" else ["helpers", "flow"]).result()
        file = pathlib.Path("helpers.py")
        file.write_text(file.read_text().replace(old, new))
        if how == "and read":  # the worker has seen the new text, and has not imported it
            pool.submit(linecache.getlines, str(file.absolute())).result()
        import flow
        run = flow.computing().run(executor=pool)
        here = flow.computing().run(enable_cache=False)
    print(run.steps["compute"].output.read()[0], here.steps["compute"].output.read()[0])
    print(run.steps["compute"].output.read()[1] != os.getpid())
"""


_ATTRIBUTE = ("factor = 2", "factor = 3", 30)
_METHOD = ("number * self", "1 + number * self", 21)


@pytest.mark.parametrize(
    ("how", "old", "new", "expected"),
    [
        ("helper only", *_ATTRIBUTE),
        ("both", *_METHOD),
        pytest.param("helper only", *_METHOD, marks=pytest.mark.slow),
        pytest.param("both", *_ATTRIBUTE, marks=pytest.mark.slow),
        pytest.param("and read", *_ATTRIBUTE, marks=pytest.mark.slow),
        pytest.param("and read", *_METHOD, marks=pytest.mark.slow),
    ],
)
def test_a_worker_that_imported_an_older_version_gives_the_result_of_the_new_one(
    project, run_script, how, old, new, expected
):
    (project / "flow.py").write_text(_MODULE)
    (project / "helpers.py").write_text(_OLD)
    done = run_script(_STALE, how, old, new)
    assert done.stdout.split() == [str(expected), str(expected), "True"]


def test_a_worker_whose_files_are_of_another_version_takes_the_code_by_value(project, run_script):
    """The parent has imported what the file said before; workers can import only what it says now."""
    (project / "flow.py").write_text(_MODULE)
    (project / "helpers.py").write_text(_OLD)
    done = run_script(
        """
        import pathlib
        import flow
        if __name__ == "__main__":
            file = pathlib.Path("helpers.py")
            file.write_text(file.read_text().replace("number * self", "number - self"))
            print(flow.computing().run(executor=1).steps["compute"].output.read()[0])
        """
    )
    assert done.stdout == "20\n"


def test_a_worker_that_can_never_have_the_code_fails_the_step_and_says_so(project, run_script):
    """A function that imports inside of its body imports on the worker, by name, what is there."""
    (project / "flow.py").write_text(
        textwrap.dedent(
            """
            from zencache import pipeline, step

            @step
            def compute(number: int) -> int:
                from helpers import Rule
                return Rule().apply(number)

            @pipeline
            def computing():
                compute(10)
            """
        )
    )
    (project / "helpers.py").write_text(_OLD)
    done = run_script(
        """
        import pathlib
        import flow, helpers
        if __name__ == "__main__":
            file = pathlib.Path("helpers.py")
            file.write_text(file.read_text().replace("number * self", "number - self"))
            flow.computing().run(executor=1)
        """,
        check=False,
    )
    assert (
        "Step `compute` failed: OtherCode: A worker has other code than the run that asks it" in done.stderr
    )
    assert "differs: helpers.Rule" in done.stderr
    assert [e.last_known_state for e in Repository().store.get_executions()] == [4]


def test_a_value_that_was_set_after_the_import_travels(project, run_script):
    (project / "settings.py").write_text("RATE = 1\n")
    (project / "flow.py").write_text(
        "import settings\nfrom zencache import pipeline, step\n\n"
        "@step\ndef compute(number: int) -> int:\n    return number * settings.RATE\n\n"
        "@pipeline\ndef computing():\n    compute(10)\n"
    )
    done = run_script(
        """
        import flow, settings
        if __name__ == "__main__":
            settings.RATE = 7
            print(flow.computing().run(executor=1).steps["compute"].output.read())
        """
    )
    assert done.stdout == "70\n"


def test_a_class_of_a_script_travels_with_what_the_standard_library_made_for_it(project, run_script):
    """The wrapper of a dataclass's `__repr__` is not the user's code there either."""
    done = run_script(
        """
        import dataclasses
        from zencache import StepFailed, pipeline, step

        @dataclasses.dataclass
        class Pair:
            a: int
            b: int = 2

        @step
        def make() -> Pair:
            return Pair(1)

        @step
        def refuse(pair: Pair) -> int:
            raise LookupError(pair)

        @pipeline
        def refusing():
            refuse(make())

        if __name__ == "__main__":
            try:
                refusing().run(executor=1)
            except StepFailed as error:
                print(error.__cause__)
                print(error.__cause__.__cause__)
        """
    )
    said = done.stdout.splitlines()
    assert said[0] == "Pair(a=1, b=2)"
    assert "    raise LookupError(pair)" in said  # the worker's traceback shows the line
