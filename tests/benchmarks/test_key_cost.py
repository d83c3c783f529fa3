"""Where the time of a run goes whose steps are all cached; nothing here has a goal of its own."""

from __future__ import annotations

import functools
import hashlib
import inspect
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_metadata.metadata_store.metadata_store as stock
import pytest
from chain import load, write_chain
from measure import interleaved, line, shown, title

import zencache.cache
import zencache.invocation
import zencache.repository
from zencache import Repository, events
from zencache.artifact_store.local import LocalArtifactStore
from zencache.digest import encode
from zencache.key import KeyMaker
from zencache.metadata import MetadataStore, Reader, RunWriter
from zencache.metadata.connection import SqliteConnection

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LENGTH = 50
RUNS = 40
PARTS: dict[str, list[tuple[Any, str]]] = {
    "keys: code": [(KeyMaker, "prepare")],
    "keys: the rest": [(KeyMaker, "key")],
    "look-up: MLMD": [
        (stock.MetadataStore, name)
        for name in (
            "get_context_by_type_and_name",
            "get_contexts_by_external_ids",
            "get_executions_by_context",
            "get_events_by_execution_ids",
            "get_artifacts_by_id",
        )
    ],
    "look-up: what MLMD said": [(Reader, "keys_of_run"), (Reader, "entries"), (Reader, "run")],
    "look-up: decision": [(zencache.cache.Cache, "lookup"), (MetadataStore, "begin_run")],
    "verify": [(LocalArtifactStore, "verify")],
    "record: MLMD": [
        (stock.MetadataStore, name)
        for name in ("put_lineage_subgraph", "put_attributions_and_associations", "put_parent_contexts")
    ],
    "record: what to say": [(RunWriter, "hits"), (RunWriter, "finish")],
    "record: lock": [(SqliteConnection, "write")],
    "log lines": [(events, "emit")],
    "settings and facts": [
        (zencache.repository, "find_settings"),
        (zencache.invocation, "environment_facts"),
    ],
}


class Shares:
    """The own time of each part: what it calls of another part counts there."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inner = [0.0]

    def of(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - started
                self.seconds[part] += whole - self._inner.pop()
                self._inner[-1] += whole
                self.calls[part] += 1

        return timed


def test_what_a_cache_key_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = load(write_chain(tmp_path, LENGTH)).chain()
    sources = [inspect.getsource(node.step.function).encode() for node in bound.steps.values()]
    repository = Repository(tmp_path)
    for _ in range(2):
        bound.run(repository=repository)
    shares = Shares()
    keys: deque[Any] = deque(maxlen=LENGTH)  # those of the last run
    make_key = shares.of("key", KeyMaker.key)

    def key(*args: Any) -> Any:
        keys.append(make_key(*args))
        return keys[-1]

    monkeypatch.setattr(KeyMaker, "prepare", shares.of("code", KeyMaker.prepare))
    monkeypatch.setattr(KeyMaker, "key", key)
    for _ in range(RUNS):
        check(bound.run(repository=repository))
    texts = [source + encode(made.parts) for source, made in zip(sources, keys, strict=True)]

    def sha256() -> None:
        for text in texts:
            hashlib.sha256(text).hexdigest()

    plain = interleaved({"sha256": sha256}, rounds=50)["sha256"] / LENGTH
    per_step = {part: spent / RUNS / LENGTH for part, spent in shares.seconds.items()}
    title(f"a cache key, per step, warm ({sum(map(len, texts)) / LENGTH:.0f} bytes of text)")
    line("code fingerprints and fixed parts", per_step["code"], "SHA-256 of the same text", plain)
    line("parameters, inputs and the key", per_step["key"], "SHA-256 of the same text", plain)
    assert shares.calls["key"] == RUNS * LENGTH


def test_where_the_time_of_a_warm_run_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = load(write_chain(tmp_path, LENGTH)).chain()
    repository = Repository(tmp_path)
    for _ in range(3):
        bound.run(repository=repository)
    plain = interleaved({"run": lambda: check(bound.run(repository=repository))}, rounds=15)["run"]
    shares = Shares()
    for part, functions in PARTS.items():
        for owner, name in functions:
            monkeypatch.setattr(owner, name, shares.of(part, getattr(owner, name)))
    run = shares.of("rest", bound.run)
    for _ in range(RUNS):
        check(run(repository=repository))

    whole = sum(shares.seconds.values())
    title(f"{LENGTH} cached steps: {shown(whole / RUNS)} with these timers, {shown(plain)} without")
    for part, spent in sorted(shares.seconds.items(), key=lambda row: -row[1]):
        calls = shares.calls[part] / RUNS
        print(f"  {part:<26} {spent / whole:6.1%}  {shown(spent / RUNS):>10}  {calls:6.1f} calls a run")
    assert shares.calls["rest"] == RUNS


def check(run: Any) -> None:
    assert run.status == "completed"
