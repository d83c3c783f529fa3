"""The server gives out the page and answers, to whom it may, and nothing else."""

from __future__ import annotations

import base64
import json
import re
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from zencache import ConfigurationError, Repository, pipeline, step
from zencache.cli import main
from zencache.report import application, serve


@pytest.fixture(scope="module")
def client(scoring):
    return TestClient(application(scoring), base_url="http://127.0.0.1:8237")


def test_the_page_loads_only_what_lies_beside_it(client):
    text = client.get("/").text
    loaded = re.findall(r'(?:src|href)="(?!data:|#)([^"]+)"', text)
    assert len(loaded) == 3
    for path in loaded:
        found = client.get("/" + path)
        assert found.status_code == 200
        assert found.headers["content-type"].startswith("text/javascript")
    modules = json.loads(re.search(r'type="importmap"[^>]*>(.*?)</script>', text, re.DOTALL)[1])["imports"]
    for url in modules.values():
        code = base64.b64decode(url.removeprefix("data:text/javascript;base64,")).decode()
        assert set(re.findall(r'from "([^"]+)"', code)) <= set(modules)
        # Names of XML vocabularies are no addresses.
        assert "://" not in code.replace("http://www.w3.org/", "")


@pytest.mark.parametrize(
    "path",
    [
        "/libraries/../../../pyproject.toml",
        "/libraries/../README.md",
        "/libraries/%2e%2e/%2e%2e/page.py",
        "/libraries/..%2f..%2fserver.py",
        "/libraries/..\\..\\server.py",
        "/libraries/README.md",
        "/libraries//etc/passwd",
        "//etc/passwd",
        "/../../../../../../etc/passwd",
        "/metadata.db",
        "/artifacts/",
        "/api/../libraries/",
        "/api/file?path=/etc/passwd",
    ],
)
def test_no_path_leads_to_a_file(address, path):
    with closing(HTTPConnection(*address, timeout=10)) as connection:  # which sends a path as it is
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 404
        assert b"root:" not in response.read()


@pytest.fixture(scope="module")
def address(scoring, serve):
    host, _, port = serve(scoring).removeprefix("http://").rstrip("/").partition(":")
    return host, int(port)


@pytest.mark.parametrize(
    "question",
    [
        "run?name=../../../etc/passwd",
        "run?name=%00",
        "step?run=first&name=../../etc/passwd",
        "artifact?id=999999",
        "preview?id=999999",
        "lineage?id=999999",
        "compare?a=first&b=nowhere",
    ],
)
def test_what_is_not_there_is_not_found(client, question):
    response = client.get(f"/api/{question}")
    assert response.status_code == 404
    assert response.json()["error"]


@pytest.mark.parametrize(
    "question",
    [
        "artifact?id=../1",
        "artifact?id=1e3",
        "artifact",
        "preview?id=-1",
        "runs?limit=x",
        "run?name=a&path=/etc",
    ],
)
def test_wrong_arguments_are_refused(client, question):
    assert client.get(f"/api/{question}").status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/api/runs", "/libraries/dagre.min.js"])
def test_nothing_can_be_changed(client, method, path):
    assert client.request(method, path).status_code == 405


@pytest.mark.parametrize("path", ["/", "/api/runs", "/libraries/dagre.min.js", "/nowhere"])
def test_every_answer_makes_browsers_careful(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_the_nonce_is_another_for_every_page(client):
    assert (
        client.get("/").headers["content-security-policy"]
        != client.get("/").headers["content-security-policy"]
    )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8237", 200),
        ("localhost:8237", 200),
        ("LOCALHOST", 200),
        ("[::1]:8237", 200),
        ("192.168.1.7:8237", 200),
        ("evil.example", 421),
        ("evil.example:8237", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8237", 421),
        ("", 421),
    ],
)
def test_requests_under_a_foreign_name_are_refused(client, host, status):
    for path in ("/", "/api/runs", "/libraries/dagre.min.js"):
        assert client.get(path, headers={"host": host}).status_code == status


def test_a_name_given_as_host_is_its_own(scoring):
    client = TestClient(application(scoring, host="runs.example"), base_url="http://runs.example")
    assert client.get("/api/runs").status_code == 200


def test_a_list_is_read_page_by_page(client):
    first = client.get("/api/runs?limit=3").json()
    assert [run["name"] for run in first["runs"]] == ["fourth", "third", "second"]
    assert first["has_more"]
    rest = client.get("/api/runs?limit=3&before=second").json()
    assert [run["name"] for run in rest["runs"]] == ["first"]
    assert not rest["has_more"]


def test_serving_listens_on_the_loopback_address(monkeypatch, scoring):
    found = []

    def run(self, sockets):
        found.extend(sockets[0].getsockname())

    monkeypatch.setattr("uvicorn.Server.run", run)
    said = []
    serve(scoring, port=0, ready=said.append)
    assert found[0] == "127.0.0.1"
    assert said == [f"http://127.0.0.1:{found[1]}/"]


def test_a_port_that_is_taken_is_one_clear_error(scoring):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match="cannot listen"):
            serve(scoring, port=port)


def test_without_its_packages_serving_says_what_to_install(run_script):
    source = """
    import sys
    sys.modules["starlette"] = sys.modules["uvicorn"] = None
    from zencache.cli import main
    sys.argv = ["zencache", "ui", "--no-open"]
    main()
    """
    done = run_script(source, check=False)
    assert done.returncode == 2
    assert 'pip install "zencache[ui]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_says_where_it_listens():
    text = CliRunner().invoke(main, ["ui", "--help"]).output
    assert "127.0.0.1" in text
    assert "no password" in text


def test_no_password_of_a_store_is_shown():
    from zencache.report.answers import _without_password

    assert _without_password("mysql://me:secret@host/db") == "mysql://host/db"
    assert _without_password("sqlite:////home/me@work/metadata.db") == "sqlite:////home/me@work/metadata.db"
    assert _without_password("/plain/path") == "/plain/path"


def test_asking_changes_nothing(project: Path):
    @step
    def make() -> list[int]:
        return [1]

    @pipeline
    def making():
        make()

    repository = Repository()
    run = making().run(run_name="one")
    artifact = run.steps["make"].output
    for file in Path(artifact.uri).rglob("value.json"):
        file.chmod(0o644)
        file.write_text("[2]\n")
    client = TestClient(application(repository), base_url="http://127.0.0.1")
    shown = client.get(f"/api/preview?id={artifact.id}").json()
    assert shown["state"] == "gone"
    assert "damaged" in shown["reason"]
    (recorded,) = repository.store.get_artifacts_by_id([artifact.id])
    assert recorded.state == recorded.LIVE
