"""Artifact stores over the network: what breaks, who writes at the same time, and what is never shown."""

import multiprocessing
import os
import sqlite3
import sys
import threading
import uuid
from contextlib import contextmanager, suppress

import fsspec
import pytest
from artifact_kinds import KINDS, OBJECT_STORES, REMOTE_KINDS, serve, url_of

from zencache import Repository, events, pipeline, step
from zencache.artifact_store import open_artifact_store
from zencache.artifact_store.filesystem import RemoteFiles
from zencache.exceptions import ArtifactStoreUnreachable, ConfigurationError, ZencacheError
from zencache.stores import _artifact_store
from zencache.testing import capture_events

LONG = "x" * 5000  # longer than MLMD holds, so that it lies in the artifact store


@step
def first(note: str = LONG) -> list:
    return [1, 2, 3]


@step
def second(values: list) -> int:
    return sum(values)


@pipeline
def two():
    second(values=first())


def repository(project, url):
    """As a new process would open it."""
    _artifact_store.cache_clear()
    return Repository(metadata=project / "metadata.db", artifacts=url)


def executed(repository, **options):
    with capture_events() as happened:
        two().run(repository=repository, **options)
    return [event.step for event in happened if isinstance(event, events.WillExecute)]


@pytest.mark.parametrize("kind", REMOTE_KINDS)
def test_a_pipeline_runs_hits_and_heals_on_every_kind(kind, project, tmp_path, monkeypatch):
    url = url_of(kind, tmp_path, monkeypatch)
    assert executed(repository(project, url)) == ["first", "second"]
    assert executed(repository(project, url)) == []
    run = repository(project, url).get_runs()[-1]
    assert run.steps["second"].output.read() == 6
    assert run.steps["first"].source_run.steps["first"].parameters["note"] == LONG
    files = RemoteFiles(url)
    artifact = run.steps["first"].output.artifact
    path = artifact.uri.removeprefix(files.url).strip("/")
    files.write(f"{path}/payload/value.json", b"[9, 9, 9]")
    assert executed(repository(project, url), refresh=["second"])[-1] == "second"
    assert repository(project, url).get_runs()[-1].steps["second"].output.read() == 6


# Each call of the file system fails once, at each place where it occurs in a run.

CALLS = (
    "cat_file",
    "info",
    "get_file",
    "put_file",
    "pipe_file",
    "ls",
    "rm",
    "makedirs",
    "cp_file",
    "rm_file",
)


class ConnectionReset(Exception):
    """Not an OSError: what clients raise often is none."""


def failing_once(patch, at):
    """The ``at``-th call of a file system raises one of CALLS; the list that is returned grows with each."""
    made, lock = [], threading.RLock()

    def called(name):
        with lock:
            made.append(name)
            if len(made) == at:
                raise ConnectionReset("connection reset by peer")

    class Failing:
        """Only what zencache calls, not what fsspec calls in turn."""

        def __init__(self, filesystem):
            self.filesystem = filesystem

        def __getattr__(self, name):
            real = getattr(self.filesystem, name)
            if name not in CALLS:
                return real
            return lambda *args, **options: (called(name), real(*args, **options))[1]

    connected = RemoteFiles._connected.fget
    patch.setattr(RemoteFiles, "_connected", property(lambda self: Failing(connected(self))))
    return made


@contextmanager
def naming(what):
    """Whatever zencache raises says what has happened."""
    try:
        yield
    except ZencacheError as error:
        if what not in str(error):
            raise AssertionError(f"no word of it: {error}") from error
        raise


def each_failure(project, new_url, run, prepare=lambda repository: None):
    """Run once for each call, which fails; then look whether all is right."""
    at, calls = 0, 1
    while at <= calls:  # the first time nothing fails
        url = new_url()
        (project / "metadata.db").unlink(missing_ok=True)
        prepare(repository(project, url))
        with pytest.MonkeyPatch.context() as patch:
            opened = repository(project, url)
            made = failing_once(patch, at)
            with suppress(ZencacheError), naming("connection reset by peer"):
                run(opened)
        if at == 0:
            calls = len(made)
            assert calls > 3
        fresh = repository(project, url)
        nothing_is_half_visible(fresh)
        executed(fresh)
        assert executed(fresh) == [], at
        assert fresh.get_runs()[-1].steps["second"].output.read() == 6
        at += 1


