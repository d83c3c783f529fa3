"""What a cache key costs, beside a bare hash of the same text; nothing here has a goal of its own."""

from __future__ import annotations

import functools
import hashlib
import inspect
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain import load, write_chain
from measure import interleaved, line, title

from zencache import Repository
from zencache.digest import encode
from zencache.key import KeyMaker

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LENGTH = 50
RUNS = 40


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


def check(run: Any) -> None:
    assert run.status == "completed"
