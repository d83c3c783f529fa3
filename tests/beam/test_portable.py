"""The same pipeline through Beam's job service, whose workers are other processes: as on Flink or Spark."""

import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import apache_beam as beam
import pyarrow.dataset as ds
import pytest

from zencache import Repository, StepFailed, pipeline, step
from zencache.materializer.parquet import ParquetMaterializer
from zencache.tfx.types.standard_artifacts import Examples

pytestmark = [
    pytest.mark.slow,
    # grpc's channels to a job service that a finished run leaves to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TAXI = Path(__file__).parents[2] / "examples" / "taxi"


@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    """Options for a job service and a pool of workers, which start in an empty folder."""
    folder = tmp_path_factory.mktemp("workers")
    # The pool starts `python`, and has to find this environment's; and nothing of the tests by a path.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    ports = [free_port(), free_port()]
    modules = [
        ["apache_beam.runners.portability.local_job_service_main", "--port", str(ports[0])],
        ["apache_beam.runners.worker.worker_pool_main", "--service_port", str(ports[1])],
    ]
    with open(folder / "log.txt", "w") as log:
        services = [
            subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that the workers end with their pool
            )
            for module in modules
        ]
    try:
        for port in ports:
            wait_for(port, services, folder / "log.txt")
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=127.0.0.1:{ports[0]}",
            "--environment_type=EXTERNAL",
            f"--environment_config=127.0.0.1:{ports[1]}",
        ]
    finally:
        for service in services:
            os.killpg(service.pid, signal.SIGKILL)
            service.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, services, log):
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if any(service.poll() is not None for service in services):
            break
        time.sleep(0.1)
    pytest.fail(f"Beam's job service did not start.\n{log.read_text()}")


def with_process(row):
    return {"row": row, "pid": os.getpid()}


@step(materializers=ParquetMaterializer({"row": "int64", "pid": "int64"}))
def generate(source: beam.Pipeline, rows: int = 10) -> ds.Dataset:
    return source | beam.Create(range(rows)) | beam.Map(with_process)


@step
def texts(rows: beam.PCollection) -> Examples:
    return rows | beam.Map(lambda row: b"%d" % (row["row"] * FACTOR))


FACTOR = 3


@pipeline
def numbers():
    texts(generate())


def column(run, name):
    return run.steps["generate"].output.read().to_table()[name].to_pylist()


def statuses(run):
    return {name: one.status for name, one in run.steps.items()}


def test_the_steps_run_in_other_processes_and_give_the_same(project, portable):
    run = numbers().run(beam_pipeline_args=portable)
    assert os.getpid() not in column(run, "pid")
    assert sorted(column(run, "row")) == list(range(10))
    shards = Path(run.steps["texts"].output.read().uri).rglob("*.gz")
    assert any(b"27" in gzip.decompress(shard.read_bytes()) for shard in shards)
    here = numbers().run(refresh=True)
    assert set(column(here, "pid")) == {os.getpid()}


def test_a_run_in_other_processes_and_one_in_this_process_hit_each_other(project, portable):
    numbers().run(beam_pipeline_args=portable)
    assert set(statuses(numbers().run()).values()) == {"cached"}
    numbers().run(refresh=True)
    assert set(statuses(numbers().run(beam_pipeline_args=portable)).values()) == {"cached"}


def test_options_are_recorded_with_what_ran(project, portable):
    numbers().run(beam_pipeline_args=portable)
    recorded = Repository().get_runs()[-1].steps["generate"]
    assert recorded.beam_pipeline_args == portable
    assert recorded.parameters == {"rows": 10}


def raising(row):
    return 1 // (row - 5)


def killing(row, marker):
    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return row


@step(materializers=ParquetMaterializer({"row": "int64", "pid": "int64"}))
def breaking(source: beam.Pipeline, marker: str) -> ds.Dataset:
    rows = source | beam.Create(range(10)) | beam.Reshuffle()
    kept = rows | beam.Map(killing, marker) if marker else rows | beam.Map(raising)
    return kept | "Process" >> beam.Map(with_process)


@pipeline
def broken(marker: str):
    breaking(marker=marker)


def payloads(project):
    return [*(project / ".zencache" / "artifacts").rglob("*.parquet")]


