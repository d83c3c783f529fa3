"""Whatever is read back may be anything: a clear error or a miss, never a crash or a hang."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest

from zencache import Repository, ZencacheError, pipeline, step
from zencache.artifact_store.manifest import Manifest
from zencache.digest import digest_bytes
from zencache.exceptions import MaterializerError
from zencache.materializer import by_name
from zencache.settings import find_settings

pytestmark = pytest.mark.timeout(300)

HOSTILE = [
    "",
    "x",
    "null",
    "[]",
    "{}",
    "[" * 100_000,
    '{"a":' * 2_000,
    "NaN",
    "-1",
    "²",
    "9" * 5_000,
    '{"execution":1e400,"duration":1,"finished":1}',
    '{"execution":99999999999999999999,"duration":1,"finished":1}',
    '{"execution":1,"duration":1,"finished":1e300}',
    '{"execution":1,"duration":"nan","finished":1}',
    '{"by":1,"value":[],"finished":"x"}',
    '{"steps":1}',
    '{"format":2,"shape":"function","steps":[{"name":1}]}',
    '{"format":2,"steps":[{"name":"a","step":"b","inputs":{"x":["a"]},"after":[]}]}',
    '{"outcome":"HIT","reason":[],"level":"run"}',
    '{"$tuple":1}',
    '{"$set":[[]]}',
    '{"$bytes":"\u00e9"}',
    '{"$int":"zz"}',
    "record:blake3:" + "0" * 64,
    "record:../../../../etc/passwd",
    "blake3:" + "0" * 64,
    "blake3:../../../../etc",
    "../../../etc/passwd",
    "os:system",
    "zencache.materializer.plain:Nothing",
    "builtins:int",
    "0001-01-01T00:00:00",
    "\x1b[2J\u202e",
    "\ud7ff" * 700,
]


@step
def make(size: int) -> np.ndarray:
    return np.arange(size)


@step
def total(array: np.ndarray, plus: float) -> float:
    return float(array.sum()) + plus


@pipeline
def totals(size: int = 4, plus: float = 0.123456789):
    total(make(size), plus)


def mutated(random_, text):
    """Another text: a hostile one, or the same with something changed."""
    if not text or random_.random() < 0.5:
        return random_.choice(HOSTILE)
    at = random_.randrange(len(text))
    kind = random_.randrange(3)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + random_.choice('{}[]":,0aé\x01') + text[at + 1 :]
    return text[:at] + text[at:][::-1]


def mutate_metadata(random_):
    """Change one property of one row, by the stock client."""
    store = Repository().store
    kind = random_.choice(["artifacts", "executions", "contexts"])
    rows = [row for row in getattr(store, f"get_{kind}")() if row.custom_properties]
    row = random_.choice(rows)
    name = random_.choice(sorted(row.custom_properties))
    value = row.custom_properties[name]
    what = random_.randrange(6)
    if what == 0:
        del row.custom_properties[name]
    elif what == 1:
        value.int_value = random_.choice([0, -1, 2**62])
    elif what == 2:
        value.double_value = random_.choice([0.0, -1.0, 1e300])
    else:
        before = value.string_value if value.WhichOneof("value") == "string_value" else ""
        value.string_value = mutated(random_, before)
    getattr(store, f"put_{kind}")([row])
    return f"{kind} {name}"


def use_everything():
    """All that reads records; a clear error is fine, anything else is not."""
    repository = Repository()
    with contextlib.suppress(ZencacheError):
        for run in repository.get_runs():
            for view in run.steps.values():
                with contextlib.suppress(ZencacheError):
                    str(view.why())
                for artifact in (*view.outputs.values(), *view.inputs.values()):
                    with contextlib.suppress(ZencacheError):
                        artifact.read()
    for ask in (
        lambda: repository.stats(),
        lambda: [p.steps for p in repository.get_pipelines()],
        lambda: repository.get_pipeline_by_name("totals").copy("again").plan(),
        lambda: [repository.lineage(a).to_json() for a in repository.artifacts()],
        lambda: repository.executions(),
        lambda: str(totals().plan()),
        lambda: totals().run(),
        lambda: totals(plus=1.5).run(),
        lambda: totals().run(refresh=True),
    ):
        with contextlib.suppress(ZencacheError):
            ask()


def fuzz_metadata(seeds):
    for seed in seeds:
        random_ = random.Random(seed)
        totals().run()
        for _ in range(3):
            where = mutate_metadata(random_)
            try:
                use_everything()
            except Exception as error:
                raise AssertionError(f"seed {seed}: {where}") from error


def test_records_of_the_metadata_store(project):
    fuzz_metadata(range(8))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 900, 100))
def test_many_records_of_the_metadata_store(project, start):
    fuzz_metadata(range(start, start + 40))


def bytes_of(random_, content):
    """The content with bytes changed, cut, repeated or put in."""
    content = bytearray(content)
    for _ in range(random_.randrange(1, 4)):
        at = random_.randrange(len(content) + 1)
        kind = random_.randrange(4)
        if kind == 0 and content:
            content[at % len(content)] = random_.randrange(256)
        elif kind == 1:
            del content[at:]
        elif kind == 2:
            content[at:at] = random_.randbytes(random_.randrange(1, 9))
        else:
            content[at:at] = content[: random_.randrange(1, 64)]
    return bytes(content)


def test_manifests():
    manifest = Manifest.of({f"a/{i}": digest_bytes(b"x") for i in range(3)})
    payload = manifest.dump()
    random_ = random.Random(1)
    for text in (
        *(h.encode("utf-8", "surrogatepass") for h in HOSTILE),
        b'{"files":[]}',
        b'{"files":{"a":[true,1]}}',
    ):
        with pytest.raises(ValueError):
            Manifest.parse(text, manifest.digest)
    for _ in range(2_000):
        with contextlib.suppress(ValueError):
            assert Manifest.parse(bytes_of(random_, payload), manifest.digest).files == manifest.files


def values():
    """A value of each kind, and the name of what saves it."""
    found = {
        "numpy_array:ArrayMaterializer": np.arange(20.0).reshape(4, 5),
        "numpy_array:ScalarMaterializer": np.float32(2),
        "json_value:JsonMaterializer": {"a": [1, (2, {3: b"x"})], "b": {1.5, None}},
        "plain:TextMaterializer": "text é",
        "plain:BytesMaterializer": b"bytes",
        "structured:DataclassMaterializer": Point(1, [2.0]),
    }
    with contextlib.suppress(ImportError):
        import pandas as pd
        import pyarrow as pa

        found["tabular:PandasMaterializer"] = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
        found["arrow_table:ArrowMaterializer"] = pa.table({"a": [1, 2], "b": ["x", None]})
    return found


@dataclasses.dataclass
class Point:
    x: int
    y: list[float]


def fuzz_files(tmp_path, rounds):
    for name, value in values().items():
        materializer = by_name(f"zencache.materializer.{name}")()
        folder = tmp_path / name.partition(":")[2]
        folder.mkdir()
        materializer.save(value, folder)
        (file,) = folder.iterdir()
        content = file.read_bytes()
        random_ = random.Random(name)
        for _ in range(rounds):
            file.write_bytes(bytes_of(random_, content))
            try:
                materializer.load(folder, type(value))
            except MaterializerError:
                pass
            except Exception as error:
                raise AssertionError(f"{name}: {file.read_bytes()!r}") from error


def test_materialized_files(tmp_path):
    fuzz_files(tmp_path, 150)


@pytest.mark.slow
def test_materialized_files_many_times(tmp_path):
    fuzz_files(tmp_path, 5_000)


def test_what_is_remembered_of_files_and_sources(project):
    totals().run()
    random_ = random.Random(3)
    for file in (Path(".zencache/files.json"), Path(".zencache/sources.jsonl")):
        content = file.read_bytes() if file.exists() else b"{}"
        for i in range(30):
            text = (
                random_.choice(HOSTILE).encode("utf-8", "surrogatepass")
                if i % 2
                else bytes_of(random_, content)
            )
            file.unlink(missing_ok=True)
            file.write_bytes(text)
            assert totals().run().steps["total"].output.read() == 6.123456789


def test_settings(project):
    random_ = random.Random(4)
    content = b'[tool.zencache]\nmetadata = "a/b.db"\nartifacts = "memory://x"\nrequire_signatures = ["k"]\n'
    for i in range(300):
        text = random_.choice(HOSTILE) if i % 5 == 0 else None
        (project / "pyproject.toml").write_bytes(
            bytes_of(random_, content)
            if text is None
            else b"[tool.zencache]\nmetadata = " + json.dumps(text).encode()
        )
        with contextlib.suppress(ZencacheError):
            find_settings(project)
