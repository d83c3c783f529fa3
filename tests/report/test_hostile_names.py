"""Names and values that would be markup, paths or code anywhere else are harmless text on the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from zencache import Repository
from zencache.digest import Digest, fingerprint
from zencache.entity import Artifact, Decision, Execution, Outcome, PipelineRun, Status
from zencache.materializer import ArtifactType
from zencache.policy import Level, Reason
from zencache.report import application, page_of, write_page

EVIL = """<img src=x onerror=alert(1)></script><script>alert(2)</script>'"&amp;\u2028`${alert(3)}`"""
NAMES = [
    EVIL,
    "../../../../etc/passwd",
    "%2e%2e%2fetc%2fpasswd#?&=",
    "javascript:alert(4)",
    "{{body}}{{head}}",
    "__proto__",
    "<!--<script>",
    "\u202egnp.exe",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Runs whose every name, value and path is hostile, written as somebody with the database could."""
    folder = tmp_path_factory.mktemp("hostile")
    repository = Repository(folder, metadata=folder / "m.db", artifacts=folder / "a")
    (folder / "secret.py").write_text("def other(): return 'secret'\n")
    started = datetime.now(timezone.utc)
    for place, name in enumerate(NAMES):
        node = name.replace("/", "|")  # an execution is named `run/node`
        row = {
            "name": node,
            "step": name,
            "source": f"{name}:{name}",
            "file": ["/etc/passwd", "../../etc/passwd", str(folder / "secret.py"), name][place % 4],
            "slot": "",
            "inputs": {name: [node, name]},
            "after": [],
            "outputs": [name],
        }
        run = PipelineRun(
            0, f"run {name}", name, Status.RUNNING, started, definition={"steps": [row]}, facts={name: name}
        )
        writer = repository.stores.metadata.begin_run(run, {name: "Process"})
        digest = Digest("blake3:" + fingerprint(name), 10)
        execution = Execution(
            0,
            name,
            node,
            run.name,
            Status.RUNNING,
            {name or "empty": name, "html": EVIL},
            fingerprint(("key", name)),
            {f"code: {name}": "0"},
            Decision(Outcome.MISS, Reason.NO_ENTRY, Level.DEFAULT, detail=name),
            untracked=(name,),
        )
        artifact = Artifact(0, name, f"javascript:alert('{name}')", digest.hash, digest, name, name)
        done = writer.register(execution)
        writer.complete(
            replace(done, status=Status.COMPLETED, finished=started.timestamp()),
            {name: artifact},
            {name: ArtifactType(name, "Dataset")},
        )
        writer.finish(replace(run, status=Status.COMPLETED, ended=started + timedelta(seconds=1)))
    return repository


@pytest.fixture(scope="module")
def url(hostile, serve):
    return serve(hostile)


@pytest.mark.parametrize("way", ["served", "written"])
def test_hostile_names_are_text_in_every_view(hostile, url, open_page, tmp_path, way):
    name = EVIL
    run = hostile.get_run(f"run {name}")
    (step,) = run.steps.values()
    artifact = step.outputs[name].id
    start = (
        url if way == "served" else f"file://{write_page(run, tmp_path / 'evil.html', repository=hostile)}"
    )
    about = f"name={quote(run.name)}"
    page = open_page(f"{start}#/run?{about}")
    views = [
        f"#/run?{about}&step={quote(step.name)}",
        f"#/run?{about}&artifact={artifact}",
        f"#/artifact?id={artifact}",
        f"#/history?pipeline={quote(name)}",
    ]
    if way == "served":
        views += ["#/runs", f"#/compare?a={quote(run.name)}&b={quote('run ' + NAMES[1])}"]
    for view in views:
        page.evaluate("view => { location.hash = view }", view)
        page.wait_for_function("() => document.documentElement.dataset.ready === location.hash")
        page.wait_for_timeout(150)
        assert "onerror=alert(1)" in page.inner_text("#app") or "option" in page.content()
        assert page.locator("img[src=x]").count() == 0
        links = page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
        assert all(link.startswith("#") for link in links)


@pytest.mark.parametrize("name", NAMES)
def test_every_question_about_a_hostile_name_is_answered_with_text(hostile, name):
    client = TestClient(application(hostile), base_url="http://127.0.0.1")
    run = client.get("/api/run", params={"name": f"run {name}"}).json()
    step_name = run["steps"][0]["name"]
    step = client.get("/api/step", params={"run": f"run {name}", "name": step_name})
    assert step.status_code == 200
    assert step.headers["content-type"] == "application/json"
    assert step.json()["code"]["now"] is None, "no file is shown that holds no such function"
    for question in ("artifact", "preview", "lineage", "metric"):
        for artifact in run["artifacts"]:
            assert client.get(f"/api/{question}", params={"id": artifact["id"]}).status_code == 200
    assert client.get("/api/history", params={"pipeline": name}).json()["runs"][0]["name"] == f"run {name}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_breaks_out_of_the_written_page(hostile, name):
    text = page_of(hostile.get_run(f"run {name}"), repository=hostile)
    opened = re.findall(r"<script\b([^>]*)>", text)
    nonces = set(re.findall(r'nonce="(\w+)"', text))
    assert len(nonces) == 1
    assert all("nonce=" in one or 'type="application/json"' in one for one in opened)
    assert text.count("</script>") == len(opened)
    assert "<img" not in text
    (embedded,) = re.findall(r'<script type="application/json" id="answers">(.*?)</script>', text, re.DOTALL)
    told = json.loads(embedded)
    assert told["run"] == f"run {name}"
    assert not set("<>&\u2028") & set(embedded)


def test_a_page_written_twice_is_the_same_but_for_the_time(hostile):
    run = hostile.get_run(f"run {NAMES[5]}")

    def without_time(text):
        return re.sub(r'"now":"[^"]*"|nonce-?="?\w+|nonce-\w+', "", text)

    assert without_time(page_of(run, repository=hostile)) == without_time(page_of(run, repository=hostile))


def test_a_digest_that_is_a_path_leads_nowhere(tmp_path: Path):
    from zencache.report.preview import preview_of

    repository = Repository(tmp_path, metadata=tmp_path / "m.db", artifacts=tmp_path / "a")
    outside = tmp_path / "outside"
    (outside / "payload").mkdir(parents=True)
    (outside / "payload" / "value.txt").write_text("secret")
    (outside / "manifest.json").write_text(json.dumps({"files": {"value.txt": [6, "blake3:00"]}}))
    for path in ("../../outside", f"blake3:{'../' * 8}{outside}", str(outside)):
        digest = Digest(path, 6)
        artifact = Artifact(
            1,
            "String",
            str(outside),
            path,
            digest,
            "zencache.materializer.plain:TextMaterializer",
            "builtins:str",
        )
        found = preview_of(repository, artifact)
        assert found["kind"] == "none"
        assert "secret" not in json.dumps(found)
