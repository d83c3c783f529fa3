"""`zencache serve`: who gets in, who may write, what is refused, and how it ends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest
from metadata_servers import make_certificates, metadata_url, serving, serving_securely
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto
from ml_metadata.proto import metadata_store_service_pb2 as service

from zencache import Repository, pipeline, step
from zencache.exceptions import ConfigurationError, MetadataStoreError
from zencache.server import MetadataServer, Tokens

METHODS = service.DESCRIPTOR.services_by_name["MetadataStoreService"].methods
WRITER, READER = "w" * 32, "r" * 32
_NAME = "/ml_metadata.MetadataStoreService/"


@step
def make() -> list:
    return [1]


@pipeline
def making():
    make()


def stock_client(port, **tls):
    config = proto.MetadataStoreClientConfig(host="127.0.0.1", port=port, client_timeout_sec=30)
    for name, value in tls.items():
        setattr(config.ssl_config, name, value)
    return metadata_store.MetadataStore(config)


@pytest.fixture
def served(project):
    with serving(f"sqlite:///{project}/served.db") as server:
        yield server


@pytest.fixture
def raw(served):
    """``raw(method, bytes)``: a call with any bytes."""
    with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        yield lambda method, sent: channel.unary_unary(_NAME + method)(sent, timeout=20)


@pytest.fixture
def tokens(project):
    (project / "writers").write_text(f"# those who may write\n\n{WRITER}\n")
    (project / "readers").write_text(f"{READER}\n")
    return Tokens(project / "writers", project / "readers")


def test_the_stock_client_finds_what_zencache_recorded_and_the_other_way_round(served):
    making().run(repository=Repository(metadata=served.url))
    stock = stock_client(served.port)
    assert [e.type for e in stock.get_executions()] == ["make"]
    type_id = stock.put_context_type(proto.ContextType(name="theirs"))
    stock.put_contexts([proto.Context(type_id=type_id, name="ü\\'")])
    assert Repository(metadata=served.url).store.get_context_by_type_and_name("theirs", "ü\\'") is not None


def test_the_stock_client_connects_with_a_certificate_and_not_without(project):
    files = make_certificates(project)
    pem = {name: (files / name).read_text() for name in ("ca.pem", "client.pem", "client.key")}
    options = {
        "tls_cert": files / "server.pem",
        "tls_key": files / "server.key",
        "client_ca": files / "ca.pem",
    }
    with serving(f"sqlite:///{project}/served.db", **options) as server:
        right = stock_client(
            server.port, custom_ca=pem["ca.pem"], server_cert=pem["client.pem"], client_key=pem["client.key"]
        )
        assert right.get_executions() == []
        for wrong in ({"custom_ca": pem["ca.pem"]}, {}):
            with pytest.raises(errors.UnavailableError):
                stock_client(server.port, **wrong).get_executions()


def test_a_token_is_asked_for_and_one_for_reading_only_reads(project, tokens, monkeypatch):
    with serving(f"sqlite:///{project}/served.db", tokens=tokens) as server:
        host = server.url.removeprefix("grpc://")
        with pytest.raises(MetadataStoreError, match="does not know who is asking"):
            Repository(metadata=server.url).get_runs()
        with pytest.raises(MetadataStoreError, match="does not know who is asking"):
            Repository(metadata=f"grpc://wrong@{host}").get_runs()
        monkeypatch.setenv("ZENCACHE_TOKEN", WRITER)
        making().run(repository=Repository(metadata=server.url))
        reader = Repository(metadata=f"grpc://{READER}@{host}")
        (run,) = reader.get_runs()
        assert run.steps["make"].status == "completed"
        with pytest.raises(MetadataStoreError, match="does not allow this"):
            making().run(repository=reader)
        (project / "writers").write_text("another-token-than-before\n")
        with pytest.raises(MetadataStoreError, match="does not know who is asking"):
            Repository(metadata=server.url).get_runs()


@pytest.mark.parametrize(
    "content", ["", "# nothing\n", "short\n", "with a space in it, and long\n", "ümlaut-ümlaut-ümlaut\n"]
)
def test_a_token_file_that_would_let_nobody_in_or_anybody_is_an_error(project, content):
    (project / "tokens").write_text(content)
    with pytest.raises(ConfigurationError, match="token"):
        Tokens(project / "tokens")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_others_are_not_let_in_without_tls_and_without_asking_who_they_are(project, tokens, host):
    url = f"sqlite:///{project}/served.db"
    files = make_certificates(project)
    tls = {"tls_cert": files / "server.pem", "tls_key": files / "server.key"}
    for options in ({}, {"tokens": tokens}, tls):
        with pytest.raises(ConfigurationError, match="Others would reach the server"):
            MetadataServer(url, host=host, **options)
    MetadataServer(url, host=host, **tls, tokens=tokens)
    MetadataServer(url, host=host, **tls, client_ca=files / "ca.pem")
    MetadataServer(url, host=host, allow_insecure=True)


def test_certificates_that_do_not_fit_are_errors(project):
    files = make_certificates(project)
    url = f"sqlite:///{project}/served.db"
    with pytest.raises(ConfigurationError, match="its key"):
        MetadataServer(url, tls_cert=files / "server.pem")
    with pytest.raises(ConfigurationError, match="belong together"):
        MetadataServer(url, tls_cert=files / "server.pem", tls_key=files / "client.key")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        MetadataServer(url, tls_cert=files / "gone.pem", tls_key=files / "client.key")


def test_a_port_that_is_taken_is_an_error(served, project):
    with pytest.raises(ConfigurationError, match="cannot listen"):
        MetadataServer(f"sqlite:///{project}/other.db", port=served.port).start()


def test_a_client_over_tls_that_does_not_know_the_servers_ca_says_so(project):
    with serving_securely(f"sqlite:///{project}/served.db", project) as url:
        with pytest.raises(MetadataStoreError, match="ZENCACHE_TLS_CA"):
            Repository(metadata=url.partition("?")[0]).get_runs()
        assert Repository(metadata=url).get_runs() == []


def test_it_tells_a_health_check_how_it_is(served):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def refusal(raw, method, sent):
    with pytest.raises(grpc.RpcError) as caught:
        raw(method, sent)
    return caught.value.code()


def test_what_would_end_the_process_or_be_cut_is_refused(raw, served):
    empty = proto.Artifact(type_id=1)
    empty.custom_properties["p"].SetInParent()
    nul = proto.Artifact(type_id=1, uri="a\0b")
    for artifact in (empty, nul):
        request = service.PutArtifactsRequest(artifacts=[artifact])
        assert refusal(raw, "PutArtifacts", request.SerializeToString()) == grpc.StatusCode.INVALID_ARGUMENT
    deep = service.GetArtifactsRequest()
    deep.options.filter_query = "(" * 100_000
    assert refusal(raw, "GetArtifacts", deep.SerializeToString()) == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal(raw, "GetLineageGraph", b"") == grpc.StatusCode.UNIMPLEMENTED
    assert stock_client(served.port).get_artifacts() == []


def test_a_message_that_is_too_large_is_refused_with_what_to_do(project):
    with serving(f"sqlite:///{project}/served.db", max_message_mb=1) as server:
        store = Repository(metadata=server.url).stores.metadata
        type_id = stock_client(server.port).put_artifact_type(proto.ArtifactType(name="t"))
        large = proto.Artifact(type_id=type_id, uri="u" * 2_000_000)
        with pytest.raises(MetadataStoreError, match="--max-message-mb"):
            store._connection.write(lambda stock: stock.put_artifacts([large]))


def test_more_calls_than_it_takes_at_a_time_are_tried_again(project):
    with serving(f"sqlite:///{project}/served.db", max_concurrent=1) as server:
        failures = []

        def ask(number):
            try:
                for _ in range(10):
                    Repository(metadata=f"{server.url}?timeout={50 + number}").get_runs()
            except MetadataStoreError as error:
                failures.append(error)

        threads = [threading.Thread(target=ask, args=[number]) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


def random_message(rng, message, depth=0):
    """Fill a message with anything that its fields may hold."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.4:
            continue
        repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
        if field.type == field.TYPE_MESSAGE:
            if depth > 5:
                continue
            if field.message_type.GetOptions().map_entry:
                if field.message_type.fields_by_name["value"].type == field.TYPE_MESSAGE:
                    random_message(rng, getattr(message, field.name)[rng.choice(TEXTS)], depth + 1)
                continue
            for _ in range(rng.randint(1, 2)):
                inner = getattr(message, field.name)
                random_message(rng, inner.add() if repeated else inner, depth + 1)
            continue
        value = random_value(rng, field)
        if repeated:
            getattr(message, field.name).extend([value] * rng.randint(1, 3))
        else:
            setattr(message, field.name, value)
    return message


