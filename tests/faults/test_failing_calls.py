"""Every call to the metadata store lost, unanswered, repeated or late, once per place where it occurs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from inspection import files_in_staging, unsound_objects
from metadata_servers import metadata_url

ARTIFACTS = Path(".zencache") / "artifacts"

# A fresh project, with keys of its own, and forked processes for each point: one run whose n-th call goes
# wrong, another that finds what it left, and a third that has to hit everything.
POINTS = """
import json, os, sys, tempfile, time
from collections import Counter
from pathlib import Path
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from zencache import Output, Repository, StepFailed, ZencacheError, pipeline, step

fault, state = sys.argv[1:]
sys.stderr = open(os.devnull, "w")

@step
def first(point: int) -> int:
    return 1

@step
def pair(x: int, plus: int) -> Output(a=int, b=str):
    return x + plus // 1000, "b"

@step
def last(a: int, b: str) -> int:
    return a + len(b)

@pipeline
def troubled(point: int, plus: int):
    a, b = pair(first(point), plus * 1000 + point)
    last(a, b)

real = metadata_store.MetadataStore._call
count, target, struck = 0, 0, ""

def troubled_call(self, method_name, request, response):
    global count, struck
    count += 1
    if count != target:
        return real(self, method_name, request, response)
    struck = method_name
    if fault == "late":
        time.sleep(0.05)
        return real(self, method_name, request, response)
    if fault != "lost":
        real(self, method_name, request, response)
    if fault == "repeated":
        return real(self, method_name, request, response)
    raise errors.UnavailableError(f"{fault} on purpose")

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
    assert status == 0, (target, status)
    return json.loads(said)

def run():
    run = troubled(target, plus).run(run_name=f"point-{target}-{os.getpid()}")
    return {"statuses": {name: view.status for name, view in run.steps.items()},
            "result": run.steps["last"].output.read(), "run": run.status}

def in_trouble():
    metadata_store.MetadataStore._call = troubled_call
    try:
        said = run()
    except BaseException as error:
        said = {"error": type(error).__name__, "clear": isinstance(error, ZencacheError), "text": str(error)}
    return said | {"struck": struck}

def audit():
    repository = Repository()
    own = f"point-{target}-"
    executions = [e for e in repository.store.get_executions() if e.name.startswith(own)]
    complete = [e for e in executions if e.last_known_state == e.COMPLETE]
    return {
        "names": [n for n, c in Counter(e.name for e in executions).items() if c > 1],
        "keys": [k for k, c in Counter(
            e.custom_properties["zencache_cache_key"].string_value for e in complete).items() if c > 1],
        "running": [e.name for e in executions if e.last_known_state == e.RUNNING],
        "runs": [run.status for run in repository.get_runs(limit=None) if run.name.startswith(own)],
    }

points = []
while True:
    target += 1
    folder = tempfile.mkdtemp(prefix=f"point-{target:02}-", dir=os.getcwd())
    Path(folder, "pyproject.toml").touch()
    os.chdir(folder)
    plus = 1
    if state != "cold":
        forked(run)
        plus = 2 if state == "half warm" else 1
    trouble = forked(in_trouble)
    if not trouble["struck"]:
        break
    points.append({"point": target, "trouble": trouble, "next": forked(run), "third": forked(run),
                   "audit": forked(audit), "folder": folder, "expected": 1 + plus + 1})
    os.chdir("..")
print(json.dumps(points))
"""


FAULTS = ["lost", "unanswered", "repeated", "late"]


@pytest.mark.slow
@pytest.mark.parametrize("state", ["cold", "half warm", "warm"])
@pytest.mark.parametrize("fault", FAULTS)
def test_wherever_a_call_goes_wrong_the_run_is_right_or_says_so(
    run_script: Any, fault: str, state: str
) -> None:
    nothing_goes_wrong_for_good(run_script, fault, state)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["mysql", "postgresql", "grpc-process"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_with_a_metadata_server(
    run_script: Any, project: Path, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str
) -> None:
    with metadata_url(kind, project) as url:
        monkeypatch.setenv("ZENCACHE_METADATA", url)
        nothing_goes_wrong_for_good(run_script, fault, "half warm")


def nothing_goes_wrong_for_good(run_script: Any, fault: str, state: str) -> None:
    """All points of a run; in one that is half warm, one step hits and the others execute."""
    points = json.loads(run_script(POINTS, fault, state, timeout=500).stdout)
    assert len(points) > 4, "too few calls to be the life of a run"
    wrong = [f"{point['point']}: {problem}" for point in points for problem in problems(point)]
    assert wrong == []


def problems(point: dict[str, Any]) -> list[str]:
    """What must not be after one call has gone wrong."""
    trouble, expected, audit = point["trouble"], point["expected"], point["audit"]
    call = trouble["struck"]
    found = []
    if "error" in trouble and not trouble["clear"]:
        found.append(f"{call}: an unclear error: {trouble['error']} {trouble['text']}")
    for name in ("trouble", "next", "third"):
        if "result" in point[name] and point[name]["result"] != expected:
            found.append(f"{call}: {name} is wrong: {point[name]}")
    if set(point["third"]["statuses"].values()) != {"cached"}:
        found.append(f"{call}: what was recorded is not found: {point['third']}")
    for name in ("names", "keys", "running"):
        if audit[name]:
            found.append(f"{call}: {name}: {audit[name]}")
    if "running" in audit["runs"]:
        found.append(f"{call}: a run that never ends: {audit['runs']}")
    artifacts = Path(point["folder"]) / ARTIFACTS
    found += [f"{call}: {problem}" for problem in unsound_objects(artifacts) + files_in_staging(artifacts)]
    return found