def test_a_row_that_raises_on_a_worker_fails_the_step_with_its_reason(project, portable):
    with pytest.raises(StepFailed, match="A Beam job failed: ZeroDivisionError"):
        broken("").run(beam_pipeline_args=portable)
    error = Repository().get_runs()[-1].steps["breaking"].error
    assert "integer division or modulo by zero [while running 'Map(raising)" in error
    assert payloads(project) == []


def test_a_killed_worker_fails_the_step_and_the_next_run_is_right(project, portable):
    bound = broken(str(project / "killed"))
    with pytest.raises(StepFailed, match="Channel closed prematurely"):
        bound.run(beam_pipeline_args=portable)
    assert (project / "killed").exists()
    assert payloads(project) == []
    run = bound.run(beam_pipeline_args=portable)
    assert sorted(run.steps["breaking"].output.read().to_table()["row"].to_pylist()) == list(range(10))


def test_a_job_service_that_is_not_there_fails_the_step(project):
    flags = ["--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{free_port()}", "--job_server_timeout=1"]
    with pytest.raises(StepFailed):
        numbers().run(beam_pipeline_args=flags)
    assert numbers().run().status == "completed"


# -- user code on its way

HELPERS = """
import beside

SUFFIX = b"!"

class Shout:
    def __init__(self, times):
        self.times = times

    def __call__(self, row):
        return beside.text(row) + SUFFIX * self.times
"""
SOURCE = """
import gzip, sys
from pathlib import Path
import apache_beam as beam
import helpers
from zencache import pipeline, step
from zencache.tfx.types.standard_artifacts import Examples

FACTOR = 2

class Double(beam.DoFn):
    def process(self, row):
        yield row * FACTOR

class Last(beam.CombineFn):
    def create_accumulator(self): return 0
    def add_input(self, last, row): return max(last, row)
    def merge_accumulators(self, found): return max(found)
    def extract_output(self, last): return last

@step
def shout(source: beam.Pipeline) -> Examples:
    rows = source | beam.Create(range(4)) | beam.ParDo(Double()) | beam.CombineGlobally(Last())
    return rows | beam.Map(helpers.Shout(2))

@pipeline
def shouting():
    shout()

for flags in (sys.argv[1:], []):
    run = shouting().run(beam_pipeline_args=flags)
    (shard,) = Path(run.steps["shout"].output.read().uri).rglob("*.gz")
    print(run.steps["shout"].status, b"6!!" in gzip.open(shard).read())
"""
CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in open(sys.argv.pop(1)).read().split("\\n\\n"):
    shell.run_cell(cell).raise_error()
"""
EXPECTED = ["completed True", "cached True"]


@pytest.fixture
def helpers(project):
    (project / "helpers.py").write_text(HELPERS)
    (project / "beside.py").write_text('def text(row):\n    return b"%d" % row\n')
    return project


def test_code_of_a_script_and_of_the_modules_beside_it_travels(run_script, helpers, portable):
    assert run_script(SOURCE, *portable).stdout.splitlines() == EXPECTED


def test_code_of_cells_travels(run_script, helpers, portable):
    (helpers / "cells.txt").write_text(SOURCE)
    environment = {"IPYTHONDIR": str(helpers / "ipython")}
    assert run_script(CELLS, "cells.txt", *portable, env=environment).stdout.splitlines() == EXPECTED


def test_code_travels_to_the_processes_of_the_in_process_runner(run_script, helpers, tmp_path_factory):
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    assert run_script(SOURCE, *flags, env=environment).stdout.splitlines() == EXPECTED


def test_the_taxi_example_runs_in_other_processes(project, portable):
    shutil.copytree(
        TAXI, project / "taxi", ignore=shutil.ignore_patterns("__pycache__", "taxi_*", ".zencache")
    )
    command = [sys.executable, "taxi/run.py", "--rows", "3000", "--trainer", "deep"]
    done = subprocess.run([*command, "--beam-args", *portable], capture_output=True, text=True, cwd=project)
    assert done.returncode == 0, done.stderr
    again = subprocess.run(command, capture_output=True, text=True, cwd=project)
    assert (again.returncode, again.stderr.count("Using cached version")) == (0, 8), again.stderr
