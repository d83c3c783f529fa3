"""Independent steps run at the same time, on any executor, and give what a sequential run gives."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cloudpickle
import numpy as np
import pytest

from zencache import BaseStepConfig, Output, Repository, StepFailed, pipeline, step
from zencache.events import DidHit, DidSkip, WillDecide, WillExecute
from zencache.exceptions import ConfigurationError
from zencache.testing import capture_events, temporary_repository


class LokyLike(Executor):
    """An executor of somebody else's: it derives from nothing that zencache knows, and counts bytes."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        self.sent: list[int] = []
        self.received: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task = cloudpickle.dumps((fn, args, kwargs))
        self.sent.append(len(task))
        answer: Future[Any] = Future()

        def note(done: Future[Any]) -> None:
            if done.exception() is not None:
                answer.set_exception(done.exception())
                return
            self.received.append(len(cloudpickle.dumps(done.result())))
            answer.set_result(done.result())

        # Its own future is cancelled by nobody, as is that of many an executor that works over a network.
        self._pool.submit(_call, task).add_done_callback(note)
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _call(task: bytes) -> Any:
    fn, args, kwargs = cloudpickle.loads(task)
    return fn(*args, **kwargs)


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def loky_like() -> Iterator[LokyLike]:
    with LokyLike() as pool:
        yield pool


@pytest.fixture(params=["int", "threads", "processes", "loky_like"])
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "int":
        yield 2
    elif request.param == "threads":
        with ThreadPoolExecutor(4) as pool:
            yield pool
    else:
        yield request.getfixturevalue(request.param)


@dataclass
class Point:
    x: int
    y: float


class Scale(BaseStepConfig):
    factor: int = 2


@step
def make(count: int, seed: int = 0) -> Output(X=np.ndarray, point=Point):
    return np.arange(count) + seed, Point(seed, 0.5)


@step
def scale(config: Scale, X: np.ndarray, point: Point) -> np.ndarray:
    if type(point) is not Point:
        raise TypeError(type(point))
    return X * config.factor


@step
def where(X: np.ndarray) -> list[int]:
    return [os.getpid(), int(X.sum())]


@step
def total(*, left: np.ndarray, right: np.ndarray, offset: float = 0.5) -> float:
    return float(left.sum() + right.sum() + offset)


@pipeline
def branches():
    X1, p1 = make(5, seed=1)
    X2, p2 = make(5, seed=2)
    total(left=scale(X=X1, point=p1, config=Scale(factor=3)), right=scale(X=X2, point=p2))


def recorded(repository: Repository) -> list[Any]:
    """What MLMD says of all executions: types, states, parameters, keys, and their edges by content."""
    store = repository.store
    artifacts = {a.id: a for a in store.get_artifacts()}
    found = []
    for execution in store.get_executions():
        events = [
            (
                event.type,
                event.path.steps[0].key,
                artifacts[event.artifact_id].custom_properties["zencache_digest"].string_value,
            )
            for event in store.get_events_by_execution_ids([execution.id])
        ]
        properties = {
            name: str(value)
            for name, value in execution.custom_properties.items()
            if name not in ("zencache_duration", "zencache_source_execution")
        }
        node = execution.name.rpartition("/")[2]
        contexts = sorted(c.type for c in store.get_contexts_by_execution(execution.id))
        state = execution.last_known_state
        found.append((node, execution.type, state, sorted(properties.items()), sorted(events), contexts))
    return sorted(found)


def test_a_parallel_run_gives_and_records_what_a_sequential_one_does(project, executor):
    with temporary_repository() as parallel, temporary_repository() as sequential:
        for _ in range(2):
            one = branches().run(repository=parallel, executor=executor)
            other = branches().run(repository=sequential)
            assert [(s.name, s.status) for s in one.steps.values()] == [
                (s.name, s.status) for s in other.steps.values()
            ]
            assert one.steps["total"].output.read() == other.steps["total"].output.read() == 85.5
        assert recorded(parallel) == recorded(sequential)


