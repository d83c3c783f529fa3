"""``local_cache=``: remote objects are read from copies here, which are checked, shared and bounded."""

import subprocess
import sys
import uuid
from collections import Counter

import fsspec
import numpy as np
import pytest
from artifact_kinds import url_of

from zencache import Repository, pipeline, step
from zencache.artifact_store import open_artifact_store
from zencache.exceptions import ArtifactDamaged, ConfigurationError
from zencache.owner import this_process
from zencache.stores import _artifact_store

SIZE = 200_000


@step
def make(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, SIZE, dtype=np.uint8)


@step
def count(data: np.ndarray) -> int:
    return int(data.size)


@pipeline
def counting(seed: int = 1):
    count(data=make(seed=seed))


@pytest.fixture
def url():
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def remote_reads(monkeypatch):
    """How often a file was read from the remote store, by the last part of its name."""
    kind, reads = fsspec.get_filesystem_class("memory"), Counter()

    def counting(real):
        def counted(self, path, *args, **options):
            reads[path.rpartition("/")[2]] += 1
            return real(self, path, *args, **options)

        return counted

    for name in ("cat_file", "get_file"):
        monkeypatch.setattr(kind, name, counting(getattr(kind, name)))
    return reads


def repository(url, project, **options):
    """As a new process would open it: nothing is remembered but what lies in files."""
    _artifact_store.cache_clear()
    options = {"local_cache": project / "copies", **options}
    return Repository(metadata=project / "metadata.db", artifacts=url, **options)


def data_of(run):
    return run.steps["make"].output.read()


def copies(project):
    return sorted(path for path in (project / "copies" / "objects").glob("*/*") if path.is_dir())


def test_a_cached_remote_array_is_read_from_the_copy(project, url, remote_reads):
    counting().run(repository=repository(url, project))
    remote_reads.clear()
    first = data_of(repository(url, project).get_runs()[-1])
    assert remote_reads["array.npy"] == 0  # `count` has read it, and so it is here
    for _ in range(3):
        assert np.array_equal(data_of(repository(url, project).get_runs()[-1]), first)
    assert remote_reads == {}
    again = counting().run(repository=repository(url, project), refresh=["count"])
    assert again.steps["count"].output.read() == SIZE
    assert remote_reads["array.npy"] == 0


def test_without_one_each_process_reads_anew(project, url, remote_reads):
    counting().run(repository=repository(url, project, local_cache=None))
    remote_reads.clear()
    data_of(repository(url, project, local_cache=None).get_runs()[-1])
    assert remote_reads["array.npy"] == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest", "more"])
def test_a_damaged_copy_is_fetched_again_and_never_served(project, url, remote_reads, damage):
    counting().run(repository=repository(url, project))
    expected = np.random.default_rng(1).integers(0, 255, SIZE, dtype=np.uint8)
    (file,) = (file for file in (project / "copies").rglob("array.npy") if file.stat().st_size > SIZE)
    file.chmod(0o644)
    if damage == "flip":
        payload = bytearray(file.read_bytes())
        payload[-10] ^= 1
        file.write_bytes(payload)
    elif damage == "truncate":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "remove":
        file.unlink()
    elif damage == "manifest":
        manifest = file.parent.parent / "manifest.json"
        manifest.chmod(0o644)
        manifest.write_text("{}")
    else:
        (file.parent / "more").write_text("x")
    remote_reads.clear()
    assert np.array_equal(data_of(repository(url, project).get_runs()[-1]), expected)
    assert remote_reads["array.npy"] == 1
    assert np.array_equal(data_of(repository(url, project).get_runs()[-1]), expected)
    assert remote_reads["array.npy"] == 1
    assert not list((project / "copies").glob("damaged/*"))


def test_a_damaged_remote_object_does_not_become_a_copy(project, url):
    run = counting().run(repository=repository(url, project, local_cache=None))
    artifact = run.steps["make"].output
    files, root = fsspec.core.url_to_fs(url)
    (path,) = (path for path in files.find(root) if path.endswith(".npy") and files.size(path) > SIZE)
    payload = bytearray(files.cat_file(path))
    payload[-1] ^= 1
    files.pipe_file(path, bytes(payload))
    store = open_artifact_store(url, local_cache=project / "copies")
    with pytest.raises(ArtifactDamaged):
        store.open(artifact.artifact.object)
    assert copies(project) == []