@pytest.fixture(params=["memory", "s3", "sftp", "webdav"])
def new_url(request, tmp_path, monkeypatch):
    """``new_url()``: the URL of another empty store of a kind."""
    if request.param == "memory":
        return lambda: f"memory://{uuid.uuid4().hex}"
    url_of(request.param, tmp_path, monkeypatch)  # for this test its server can be reached
    return serve(request.param).new_url


def nothing_is_half_visible(repository):
    """Whatever is recorded as an output of a completed step can be read."""
    for view in repository.executions(status="completed"):
        assert view.output.read() in ([1, 2, 3], 6)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_any_call_may_fail_once_in_a_first_run(project, new_url):
    each_failure(project, new_url, lambda repository: two().run(repository=repository))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_any_call_may_fail_once_in_a_cached_run(project, new_url):
    each_failure(
        project,
        new_url,
        lambda repository: two().run(repository=repository),
        prepare=lambda repository: two().run(repository=repository),
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_any_call_may_fail_once_where_the_same_is_made_again(project, new_url):
    each_failure(
        project,
        new_url,
        lambda repository: two().run(repository=repository, refresh=True),
        prepare=lambda repository: two().run(repository=repository),
    )


# Two writers.


@pytest.mark.parametrize("kind", KINDS)
def test_writers_of_one_object_at_once_end_with_one_right_object(kind, tmp_path, monkeypatch):
    url = url_of(kind, tmp_path, monkeypatch)
    files = {f"{i}.bin": bytes([i]) * 50_000 for i in range(4)}
    failed, stored = [], []

    def write():
        try:
            store = open_artifact_store(url)
            with store.stage() as directory:
                for name, payload in files.items():
                    (directory / name).write_bytes(payload)
                stored.append(store.publish(directory))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({one.digest for one in stored}) == 1
    store = open_artifact_store(url)
    found = store.open(stored[0].digest)
    assert {path.name: path.read_bytes() for path in found.iterdir()} == files
    assert len(store.names(f"objects/{stored[0].digest.hex[:2]}")) == 1
    remaining = store.names(f"objects/{stored[0].digest.hex[:2]}/blake3-{stored[0].digest.hex}/payload")
    assert remaining == sorted(files)


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_a_file_that_is_there_is_not_created_again(kind, tmp_path, monkeypatch):
    files = RemoteFiles(url_of(kind, tmp_path, monkeypatch))
    files.write("one", b"1", create=True)
    with pytest.raises(FileExistsError):
        files.write("one", b"2", create=True)
    (tmp_path / "two").write_bytes(b"2")
    with pytest.raises(FileExistsError):
        files.put(tmp_path / "two", "one", create=True)
    assert files.read("one") == b"1"


@pytest.mark.parametrize("kind", OBJECT_STORES)
def test_what_an_upload_that_broke_off_left_is_replaced(kind, tmp_path, monkeypatch):
    url = url_of(kind, tmp_path, monkeypatch)
    store = open_artifact_store(url)
    files = RemoteFiles(url)
    with store.stage() as directory:
        (directory / "a").write_bytes(b"right" * 1000)
        (directory / "b").write_bytes(b"also" * 1000)
        digest = store.publish(directory).digest
    path = f"objects/{digest.hex[:2]}/blake3-{digest.hex}"
    files.remove(f"{path}/manifest.json")
    files.write(f"{path}/payload/a", b"wrong")
    files.remove(f"{path}/payload/b")
    with store.stage() as directory:
        (directory / "a").write_bytes(b"right" * 1000)
        (directory / "b").write_bytes(b"also" * 1000)
        store.publish(directory)
    assert (open_artifact_store(url).open(digest) / "a").read_bytes() == b"right" * 1000


@pytest.mark.slow
def test_a_large_file_goes_in_parts(tmp_path, monkeypatch):
    url = url_of("s3", tmp_path, monkeypatch)
    payload = os.urandom(1 << 20) * 21
    store = open_artifact_store(url)
    with store.stage() as directory:
        (directory / "large").write_bytes(payload)
        stored = store.publish(directory)
    filesystem, root = fsspec.core.url_to_fs(stored.uri)
    assert "-" in filesystem.info(f"{root}/payload/large")["ETag"]  # of as many parts as it says
    assert (open_artifact_store(url).open(stored.digest) / "large").read_bytes() == payload


# Unreachable.


def test_a_server_that_is_down_ends_the_run_with_one_error_and_runs_nothing(project, tmp_path, monkeypatch):
    url = url_of("s3", tmp_path, monkeypatch)
    executed(repository(project, url))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with capture_events() as happened, pytest.raises(ArtifactStoreUnreachable) as raised:
        two().run(repository=repository(project, url))
    assert not [event for event in happened if isinstance(event, events.WillExecute)]
    assert url in str(raised.value)
    assert "hint: " in str(raised.value)


@pytest.mark.parametrize("kind", OBJECT_STORES)
def test_a_bucket_that_is_not_there_is_an_error_and_is_not_made(kind, project, tmp_path, monkeypatch):
    url = url_of(kind, tmp_path, monkeypatch)
    scheme = url.partition("://")[0]
    mistyped = f"{scheme}://no-such-bucket-{uuid.uuid4().hex[:8]}/cache"
    for _ in range(2):
        with pytest.raises(ArtifactStoreUnreachable, match="has no bucket `no-such-bucket-"):
            two().run(repository=repository(project, mistyped))


def test_a_refusal_is_told_and_is_no_miss(project, tmp_path, monkeypatch):
    url = url_of("s3", tmp_path, monkeypatch)
    executed(repository(project, url))

    async def refuse(self, method, *args, **options):
        raise PermissionError("Access Denied")

    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", refuse)
    with pytest.raises(ArtifactStoreUnreachable, match="Access Denied") as raised:
        two().run(repository=repository(project, url))
    assert "credentials" in raised.value.hint


@pytest.mark.parametrize("url", ["s3://", "gs://", "nosuch://bucket/x"])
def test_a_wrong_url_is_a_clear_error(project, url):
    with pytest.raises(ConfigurationError, match="artifact store"):
        Repository(metadata="m.db", artifacts=url)


# Processes.


def _read_in_child(store, digest, queue):
    queue.put((store.open(digest) / "a").read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_a_store_works_in_a_forked_and_in_a_spawned_process(kind, method, tmp_path, monkeypatch):
    if method == "fork" and {"apache_beam", "tensorflow", "grpc"} & sys.modules.keys():
        pytest.skip("other tests have loaded libraries that do not survive a fork: run this file alone")
    url = url_of(kind, tmp_path, monkeypatch)
    store = open_artifact_store(url)
    with store.stage() as directory:
        (directory / "a").write_bytes(b"payload")
        digest = store.publish(directory).digest
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(store, digest, queue))
    child.start()
    assert queue.get(timeout=60) == b"payload"
    child.join(60)
    assert child.exitcode == 0
    assert (store.open(digest) / "a").read_bytes() == b"payload"  # the child took nothing away


# Secrets.


def test_a_password_in_a_url_is_recorded_logged_and_raised_nowhere(project, caplog, capfd, monkeypatch):
    server = serve("sftp")
    password = server.base.partition("://")[2].partition("@")[0].partition(":")[2]
    url_of("sftp", project, monkeypatch)
    url = server.new_url()
    assert password in url
    run = two().run(repository=repository(project, url))
    assert run.steps["second"].output.uri.startswith("ssh://127.0.0.1:")
    assert password not in repository(project, url).artifacts_url
    assert password not in repr(repository(project, url))
    with pytest.raises(ZencacheError) as raised:
        Repository(metadata="other.db", artifacts=url.replace(password, "wrong-sesame"))
    shown = [str(raised.value), repr(raised.value.facts), caplog.text, *capfd.readouterr()]
    database = b"".join(path.read_bytes() for path in project.rglob("*") if path.is_file())
    sqlite3.connect(project / "metadata.db").close()
    assert not [text for text in shown if password in text or "wrong-sesame" in text]
    assert password.encode() not in database


def test_keys_in_an_s3_url_are_used_and_not_shown(project, tmp_path, monkeypatch):
    url = url_of("s3", tmp_path, monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    secret = "s3cr3t-k3y"
    with_keys = url.replace("s3://", f"s3://AKIAEXAMPLE:{secret}@")
    run = two().run(repository=repository(project, with_keys))
    assert run.steps["second"].output.uri.startswith(url)
    assert secret.encode() not in (project / "metadata.db").read_bytes()
    assert secret not in repr(repository(project, with_keys))