def test_the_function_runs_on_the_worker_and_the_executor_stays_open(project, processes):
    @pipeline
    def asking():
        where(make(3)[0])

    pid, added = asking().run(executor=processes).steps["where"].output.read()
    assert pid != os.getpid()
    assert added == 3
    assert processes.submit(os.getpid).result() != os.getpid()


def test_bytes_do_not_pass_through_the_parent(project, loky_like):
    @pipeline
    def large():
        X, point = make(2_000_000)  # 16 MB
        scale(X=X, point=point)

    loky_like.sent.clear()
    loky_like.received.clear()
    run = large().run(executor=loky_like)
    assert run.steps["scale"].outputs["output"].size > 16_000_000
    assert len(loky_like.sent) == 3  # one was only the question whether it is open
    assert len(loky_like.received) >= 2
    assert max(*loky_like.sent, *loky_like.received) < 20_000


meeting = threading.Barrier(2, timeout=60)


@step
def meet(name: str) -> str:
    meeting.wait()
    return name


def test_independent_steps_run_at_the_same_time(project):
    @pipeline
    def two():
        meet("a")
        meet("b")

    with ThreadPoolExecutor(2) as pool:
        run = two().run(executor=pool)
    assert [view.output.read() for view in run.steps.values()] == ["a", "b"]


@step
def count_calls(folder: str, seconds: float = 0.0) -> str:
    name = uuid.uuid4().hex
    with open(f"{folder}/{name}", "w"):
        pass
    time.sleep(seconds)
    return name