TEXTS = ["", "a", "\\", "'; --", "x" * 300, "ü😀", "a\0b", "type", "mlmd.Dataset", "id = 1", "%s%n"]


def random_value(rng, field):
    if field.type == field.TYPE_STRING:
        return rng.choice(TEXTS)
    if field.type == field.TYPE_BYTES:
        return rng.randbytes(5)
    if field.type == field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == field.TYPE_ENUM:
        return rng.choice(field.enum_type.values).number
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return rng.choice([0.0, -1.5, float("inf"), float("nan")])
    if field.type == field.TYPE_UINT64:
        return rng.choice([0, 1, 2**63])
    return rng.choice([0, 1, 2, -1, 2**31 - 1, -(2**31)])


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_sent_it_answers_or_refuses_and_goes_on(project, seed):
    """In a process of its own, since what this looks for is its end."""
    rng = random.Random(seed)
    process = serve_in_a_process(project)
    port = int(process.stdout.readline().partition("127.0.0.1:")[2].split()[0])
    told, refusals = [], []
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for _ in range(8):
                for method in METHODS:
                    kind = getattr(service, method.input_type.name)
                    sent = random_message(rng, kind()).SerializeToString()
                    if rng.random() < 0.3:
                        sent = rng.randbytes(rng.randint(0, 60))
                    elif sent and rng.random() < 0.3:
                        at = rng.randrange(len(sent))
                        sent = sent[:at] + rng.randbytes(1) + sent[at + 1 :]
                    told.append(f"{method.name} {sent.hex()}")
                    try:
                        channel.unary_unary(_NAME + method.name)(sent, timeout=30)
                    except grpc.RpcError as error:
                        refusals.append((error.code(), error.details(), told[-1]))
                    assert process.poll() is None, told[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "Ended." in out) == (0, True), err
    unclear = ("UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert [refusal for refusal in refusals if refusal[0].name in unclear] == []


def serve_in_a_process(project):
    command = [sys.executable, "-m", "zencache", "serve", "--port", "0"]
    return subprocess.Popen(
        [*command, "--metadata", f"sqlite:///{project}/served.db"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_stop_finishes_the_call_in_flight(project):
    server = MetadataServer(f"sqlite:///{project}/served.db", port=0)
    server.start()
    stock = stock_client(server.port)
    type_id = stock.put_artifact_type(proto.ArtifactType(name="t"))
    many = [proto.Artifact(type_id=type_id, uri=f"u{number}") for number in range(5_000)]
    ids = []
    writer = threading.Thread(target=lambda: ids.extend(stock.put_artifacts(many)))
    writer.start()
    time.sleep(0.3)
    server.stop()
    writer.join()
    kept = Repository(metadata=f"sqlite:///{project}/served.db").store.get_artifacts()
    assert len(kept) == len(ids) == 5_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_database_server_is_offered_with_every_text_as_it_was(project, kind):
    with metadata_url(kind, project) as url, serving(url) as server:
        stock = stock_client(server.port)
        type_id = stock.put_artifact_type(proto.ArtifactType(name="t"))
        artifact = proto.Artifact(type_id=type_id, uri="C:\\temp\\'); DROP TABLE Artifact; --")
        artifact.custom_properties["a\\b"].string_value = "\\"
        stock.put_artifacts([artifact])
        (read,) = stock.get_artifacts()
        assert (read.uri, dict(read.custom_properties)) == (artifact.uri, dict(artifact.custom_properties))
        making().run(repository=Repository(metadata=server.url))
        assert Repository(metadata=url).get_runs()[0].steps["make"].status == "completed"
