"""Sessions that end, servers that are started anew, answers that are lost: nothing is lost or made twice."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from delaying_proxy import delaying
from metadata_servers import (
    cut_sessions,
    metadata_url,
    mysql_session,
    serve_in_a_process,
    serving,
    user_with_password,
)

from zencache import Repository, pipeline, step
from zencache.exceptions import ConfigurationError, MetadataStoreError
from zencache.metadata.connection.mysql import MysqlConnection

SERVERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("mysql", "postgresql")]
SECRET = "s3cret-Passw0rd"


@step
def make(number: int) -> list:
    return [number]


@step
def add(values: list, number: int) -> list:
    return [*values, number]


@pipeline
def adding(length: int = 3):
    values = make(number=0)
    for number in range(1, length):
        values = add(values, number=number)


def statuses(run):
    return [one.status for one in run.steps.values()]


def audit(store):
    """No artifact without the one execution that made it, no execution twice, none left RUNNING."""
    executions = store.get_executions()
    assert len({(e.type_id, e.name) for e in executions}) == len(executions)
    assert {e.State.Name(e.last_known_state) for e in executions} <= {"COMPLETE", "CACHED"}
    complete = [e.id for e in executions if e.State.Name(e.last_known_state) == "COMPLETE"]
    events = store.get_events_by_execution_ids(complete)
    made = [event.artifact_id for event in events if event.type == event.OUTPUT]
    assert sorted(made) == sorted({artifact.id for artifact in store.get_artifacts()})


@step
def waiting(values: list, number: int) -> list:
    """Runs until what the test does meanwhile is done."""
    Path(f"waiting{number}").touch()
    while not Path(f"done{number}").exists():
        time.sleep(0.02)
    return values


@pipeline
def interrupted():
    waiting(add(waiting(make(number=1), number=1), number=2), number=2)


@contextmanager
def meanwhile(project, act):
    """Act while each ``waiting`` step waits; what came of it."""
    results = []

    def watch():
        for number in (1, 2):
            while not (project / f"waiting{number}").exists():
                time.sleep(0.02)
            results.append(act())
            (project / f"done{number}").touch()

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield results
    watcher.join(60)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_session_that_the_server_ends_in_the_middle_of_a_run_is_opened_anew(project, kind):
    with metadata_url(kind, project) as url:
        repository = Repository(metadata=url)
        with meanwhile(project, lambda: cut_sessions(url)) as cuts:
            assert statuses(interrupted().run(repository=repository)) == ["completed"] * 4
        assert len(cuts) == 2
        assert min(cuts) >= 1
        cut_sessions(url)
        assert statuses(interrupted().run(repository=repository)) == ["cached"] * 4
        audit(repository.store)


@pytest.mark.parametrize("kind", SERVERS)
def test_sessions_that_end_at_any_moment_lose_and_double_nothing(project, kind):
    with metadata_url(kind, project) as url:
        repository = Repository(metadata=url)
        repository.get_runs()
        stop = threading.Event()

        def cut_again_and_again():
            while not stop.wait(0.15):
                cut_sessions(url)

        cutter = threading.Thread(target=cut_again_and_again)
        cutter.start()
        try:
            for length in (2, 4, 6):
                assert "failed" not in statuses(adding(length).run(repository=repository))
        finally:
            stop.set()
            cutter.join()
        assert statuses(adding(6).run(repository=repository)) == ["cached"] * 6
        audit(repository.store)


def test_a_connection_to_a_grpc_server_that_is_cut_at_any_moment_loses_and_doubles_nothing(project):
    with serving(f"sqlite:///{project}/served.db") as server, delaying(server.port, 0.002) as proxy:
        repository = Repository(metadata=f"grpc://127.0.0.1:{proxy.port}")
        repository.get_runs()
        stop = threading.Event()
        cuts = []

        def cut_again_and_again():
            while not stop.wait(0.08):
                cuts.append(proxy.cut())

        cutter = threading.Thread(target=cut_again_and_again)
        cutter.start()
        try:
            for length in (4, 8, 12):
                assert "failed" not in statuses(adding(length).run(repository=repository))
        finally:
            stop.set()
            cutter.join()
        assert sum(cuts) > 0
        assert statuses(adding(12).run(repository=repository)) == ["cached"] * 12
        audit(repository.store)


def serve_here(project, port):
    process = serve_in_a_process(f"sqlite:///{project}/served.db", port)
    assert "Serving" in process.stdout.readline()
    return process


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_grpc_server_that_is_started_anew_in_the_middle_of_a_run_is_found_again(project, ended_by):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = [serve_here(project, port)]

    def start_anew():
        processes[-1].send_signal(ended_by)
        code = processes[-1].wait(60)
        # The step goes on at once, and for a while nobody listens.
        threading.Timer(0.3, lambda: processes.append(serve_here(project, port))).start()
        return code

    try:
        repository = Repository(metadata=f"grpc://127.0.0.1:{port}")
        with meanwhile(project, start_anew) as codes:
            assert statuses(interrupted().run(repository=repository)) == ["completed"] * 4
        assert codes == [0 if ended_by == signal.SIGTERM else -signal.SIGKILL] * 2
        assert len(processes) == 3
        assert statuses(interrupted().run(repository=repository)) == ["cached"] * 4
        audit(repository.store)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("kind", [*SERVERS, "grpc"])
def test_a_child_that_was_forked_leaves_its_parents_session_alone(project, kind, run_script):
    source = """
    import os, sys
    from zencache import Repository, pipeline, step

    @step
    def make() -> list:
        return [1]

    @pipeline
    def making():
        make()

    url = sys.argv[1]
    before = Repository(metadata=url)
    before.get_runs()
    child = os.fork()
    if not child:
        run = making().run(repository=Repository(metadata=url))
        print("child", run.steps["make"].status, flush=True)
        sys.exit(0)
    os.waitpid(child, 0)
    print("parent", [one.status for one in before.get_runs()[-1].steps.values()])
    """
    with metadata_url(kind, project) as url:
        if kind == "grpc":  # served by another process than the one that is forked, which this one is
            url = f"{url}?timeout=20"
        assert run_script(source, url).stdout.splitlines() == ["child completed", "parent ['completed']"]


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://nobody:{SECRET}@127.0.0.1:9/test",
        f"postgresql://nobody:{SECRET}@127.0.0.1:9/test",
        f"grpc://{SECRET}@127.0.0.1:9",
        f"grpcs://:{SECRET}@127.0.0.1:9",
        f"mysql://nobody:{SECRET}@127.0.0.1/",
        f"mysql://nobody:{SECRET}/x@127.0.0.1/test",
        f"postgresql://nobody:{SECRET}@127.0.0.1/test?what=1",
        f"grpc://{SECRET}@192.0.2.1:9",
        f"grpc://{SECRET}@127.0.0.1",
        f"oracle://nobody:{SECRET}@127.0.0.1/test",
    ],
)
def test_an_error_about_a_server_says_what_to_do_and_never_the_password(project, url):
    with pytest.raises((ConfigurationError, MetadataStoreError)) as caught:
        Repository(metadata=url).get_runs()
    error: BaseException | None = caught.value
    assert caught.value.hint
    while error is not None:
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("kind", SERVERS)
def test_a_wrong_user_is_an_error_that_names_the_user_and_not_the_password(project, kind):
    with metadata_url(kind, project) as url:
        scheme, _, rest = url.partition("://")
        wrong = f"{scheme}://nobody:{SECRET}@{rest.rpartition('@')[2]}"
        with pytest.raises(MetadataStoreError, match="user: nobody") as caught:
            Repository(metadata=wrong).get_runs()
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_mistyped_database_is_an_error_and_is_not_made(project, kind):
    with metadata_url(kind, project) as url:
        for _ in range(2):
            with pytest.raises(MetadataStoreError, match="it has to exist"):
                Repository(metadata=f"{url}_mistyped").get_runs()


@pytest.mark.parametrize("kind", [*SERVERS, "grpcs"])
def test_no_secret_is_in_what_is_shown_noted_or_recorded(project, kind, caplog):
    with ExitStack() as opened:
        url = opened.enter_context(metadata_url(kind, project))
        if kind != "grpcs":
            url = opened.enter_context(user_with_password(url, SECRET))
        secret = url.partition("://")[2].partition("@")[0].rpartition(":")[2]
        notes = []

        @step
        def looking() -> list:
            notes.extend(path.read_text() for path in (project / ".zencache").rglob("*.run"))
            return [1]

        @pipeline
        def looked_at():
            looking()

        repository = Repository(metadata=url)
        run = looked_at().run(repository=repository)
        assert len(notes) == 1
        shown = [repository.metadata_url, repr(repository), caplog.text, *notes, repr(run), repr(vars(run))]
        store = repository.store
        shown += [
            str(node) for node in (*store.get_executions(), *store.get_contexts(), *store.get_artifacts())
        ]
        assert not [text for text in shown if secret in text]


def test_two_names_that_a_database_takes_for_one_are_an_error_and_not_one_pipeline(project):
    def named(name):
        @pipeline(name=name)
        def any_of_them():
            make(number=1)

        return any_of_them()

    with metadata_url("mysql-usual-collation", project) as url:
        repository = Repository(metadata=url)
        named("Training").run(repository=repository)
        with pytest.raises(MetadataStoreError, match="utf8mb4_nopad_bin"):
            named("training").run(repository=repository)
        assert [one.name for one in repository.get_pipelines()] == ["Training"]
    with metadata_url("mysql", project) as url:
        repository = Repository(metadata=url)
        named("Training").run(repository=repository)
        named("training").run(repository=repository)
        assert [one.name for one in repository.get_pipelines()] == ["Training", "training"]


@pytest.mark.slow
def test_a_database_whose_maker_was_killed_says_so(project, monkeypatch):
    monkeypatch.setattr(
        MysqlConnection, "patience", 0.5
    )  # seconds in which another process may still make it
    with metadata_url("mysql", project) as url, mysql_session() as session:
        session.execute(f"CREATE TABLE {url.rpartition('/')[2]}.MLMDEnv (schema_version INTEGER PRIMARY KEY)")
        with pytest.raises(MetadataStoreError, match="only a part of the tables") as error:
            adding().run(repository=Repository(metadata=url))
        assert "Drop it" in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mysql", "postgresql", "grpc"])
def test_many_processes_at_once_lose_and_double_nothing(project, kind, run_script):
    source = """
    import subprocess, sys
    from zencache import Repository, pipeline, step

    @step
    def make(number: int) -> list:
        return [number]

    @step
    def add(values: list, number: int) -> list:
        return [*values, number]

    @pipeline
    def adding(start: int = 0):
        add(make(number=start), number=1)

    url = sys.argv[1]
    if len(sys.argv) == 3:
        for number in range(10):
            run = adding(int(sys.argv[2]) * 5 + number).run(repository=Repository(metadata=url))
            assert {one.status for one in run.steps.values()} <= {"completed", "cached"}
    else:
        Repository(metadata=url).get_runs()
        others = [subprocess.Popen([sys.executable, __file__, url, str(n)]) for n in range(6)]
        print([other.wait() for other in others])
    """
    with metadata_url(kind, project) as url:
        assert run_script(source, url).stdout.splitlines() == ["[0, 0, 0, 0, 0, 0]"]
        repository = Repository(metadata=url)
        assert len(repository.get_runs(limit=None)) == 60
        audit(repository.store)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "mysql", "postgresql", "grpc"])
def test_each_type_is_made_once_however_many_processes_run_first(project, kind, run_script):
    source = """
    import subprocess, sys
    from zencache import Repository, pipeline, step

    @step
    def make(number: int) -> list:
        return [number]

    @pipeline
    def making(number: int = 0):
        make(number=number)

    url, *numbers = sys.argv[1:]
    if numbers:
        repository = Repository(metadata=url)
        repository.get_runs()
        print("ready", flush=True)
        sys.stdin.readline()
        making(int(numbers[0])).run(repository=repository)
    else:
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        others = [subprocess.Popen([sys.executable, __file__, url, str(n)], **options) for n in range(8)]
        for other in others:
            other.stdout.readline()
        for other in others:
            other.stdin.write("go\\n")
            other.stdin.flush()
        print([(other.communicate(), other.returncode)[1] for other in others])
    """
    with metadata_url(kind, project) as url:
        Repository(metadata=url).get_runs()
        assert run_script(source, url).stdout.splitlines() == ["[0, 0, 0, 0, 0, 0, 0, 0]"]
        store = Repository(metadata=url).store
        for types in (store.get_context_types(), store.get_execution_types(), store.get_artifact_types()):
            names = [one.name for one in types]
            assert sorted(names) == sorted(set(names))
        assert len(Repository(metadata=url).get_runs()) == 8