def test_two_nodes_with_one_key_execute_once(project, executor, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()

    @pipeline
    def twice():
        for _ in range(3):
            count_calls(str(folder), 0.3)

    with capture_events() as happened:
        run = twice().run(executor=executor)
    assert [view.status for view in run.steps.values()] == ["completed", "cached", "cached"]
    assert len({view.output.read() for view in run.steps.values()}) == len(list(folder.iterdir())) == 1
    assert [e.step for e in happened if isinstance(e, WillDecide)] == [
        "count_calls",
        "count_calls_2",
        "count_calls_3",
    ]


def test_nodes_of_one_key_that_are_refreshed_each_execute(project, executor, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()

    @pipeline
    def twice():
        for _ in range(2):
            count_calls(str(folder))

    run = twice().run(executor=executor, refresh=True)
    assert [view.status for view in run.steps.values()] == ["completed", "completed"]
    assert len(list(folder.iterdir())) == 2


class Unlucky(Exception):
    def __init__(self, code: int, *, more: str):  # so that pickle cannot make it anew
        super().__init__(f"code {code}, {more}")


@step
def fail(number: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    if number < 0:
        raise Unlucky(number, more="sorry")
    raise ValueError(f"number {number}")


@step
def after_all(a: int, b: int) -> int:
    return a + b


def test_steps_that_do_not_depend_on_a_failed_one_finish_and_the_first_in_wiring_order_is_raised(
    project, executor
):
    @pipeline
    def some():
        a = fail(1, 0.5)
        b = fail(-2)
        after_all(a, b)
        X, point = make(4)
        scale(X=X, point=point)

    with capture_events() as happened, pytest.raises(StepFailed) as failed:
        some().run(executor=executor, run_name="some")
    assert failed.value.step == "fail"
    assert list(failed.value.failures) == ["fail", "fail_2"]
    assert isinstance(failed.value.__cause__, ValueError)
    assert str(failed.value.__cause__) == "number 1"
    assert type(failed.value.failures["fail_2"]).__name__ == "Unlucky"
    assert str(failed.value.failures["fail_2"]) == "code -2, sorry"
    run = Repository().get_run("some")
    assert run.status == "failed"
    assert [view.status for view in run.steps.values()] == [
        "failed",
        "failed",
        "skipped",
        "completed",
        "completed",
    ]
    assert run.steps["fail"].error == "ValueError: number 1"
    assert [e.step for e in happened if isinstance(e, DidSkip)] == ["after_all"]
    (traceback,) = {
        e.custom_properties["zencache_traceback"].string_value
        for e in Repository().store.get_executions()
        if e.name == "some/fail"
    }
    assert 'raise ValueError(f"number {number}")' in traceback


def test_a_fully_cached_run_asks_no_worker(project, loky_like):
    branches().run()
    loky_like.sent.clear()
    with capture_events() as happened:
        run = branches().run(executor=loky_like)
    assert len(loky_like.sent) == 1  # whether it is open
    assert {view.status for view in run.steps.values()} == {"cached"}
    assert not [e for e in happened if isinstance(e, WillExecute)]
    assert len([e for e in happened if isinstance(e, DidHit)]) == 5


@pytest.mark.parametrize("wrong", [0, -1, True, False, "2", 2.0, [2], ThreadPoolExecutor])
def test_what_is_no_executor_is_refused_before_anything_runs(project, wrong):
    with pytest.raises(ConfigurationError, match="`executor` takes an executor, or a number of workers"):
        branches().run(executor=wrong)
    assert not (project / ".zencache").exists()


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_that_is_shut_down_is_refused_before_anything_runs(project, kind):
    pool = kind(1)
    pool.shutdown()
    with pytest.raises(ConfigurationError, match="takes no work: RuntimeError: cannot schedule"):
        branches().run(executor=pool)
    assert not (project / ".zencache").exists()


def test_artifacts_in_memory_are_refused_for_other_processes_and_fine_for_threads(
    project, processes, loky_like
):
    here = Repository(metadata=f"memory://{uuid.uuid4().hex}", artifacts=f"memory://{uuid.uuid4().hex}")
    for elsewhere in (2, processes, loky_like):
        with pytest.raises(ConfigurationError, match="cannot see an artifact store in memory"):
            branches().run(repository=here, executor=elsewhere)
    assert here.get_runs() == []
    with ThreadPoolExecutor(2) as pool:
        assert branches().run(repository=here, executor=pool).status == "completed"


def test_metadata_in_memory_stays_in_the_parent(project, processes, tmp_path):
    here = Repository(metadata=f"memory://{uuid.uuid4().hex}", artifacts=str(tmp_path / "artifacts"))
    assert branches().run(repository=here, executor=processes).status == "completed"


@step
def asserting(number: int) -> int:
    assert number > 0
    return number


def test_code_that_no_worker_can_import_travels_by_value(project, processes):
    """pytest has rewritten the assertion: what runs here is not what the file says."""

    @pipeline
    def checked():
        asserting(3)

    assert checked().run(executor=processes).steps["asserting"].output.read() == 3


@step
def use_lock(number: int) -> int:
    with _lock:
        return number


_lock = threading.Lock()


def test_a_module_may_hold_what_cannot_be_pickled(project, processes):
    @pipeline
    def with_lock():
        use_lock(3)

    assert with_lock().run(executor=processes).steps["use_lock"].output.read() == 3


def test_what_cannot_travel_fails_that_step_and_says_so(project, processes):
    lock = threading.Lock()

    @step
    def held(number: int) -> int:
        with lock:
            return number

    @pipeline
    def holding():
        held(3)
        make(2)

    with pytest.raises(StepFailed, match="cannot be sent to a worker: TypeError: cannot pickle"):
        holding().run(executor=processes, run_name="holding")
    run = Repository().get_run("holding")
    assert [view.status for view in run.steps.values()] == ["failed", "completed"]


def test_damage_of_a_cached_input_is_mended_in_the_same_run(project, executor):
    run = branches().run()
    artifact = run.steps["scale_2"].output
    (file,) = [f for f in (project / ".zencache/artifacts").rglob("*.npy") if str(f).startswith(artifact.uri)]
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    mended = branches().run(executor=executor, refresh=["total"])
    assert mended.steps["total"].output.read() == 85.5
    assert {n: v.status for n, v in mended.steps.items()} == {
        "make": "cached",
        "make_2": "cached",
        "scale": "cached",
        "scale_2": "completed",
        "total": "completed",
    }
