"""What the fault tests look at afterwards: states in the metadata store, bytes in the artifact store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zencache.artifact_store.manifest import MANIFEST, PAYLOAD, Manifest, address
from zencache.digest import Digest, digest_file


def statuses(run: Any) -> dict[str, str]:
    """Step -> status, of a run's view."""
    return {name: view.status for name, view in run.steps.items()}


def mlmd_states(store: Any) -> list[tuple[str, str]]:
    """``(execution name without its run, state)`` of all executions, oldest first, by the stock client."""
    executions = sorted(store.get_executions(), key=lambda e: e.id)
    return [(e.name.rpartition("/")[2], e.State.Name(e.last_known_state)) for e in executions]


def mlmd_runs(store: Any) -> list[str]:
    """The status of all runs, oldest first, by the stock client."""
    contexts = sorted(store.get_contexts_by_type("pipeline_run"), key=lambda c: c.id)
    return [context.custom_properties["zencache_status"].string_value for context in contexts]


def objects(artifacts: Path) -> list[Path]:
    """The folders of all objects of a local artifact store."""
    return sorted((artifacts / "objects").glob("*/*"))


def unsound_objects(artifacts: Path) -> list[str]:
    """What is wrong with the objects of a local artifact store: nothing, whatever happened before."""
    return [f"{folder.name}: {problem}" for folder in objects(artifacts) for problem in _problems(folder)]


def _problems(folder: Path) -> list[str]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return ["no manifest"]
    try:
        written = json.loads(manifest.read_bytes())
        parsed = Manifest.parse(manifest.read_bytes(), Digest(written["digest"], written["size"]))
    except (ValueError, KeyError, TypeError) as error:
        return [f"manifest: {error}"]
    payload = folder / PAYLOAD
    there = {path.relative_to(payload).as_posix() for path in payload.rglob("*") if path.is_file()}
    problems = []
    if there != set(parsed.files):
        problems.append(f"files that only one of payload and manifest has: {there ^ set(parsed.files)}")
    if Path(address(parsed.digest)).name != folder.name:
        problems.append(f"lies at the address of another: {parsed.digest}")
    problems += [
        f"{path}: its bytes are not those of {digest}"
        for path, digest in parsed.files.items()
        if path in there and digest_file(payload / path) != digest
    ]
    return problems


def files_in_staging(artifacts: Path) -> list[str]:
    """What lies under ``staging/``, empty folders of processes apart."""
    staging = artifacts / "staging"
    return sorted(str(p.relative_to(staging)) for p in staging.glob("*/*"))