READER = """
import sys
import zencache
repository = zencache.Repository(metadata=sys.argv[1], artifacts=sys.argv[2], local_cache=sys.argv[3])
run = repository.get_runs()[-1]
for view in run.steps.values():
    print(view.name, hash(view.output.read().tobytes()) if view.name == "make" else view.output.read())
"""


@pytest.mark.slow
def test_many_processes_fill_one_folder_at_once(project, tmp_path, monkeypatch):
    url = url_of("s3", tmp_path, monkeypatch)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    counting().run(repository=repository(url, project, local_cache=None))
    (project / "reader.py").write_text(READER)
    arguments = [sys.executable, "reader.py", str(project / "metadata.db"), url, str(project / "copies")]
    readers = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project)
        for _ in range(5)
    ]
    said = [reader.communicate(timeout=100) for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * 5, said
    assert len({out for out, _ in said}) == 1
    assert len(copies(project)) == 2
    assert not [path for path in (project / "copies" / "staging").rglob("*") if path.is_file()]


def test_the_copies_stay_within_their_size_and_the_last_used_stay(project, url, run_script):
    writer = repository(url, project, local_cache=None)
    for seed in range(6):
        counting(seed=seed).run(repository=writer, run_name=f"run-{seed}")
    limit = 3 * SIZE
    for seed in (0, 1, 2, 3, 0, 4, 5):
        # Each as a process of its own, whose notes are those of the dead when it has ended.
        reader = repository(url, project, local_cache_size=limit)
        data_of(reader.get_run(f"run-{seed}"))
        for notes in (project / "copies" / "using").iterdir():
            notes.rename(notes.with_name(f"{_dead(notes.name)}{seed}{uuid.uuid4().hex[:4]}"))
        kept = sum(file.stat().st_size for copy in copies(project) for file in copy.rglob("*"))
        assert kept <= limit + 10_000
    assert len(copies(project)) == 2


def _dead(owner):
    host, _, _ = owner.split("~")
    return f"{host}~999999999~1"


def test_what_a_living_process_uses_is_not_removed(project, url):
    writer = repository(url, project, local_cache=None)
    for seed in range(4):
        counting(seed=seed).run(repository=writer, run_name=f"run-{seed}")
    reader = repository(url, project, local_cache_size=SIZE)
    for seed in range(4):
        data_of(reader.get_run(f"run-{seed}"))
    assert len(copies(project)) == 4


def test_what_a_dead_process_was_fetching_is_swept(project, url):
    staging = project / "copies" / "staging"
    dead = staging / _dead(str(this_process())) / "half"
    dead.mkdir(parents=True)
    (dead / "array.npy").write_bytes(b"half")
    counting().run(repository=repository(url, project))
    assert not dead.exists()


def test_it_is_set_by_the_environment_and_by_the_project(project, url, monkeypatch):
    monkeypatch.setenv("ZENCACHE_LOCAL_CACHE", str(project / "from-environment"))
    counting().run(repository=repository(url, project, local_cache=None))
    assert list((project / "from-environment" / "objects").glob("*/*"))
    monkeypatch.delenv("ZENCACHE_LOCAL_CACHE")
    (project / "pyproject.toml").write_text(
        '[tool.zencache]\nlocal_cache = "from-project"\nlocal_cache_size = "1 GB"\n'
    )
    data_of(repository(url, project, local_cache=None).get_runs()[-1])
    assert list((project / "from-project" / "objects").glob("*/*"))


@pytest.mark.parametrize("size", ["many", "-1", "0", "1 XB", " ", 0.5, True, -3])
def test_a_wrong_size_is_a_clear_error(project, url, size):
    with pytest.raises(ConfigurationError, match="local_cache_size"):
        repository(url, project, local_cache_size=size)


def test_a_folder_that_is_a_file_is_a_clear_error(project, url):
    (project / "copies").write_text("")
    with pytest.raises(ConfigurationError, match="not a folder"):
        repository(url, project)
