"""Models, examples and folders whose bytes are anything: a clear error, a miss or the right value.

Nothing else than that, no crash, no hang, and no code that the file brings along. Models and examples are
read by native code, so each is read in a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest
from test_fuzzed_records import HOSTILE, bytes_of

from zencache import Repository, pipeline, step
from zencache.exceptions import ArtifactUnusable

ROUNDS = 40

# Raises at whatever a file could have done besides being read.
GUARD = """
import json, random, sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_fuzzed_records import bytes_of
warnings.simplefilter("ignore")
rounds = int(sys.argv[2])
"""
HOOK = """
def hook(event, args):
    if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class"):
        wrong.append(event)
wrong = []
sys.addaudithook(hook)
"""

MODELS = (
    GUARD
    + """
import io, zipfile
import keras, numpy as np
from zencache.exceptions import MaterializerError
from zencache.materializer import by_name

materializer = by_name("zencache.materializer.keras_model:KerasMaterializer")()
folder = Path("model")
folder.mkdir()
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(np.ones((4, 3)), np.ones(4), verbose=0)
materializer.save(model, folder)
materializer.load(folder, keras.Model)
content = (folder / "model.keras").read_bytes()

def inside(random_, content):
    # The archive is right, and what lies in it is not.
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        victim = random_.choice(old.namelist())
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, bytes_of(random_, data) if name == victim else data)
    return out.getvalue()
"""
    + HOOK
    + """
counted = {"loaded": 0, "refused": 0}
for seed in range(rounds):
    random_ = random.Random(seed)
    changed = (inside if seed % 4 else bytes_of)(random_, content)
    (folder / "model.keras").write_bytes(changed)
    for read in (lambda: materializer.load(folder, keras.Model), lambda: materializer.digest(folder)):
        try:
            read()
            counted["loaded"] += 1
        except MaterializerError:
            counted["refused"] += 1
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {error}")
print(json.dumps([counted, wrong]))
"""
)

EXAMPLES = (
    GUARD
    + """
import gzip
import tensorflow as tf
import pyarrow as pa, pyarrow.parquet
from zencache.exceptions import MaterializerError
from zencache.materializer.examples import as_arrow_dataset, as_tf_dataset

options = tf.io.TFRecordOptions(compression_type="GZIP")
with tf.io.TFRecordWriter("data.gz", options) as writer:
    for number in range(50):
        writer.write(b"record %d" % number)
pa.parquet.write_table(pa.table({"a": list(range(50)), "b": ["x"] * 50}), "data.parquet")
records = {b"record %d" % number for number in range(50)}
packed, table = Path("data.gz").read_bytes(), Path("data.parquet").read_bytes()

def inside(random_, content):
    return gzip.compress(bytes_of(random_, gzip.decompress(content)))
"""
    + HOOK
    + """
counted = {"loaded": 0, "refused": 0}
for seed in range(rounds):
    random_ = random.Random(seed)
    Path("data.gz").write_bytes((inside if seed % 2 else bytes_of)(random_, packed))
    try:
        found = set(as_tf_dataset(["data.gz"]).as_numpy_iterator())
        counted["loaded"] += 1
        if not found <= records:  # each record has a checksum
            wrong.append(f"seed {seed}: {found - records}")
    except (tf.errors.OpError, MaterializerError):
        counted["refused"] += 1
    Path("data.parquet").write_bytes(bytes_of(random_, table))
    try:
        as_arrow_dataset(["data.parquet"]).to_table()
        counted["loaded"] += 1
    except (pa.ArrowException, MaterializerError, OSError, ValueError):
        counted["refused"] += 1
print(json.dumps([counted, wrong]))
"""
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("script", "package"), [(MODELS, "keras"), (EXAMPLES, "tensorflow")], ids=["models", "examples"]
)
def test_what_native_code_reads(run_script, script, package):
    pytest.importorskip(package)
    done = run_script(script, Path(__file__).parent, ROUNDS, timeout=250, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    counted, wrong = json.loads(done.stdout.splitlines()[-1])
    assert wrong == []
    assert counted["refused"] > ROUNDS // 2, "nothing that was changed was ever read"


@step
def written() -> Path:
    folder = Path("made")
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    for number in range(3):
        (folder / "deep" / f"{number}.txt").write_text(str(number) * 50)
    return folder


@step
def summed(folder: Path) -> int:
    return sum(int(digit) for file in folder.rglob("*.txt") for digit in file.read_text())


@pipeline
def reading():
    summed(written())


def fuzz_stored_files(seeds):
    reading().run()
    for seed in seeds:
        random_ = random.Random(seed)
        files = sorted(path for path in Path(".zencache/artifacts/objects").rglob("*") if path.is_file())
        victim = random_.choice(files)
        content = victim.read_bytes()
        changed = random_.choice(HOSTILE).encode("utf-8", "surrogatepass") if random_.random() < 0.2 else b""
        victim.parent.chmod(0o700)
        victim.chmod(0o600)
        victim.write_bytes(changed or bytes_of(random_, content))
        try:
            refresh = ["summed"] if seed % 2 else None  # so that it reads the folder
            run = reading().run(refresh=refresh)
            with contextlib.suppress(ArtifactUnusable):  # a hit has looked at sizes only
                assert run.steps["summed"].output.read() == 150
            with contextlib.suppress(ArtifactUnusable):
                found = Repository().get_runs()[-1].steps["written"].output.read()
                assert {file.name: file.read_text() for file in found.rglob("*.txt")} == {
                    f"{number}.txt": str(number) * 50 for number in range(3)
                }
            assert reading().run(refresh=["summed"]).steps["summed"].output.read() == 150
        except Exception as error:
            raise AssertionError(f"seed {seed}: {victim}") from error


def test_files_of_stored_folders(project):
    fuzz_stored_files(range(10))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_files_of_stored_folders_many_times(project):
    fuzz_stored_files(range(100, 180))
