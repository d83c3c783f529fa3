"""No record and no stored file makes code run that no step has asked for by name."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zencache import (
    ArtifactDamaged,
    ArtifactMissing,
    MaterializerError,
    PickleMaterializer,
    Repository,
    pipeline,
    step,
)
from zencache.artifact_store import open_artifact_store
from zencache.artifact_store.manifest import MANIFEST, Manifest
from zencache.digest import Digest, digest_bytes
from zencache.materializer import name_of
from zencache.metadata import schema

CANARY = "open('canary', 'w').close()\n"
PICKLED = name_of(PickleMaterializer)


class Bomb:
    def __reduce__(self):
        return exec, (CANARY,)


@step
def make() -> np.ndarray:
    with open("ran.txt", "a") as file:
        file.write("make ")
    return np.arange(5)


@step
def use(array: np.ndarray, plus: int) -> int:
    return int(array.sum()) + plus


@pipeline
def using(plus: int = 0):
    use(make(), plus)


@pytest.fixture(autouse=True)
def _nobody_has_asked(monkeypatch):
    """A step of the same name in another test may have asked for pickles."""
    monkeypatch.setattr("zencache.declaration._asked_for", {})


@pytest.fixture(autouse=True)
def no_canary(project):
    yield
    assert not Path("canary").exists(), "code ran that came with a record or a file"


def stored(**files):
    """An object in the artifact store, which is sound in itself."""
    store = open_artifact_store(".zencache/artifacts")
    with store.stage() as folder:
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_bytes(content)
        return store.publish(folder).digest


def forge(type_name, digest=None, **texts):
    """Change the records of artifacts of a type, as somebody who can write to the metadata store does."""
    store = Repository().store
    rows = store.get_artifacts_by_type(type_name)
    assert rows
    for row in rows:
        if digest is not None:
            texts = {**texts, "digest": digest.hash, "size": str(digest.size)}
            row.custom_properties.pop(schema.OBJECT, None)
        for name, text in texts.items():
            row.custom_properties[f"zencache_{name}"].string_value = text
    store.put_artifacts(rows)


def consumer_result(plus):
    return using(plus).run().steps["use"].output.read()


def first_run():
    run = using().run()
    assert run.steps["use"].output.read() == 10
    return run


def test_a_record_that_names_a_pickle_is_not_unpickled_by_a_run_nor_by_a_reader():
    first_run()
    forge("Array", stored(value__pkl=pickle.dumps(Bomb())), materializer=PICKLED)
    with pytest.raises(MaterializerError, match="nobody here has asked"):
        Repository().get_runs()[0].steps["make"].output.read()
    assert consumer_result(1) == 11


def test_what_a_step_asked_for_by_name_is_unpickled():
    @step(materializers=PickleMaterializer)
    def fit() -> complex:
        return 1j

    @pipeline
    def fitting():
        fit()

    fitting().run()
    assert Repository().get_runs()[0].steps["fit"].output.read() == 1j


def test_in_another_process_a_pickle_is_read_if_the_reader_asks_for_it(run_script):
    run_script(
        """
        from zencache import PickleMaterializer, pipeline, step

        @step(materializers=PickleMaterializer)
        def fit() -> complex:
            return 1j

        @pipeline
        def fitting():
            fit()

        fitting().run()
        """
    )
    done = run_script(
        """
        from zencache import MaterializerError, PickleMaterializer, Repository

        output = Repository().get_runs()[0].steps["fit"].output
        try:
            output.read()
        except MaterializerError as error:
            print("read(materializer=PickleMaterializer)" in str(error))
        print(output.read(materializer=PickleMaterializer))
        """
    )
    assert done.stdout == "True\n1j\n"


@pytest.mark.parametrize("what", ["materializer", "python_type"])
@pytest.mark.parametrize(
    "module", ["canary_module", "canary_package.inner", "idlelib.idle", "zencache.__main__"]
)
def test_a_record_that_names_a_module_does_not_import_it(project, monkeypatch, what, module):
    import sys

    (project / "canary_module.py").write_text(CANARY + "class Thing: pass\n")
    (project / "canary_package").mkdir()
    (project / "canary_package" / "__init__.py").write_text(CANARY)
    (project / "canary_package" / "inner.py").write_text(CANARY + "class Thing: pass\n")
    monkeypatch.syspath_prepend(str(project))
    first_run()
    forge("Array", **{what: f"{module}:Thing"})
    assert consumer_result(1) == 11
    assert module not in sys.modules
    with pytest.raises(MaterializerError, match="not imported"):
        Repository().get_runs()[0].steps["make"].output.read()


def test_an_external_artifact_makes_no_instance_of_a_class_that_is_no_reference():
    first_run()
    forge("Array", materializer="", python_type="test_hostile_records:Loud")
    with pytest.raises(MaterializerError, match="something else than a reference"):
        Repository().get_runs()[0].steps["make"].output.read()


class Loud:
    def __init__(self):
        exec(CANARY)


def test_a_configuration_does_not_replace_what_a_materializer_does():
    first_run()
    forge("Array", materializer_configuration='{"load":1}')
    with pytest.raises(MaterializerError, match="attributes"):
        Repository().get_runs()[0].steps["make"].output.read()
    assert consumer_result(1) == 11


def npy_of_objects():
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("size", [0, 2 << 20])
def test_an_array_of_objects_is_an_error(size):
    first_run()
    forge("Array", stored(array__npy=npy_of_objects() + b"\0" * size))
    with pytest.raises(MaterializerError):
        Repository().get_runs()[0].steps["make"].output.read()
    assert consumer_result(1) == 11


def test_a_table_whose_metadata_hold_a_pickle_is_data_or_an_error(project):
    pa = pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    import pyarrow.parquet as pq

    @step
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"a": [1, 2]})

    @pipeline
    def framing():
        frame()

    framing().run()
    bomb = pickle.dumps(Bomb())
    # What arrow's own extension types for Python objects, and pandas' metadata, would carry.
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": bomb,
    }
    field = pa.field("a", pa.int64(), metadata=metadata)
    table = pa.table(
        [pa.array([1, 2])], schema=pa.schema([field], metadata={b"pandas": bomb, b"zencache": bomb})
    )
    for write in (_ipc, lambda t, f: pq.write_table(t, f)):
        file = io.BytesIO()
        write(table, file)
        name = "table__arrow" if write is _ipc else "table__parquet"
        forge("Table", stored(**{name: file.getvalue()}))
        with pytest.raises(MaterializerError):
            Repository().get_runs()[0].steps["frame"].output.read()


def _ipc(table, file):
    import pyarrow as pa

    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def malicious_configs():
    """Layers of a model that are code, or that name something to call."""
    import base64
    import marshal

    code = base64.b64encode(marshal.dumps(compile(CANARY, "x", "exec"))).decode()
    lambda_value = {"class_name": "__lambda__", "config": {"value": [code, None, None]}}
    return {
        "a lambda": {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": lambda_value, "name": "x"},
            "registered_name": None,
        },
        "a module": {
            "module": "canary_module",
            "class_name": "Thing",
            "config": {},
            "registered_name": "Thing",
        },
        "a function": {
            "module": "canary_module",
            "class_name": "function",
            "config": "run",
            "registered_name": "function",
        },
        "a program": {
            "module": "os",
            "class_name": "function",
            "config": "system",
            "registered_name": "function",
        },
    }


@pytest.mark.slow
@pytest.mark.parametrize("trick", ["a lambda", "a module", "a function", "a program"])
@pytest.mark.parametrize("unsafe", [False, True])
def test_a_keras_model_with_code_in_it_is_an_error(project, monkeypatch, trick, unsafe):
    keras = pytest.importorskip("keras")
    (project / "canary_module.py").write_text(CANARY + "class Thing: pass\ndef run(): pass\n")
    monkeypatch.syspath_prepend(str(project))

    @step
    def train() -> keras.Model:
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    @pipeline
    def training():
        train()

    run = training().run()
    path = Path(run.steps["train"].output.uri, "payload", "model.keras")
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    config["config"]["layers"].append(malicious_configs()[trick])
    contents["config.json"] = json.dumps(config).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    forge("Model", stored(model__keras=file.getvalue()))
    if unsafe:
        keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(MaterializerError):
            Repository().get_runs()[0].steps["train"].output.read()
    finally:
        if unsafe:
            keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)


# -- what lies in the artifact store


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/hostname", "a/../../b", "a//b", "./a", "", "a\0b", ".."]
)
def test_a_manifest_that_names_a_file_outside_is_damage(path):
    files = {path: digest_bytes(b"x")}
    manifest = Manifest.of(files)
    with pytest.raises(ValueError, match="outside"):
        Manifest.parse(manifest.dump(), manifest.digest)


@pytest.mark.parametrize("url", [".zencache/artifacts", "memory://hostile"])
def test_nothing_is_written_outside_of_a_store_by_opening_an_object(project, url):
    store = open_artifact_store(url)
    manifest = Manifest.of({"../../../../../../escaped": digest_bytes(b"x")})
    from zencache.artifact_store.manifest import address

    folder = address(manifest.digest)
    store.write_file(f"{folder}/{MANIFEST}", manifest.dump())
    with pytest.raises(ArtifactDamaged):
        store.open(manifest.digest)


@pytest.mark.parametrize(
    "hash", ["blake3:../../../../victim", "x", "", "blake3:" + "A" * 64, "blake3:\0", "é"]
)
def test_a_digest_that_is_a_path_leads_nowhere(project, hash):
    victim = project / "victim"
    victim.mkdir()
    (victim / MANIFEST).write_text("{}")
    store = open_artifact_store(str(project / "a" / "b" / "c" / "d"))
    digest = Digest(hash, 2)
    with pytest.raises(ArtifactMissing):
        store.open(digest)
    store.set_aside(digest)
    assert (victim / MANIFEST).exists()
    with pytest.raises((ArtifactMissing, ArtifactDamaged)):
        store.read_record(hash)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
@pytest.mark.parametrize("what", ["manifest.json", "payload/array.npy"])
def test_a_special_file_in_an_object_is_a_miss_and_not_waited_for(kind, what):
    first = first_run()
    file = Path(first.steps["make"].output.uri, what)
    content = file.read_bytes()
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        Path("elsewhere").write_bytes(content)
        file.symlink_to(Path("elsewhere").absolute())
    if what == "manifest.json" and kind == "link":
        return  # what is read through it has the right digest
    assert consumer_result(1) == 11
    assert Path("ran.txt").read_text().split() == ["make", "make"]


# -- for whom files are made


def modes(folder):
    return {
        (path.is_dir(), f"{stat.S_IMODE(path.lstat().st_mode):04o}")
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink()
    }


@pytest.fixture
def umask():
    before = os.umask(0)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_files_are_for_their_owner_only_whatever_the_umask(project, umask, mask):
    umask(mask)
    first_run()
    (project / "data.txt").write_text("x")
    assert modes(project / ".zencache") <= {(True, "0700"), (False, "0600"), (False, "0400")}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_folder_with_the_set_group_id_bit_is_shared_with_its_group(project, umask, mask):
    umask(mask)
    (project / ".zencache").mkdir()
    (project / ".zencache").chmod(0o2770)
    first_run()
    assert modes(project / ".zencache") <= {(True, "2770"), (False, "0660"), (False, "0440")}
