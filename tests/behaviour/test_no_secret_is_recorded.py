"""What is recorded, logged or said in an error holds no secret."""

from __future__ import annotations

from pathlib import Path

import fsspec
from pydantic import SecretStr

from zencache import BaseStepConfig, ExternalFile, Repository, StepFailed, pipeline, step

SECRET = "hunter2"


class Access(BaseStepConfig):
    user: str
    password: SecretStr


@step
def fetch(config: Access) -> int:
    assert config.password.get_secret_value() == SECRET
    return 1


@step
def connect(url: str, fails: bool) -> str:
    if fails:
        raise OSError(f"no answer from {url}")
    return url.partition(":")[0]


@step
def count(path: str) -> int:
    return 1


@pipeline
def asking(fails: bool = False):
    fetch(config=Access(user="team", password=SECRET))
    connect(f"mysql://team:{SECRET}@db/x", fails)
    count(ExternalFile(f"memory://team:{SECRET}@bucket/file"))


def everything_on_disk():
    return b"".join(p.read_bytes() for p in Path(".zencache").rglob("*") if p.is_file())


def test_no_secret_is_on_disk_in_the_log_or_in_an_error(project, capfd):
    fsspec.filesystem("memory").pipe(f"/team:{SECRET}@bucket/file", b"x")
    try:
        asking().run(beam_pipeline_args=["--runner=DirectRunner", f"--db_password={SECRET}"])
        asking(fails=True).run()
    except StepFailed as error:
        said = str(error)
    assert "mysql://team:***@db/x" in said
    assert SECRET not in said
    assert SECRET not in capfd.readouterr().err
    assert SECRET.encode() not in everything_on_disk()
    shown = Repository().get_runs()[0].steps["connect"].parameters["url"]
    assert shown == "mysql://team:***@db/x"


def test_a_secret_counts_all_the_same(project):
    class Key(BaseStepConfig):
        password: SecretStr

    @step
    def ask(config: Key) -> int:
        return 1

    @pipeline
    def asking(password):
        ask(config=Key(password=password))

    assert asking("a").run().steps["ask"].status == "completed"
    assert asking("a").run().steps["ask"].status == "cached"
    assert asking("b").run().steps["ask"].status == "completed"
