"""Pipelines on a real Dask cluster: a scheduler and two worker processes, over TCP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zencache import Repository, StepFailed, pipeline, step
from zencache.exceptions import WorkerLost

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    env = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), env.get("PYTHONPATH")]))
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", *common]]
    commands += [
        ["worker", "--nthreads", "1", "--local-directory", str(folder / f"{n}"), *common] for n in "ab"
    ]
    started = []
    with open(folder / "log", "w") as log:
        for command in commands:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *command],
                    env=env,
                    cwd=folder,
                    stderr=log,
                    start_new_session=True,
                )
            )
        try:
            yield _address(file, folder / "log")
        finally:
            # With the workers' own children. Asked to end, a worker may wait for a scheduler that has ended.
            for process in started:
                os.killpg(process.pid, signal.SIGKILL)
            for process in started:
                process.wait()


def _address(file: Path, log: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if file.exists():
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Dask says of versions and of its own closing
        with distributed.Client(address) as client:
            client.wait_for_workers(2, timeout=120)
            yield client


@pytest.fixture
def executor(client: Any) -> Any:
    client.wait_for_workers(2, timeout=120)
    return client.get_executor(pure=False)


@step
def make(seed: int) -> np.ndarray:
    return np.full(1_000_000, seed)


@step
def total(X: np.ndarray, Y: np.ndarray) -> list[int]:
    return [int(X.sum() + Y.sum()), os.getpid()]


@step
def die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 1


@step
def complain(number: int) -> int:
    raise LookupError(f"no {number}")


@pipeline
def adding():
    total(make(1), make(2))


def test_steps_run_on_the_cluster_and_hit_the_next_time(project, executor):
    added, pid = adding().run(executor=executor).steps["total"].output.read()
    assert added == 3_000_000
    assert pid != os.getpid()
    assert {view.status for view in adding().run(executor=executor).steps.values()} == {"cached"}
    assert {view.status for view in adding().run().steps.values()} == {"cached"}


def test_the_user_s_exception_comes_back(project, executor):
    @pipeline
    def complaining():
        complain(3)
        make(1)

    with pytest.raises(StepFailed, match="LookupError: no 3") as failed:
        complaining().run(executor=executor, run_name="complaining")
    assert isinstance(failed.value.__cause__, LookupError)
    statuses = [view.status for view in Repository().get_run("complaining").steps.values()]
    assert statuses == ["failed", "completed"]


def test_a_killed_worker_is_one_failed_step(project, executor):
    # Dask may have given the same worker another step already, which is then lost with it.
    again = step(retries=2)(make.entrypoint)

    @pipeline
    def dying():
        die()
        total(again(3), again(4))

    with pytest.raises(StepFailed, match=r"Step `die` failed: WorkerLost.*KilledWorker") as failed:
        dying().run(executor=executor, run_name="dying")
    assert isinstance(failed.value.__cause__, WorkerLost)
    run = Repository().get_run("dying")
    assert run.steps["die"].status == "failed"
    assert run.steps["total"].status == "completed"
    assert run.steps["total"].output.read()[0] == 7_000_000


def test_what_a_script_defines_and_imports_runs_on_the_cluster(project, address, run_script):
    (project / "helpers.py").write_text("def double(X):\n    return X * 2\n")
    done = run_script(
        f"""
        import dataclasses, os, warnings
        warnings.simplefilter("ignore")
        from distributed import Client
        from helpers import double
        from zencache import BaseMaterializer, BaseStepConfig, pipeline, step

        @dataclasses.dataclass
        class Pair:
            a: int
            b: int = 2

        class Odd:
            def __init__(self, n):
                self.n = n

        class OddMaterializer(BaseMaterializer):
            types = (Odd,)
            def save(self, value, directory):
                (directory / "n").write_text(str(value.n))
            def load(self, directory, type):
                return type(int((directory / "n").read_text()))

        class Config(BaseStepConfig):
            factor: int = 3

        class Refused(Exception):
            pass

        @step
        def make(config: Config) -> Pair:
            return Pair(config.factor)

        @step
        def odd(pair: Pair) -> Odd:
            if not isinstance(pair, Pair):
                raise TypeError(pair)
            return Odd(pair.a + pair.b)

        @step
        def where(value: Odd) -> list[int]:
            return [double(value.n), os.getpid()]

        @step
        def refuse(pair: Pair) -> int:
            raise Refused(pair.a)

        @pipeline
        def all_in_main(config: Config):
            where(odd(make(config=config)))

        @pipeline
        def refusing():
            refuse(make(config=Config()))

        executor = Client({address!r}).get_executor(pure=False)
        n, pid = all_in_main(Config(factor=4)).run(executor=executor).steps["where"].output.read()
        print(n, pid != os.getpid(), *[s.status for s in all_in_main(Config(factor=4)).run().steps.values()])
        try:
            refusing().run(executor=executor)
        except Exception as error:
            print(type(error.__cause__) is Refused, error.__cause__)
        """
    )
    assert done.stdout.splitlines() == ["12 True cached cached cached", "True 3"]


def test_a_worker_that_imported_an_older_version_gives_the_result_of_the_new_one(
    project, address, run_script
):
    (project / "rules.py").write_text("class Rule:\n    factor = 2\n")
    source = f"""
    import os, sys, warnings
    warnings.simplefilter("ignore")
    sys.path.insert(0, os.getcwd())
    from distributed import Client
    from zencache import pipeline, step
    import rules

    @step
    def apply(number: int) -> int:
        return number * rules.Rule.factor

    @pipeline
    def applying():
        apply(10)

    client = Client({address!r})
    def see(folder):
        import sys
        sys.path.append(folder)
        import rules
        return rules.Rule.factor
    print(sorted(client.run(see, os.getcwd()).values()))
    executor = client.get_executor(pure=False)
    print(applying().run(executor=executor).steps["apply"].output.read())
    """
    assert run_script(source).stdout.splitlines() == ["[2, 2]", "20"]
    (project / "rules.py").write_text("class Rule:\n    factor = 3\n")
    assert run_script(source).stdout.splitlines() == ["[2, 2]", "30"]
