"""Signed entries: who can write to the stores, and has no accepted key, can at worst cause a miss."""

from __future__ import annotations

import json
import pickle
import stat
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zencache import (
    CachePolicy,
    ConfigurationError,
    Output,
    PickleMaterializer,
    Repository,
    SignatureError,
    pipeline,
    step,
)
from zencache.acceptance import accept
from zencache.artifact_store import open_artifact_store
from zencache.cli import main
from zencache.loading import load_pipeline
from zencache.materializer import json_value, name_of
from zencache.metadata import schema
from zencache.signing import SigningKey, public_keys

UNSIGNED = "no accepted signature"


def ran(name):
    with open("ran.txt", "a") as file:
        file.write(f"{name} ")


def what_ran():
    file = Path("ran.txt")
    names = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return names


@step
def load(size: int) -> list:
    ran("load")
    return list(range(size))


@step
def split(numbers: list) -> Output(first=int, rest=list):
    ran("split")
    return numbers[0], numbers[1:]


@step(enable_cache=True)
def announce(first: int):
    ran("announce")


@pipeline
def numbers(size: int = 3):
    first, _ = split(load(size))
    announce(first)


ALL = ["load", "split", "announce"]


class Writer:
    """Somebody with a key, and a repository over the project's stores."""

    def __init__(self, name, accepts=None, signs=True):
        file = Path(f"{name}.key")
        self.key = SigningKey.load(file) if file.exists() else SigningKey.create(file)
        self.repository = Repository(
            signing_key=file if signs else None,
            require_signatures=None if accepts is None else [one.key.public for one in accepts],
        )

    def run(self, made=None, **options):
        return (made or numbers()).run(repository=self.repository, **options)


@pytest.fixture
def alice(project):
    return Writer("alice")


@pytest.fixture
def reader(alice):
    """Somebody who believes Alice, and has a key that nobody accepts."""
    return Writer("reader", accepts=[alice])


def forge(kind, change, repository=None):
    """Change rows of the metadata store, as somebody who can write to it does: with the stock client."""
    store = (repository or Repository()).store
    rows = getattr(store, f"get_{kind}")()
    for row in rows:
        change(row)
    getattr(store, f"put_{kind}")(rows)


def artifacts_of(step_name):
    store = Repository().store
    ids = [e.id for e in store.get_executions_by_type(step_name)]
    made = {e.artifact_id for e in store.get_events_by_execution_ids(ids) if e.Type.Name(e.type) == "OUTPUT"}
    return store.get_artifacts_by_id(sorted(made))


def statuses(run):
    return {name: view.status for name, view in run.steps.items()}


def test_what_an_accepted_writer_signed_hits_and_can_be_read(alice, reader):
    alice.run()
    what_ran()
    run = reader.run()
    assert set(statuses(run).values()) == {"cached"}
    assert what_ran() == []
    assert run.steps["split"].outputs["rest"].read() == [1, 2]
    assert reader.repository.get_runs()[0].steps["split"].outputs["rest"].read() == [1, 2]


def test_what_is_not_signed_is_a_miss_that_says_so(project, alice, reader):
    numbers().run()
    what_ran()
    run = reader.run()
    assert what_ran() == ALL
    assert f"{UNSIGNED} (it is not signed)" in run.steps["load"].reason


def test_what_somebody_else_signed_is_a_miss_that_names_them(alice, reader):
    mallory = Writer("mallory")
    mallory.run()
    what_ran()
    run = reader.run()
    assert what_ran() == ALL
    assert mallory.key.public in run.steps["load"].reason


def test_a_plan_says_the_same(project, alice, reader):
    numbers().run()
    plan = numbers().plan(repository=reader.repository)
    assert str(plan["load"].prediction) == "MISS"
    assert UNSIGNED in plan["load"].reasons[0]


def test_an_older_entry_that_is_signed_is_found_behind_a_newer_one_that_is_not(alice, reader):
    alice.run()
    Writer("mallory").run(refresh=True)
    what_ran()
    assert set(statuses(reader.run()).values()) == {"cached"}
    assert what_ran() == []


def test_a_pointer_that_the_doctor_has_mended_leads_to_what_is_signed(alice, reader):
    alice.run()
    what_ran()
    store = Repository().store
    contexts = store.get_contexts_by_type("execution_cache")
    for context in contexts:
        context.custom_properties["zencache_entry"].string_value = '{"execution": 999}'
    store.put_contexts(contexts)
    assert len(reader.repository.doctor(mend=True)) == len(ALL)
    assert set(statuses(reader.run()).values()) == {"cached"}
    assert what_ran() == []


def test_a_writer_is_revoked_by_leaving_them_out_and_a_new_key_is_added_beside_the_old(alice):
    bob = Writer("bob")
    alice.run()
    what_ran()
    assert set(statuses(Writer("reader", accepts=[alice, bob]).run()).values()) == {"cached"}
    Writer("reader", accepts=[bob]).run()
    assert what_ran() == ALL


def test_without_requiring_signatures_signed_entries_hit_as_ever(alice):
    alice.run()
    what_ran()
    assert set(statuses(numbers().run()).values()) == {"cached"}


def test_a_run_without_a_key_says_that_its_records_will_not_be_reused_and_uses_them_itself(alice, capfd):
    keyless = Writer("nobody", accepts=[alice], signs=False)
    run = keyless.run()
    assert "will not be reused here: there is no signing key" in capfd.readouterr().err
    assert run.steps["split"].outputs["first"].read() == 0
    with pytest.raises(SignatureError, match="it is not signed"):
        Writer("reader", accepts=[alice]).repository.get_runs()[-1].steps["load"].output.read()


# -- what somebody can try who can write to both stores


def other_object(content=b"[666]\n", name="value.json"):
    """An object of somebody else's content in the artifact store, which is sound in itself."""
    store = open_artifact_store(".zencache/artifacts")
    with store.stage() as folder:
        (folder / name).write_bytes(content)
        return store.publish(folder).digest


class Canary:
    def __reduce__(self):
        return exec, ("open('canary', 'w').close()",)


def set_object(artifact, digest):
    properties = artifact.custom_properties
    properties[schema.DIGEST].string_value = digest.hash
    properties[schema.SIZE].string_value = str(digest.size)
    properties.pop(schema.OBJECT, None)


def point_elsewhere(artifact):
    set_object(artifact, other_object())


def point_to_a_pickle(artifact):
    set_object(artifact, other_object(pickle.dumps(Canary()), "value.pkl"))
    artifact.custom_properties[schema.MATERIALIZER].string_value = name_of(PickleMaterializer)


def change(name, value):
    def forgery(artifact):
        artifact.custom_properties[name].string_value = value

    forgery.__name__ = name
    return forgery


FORGERIES = [
    point_elsewhere,
    point_to_a_pickle,
    change(schema.DIGEST, "blake3:" + "0" * 64),
    change(schema.SIZE, "7"),
    change(schema.MATERIALIZER, "zencache.materializer.plain:TextMaterializer"),
    change(schema.MATERIALIZER, ""),
    change(schema.PYTHON_TYPE, "builtins:tuple"),
    change(schema.CONFIGURATION, json_value.dumps({"a": 1})),
    change(schema.PROPERTIES, json_value.dumps({"a": 1})),
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda f: f.__name__)
def test_a_changed_artifact_is_a_miss(alice, reader, forgery):
    first = alice.run()
    forge("artifacts", forgery)
    what_ran()
    run = reader.run()
    assert what_ran()[:2] == ["load", "split"]
    assert "its signature does not fit what is recorded" in run.steps["load"].reason
    assert run.steps["load"].output.read() == [0, 1, 2]
    with pytest.raises(SignatureError):
        reader.repository.get_run(first.name).steps["load"].output.read()
    assert not Path("canary").exists()


def test_an_entry_moved_to_another_key_is_a_miss(alice, reader):
    alice.run()
    alice.run(numbers(size=4))
    pointers = {}

    def swap(context):
        if schema.ENTRY in context.custom_properties:
            entry = json.loads(context.custom_properties[schema.ENTRY].string_value)
            pointers[context.name] = entry

    forge("contexts", swap)
    loads = [k for k, e in pointers.items() if e["node"].endswith(".load")]
    one, other = loads

    def put(context):
        if context.name in loads:
            wrong = pointers[other if context.name == one else one]
            context.custom_properties[schema.ENTRY].string_value = json.dumps(wrong)

    forge("contexts", put)
    what_ran()
    run = reader.run()
    assert run.steps["load"].output.read() == [0, 1, 2]
    assert what_ran() in ([], ["load"])  # the right entry is still listed behind the pointer


def test_an_output_is_not_taken_for_another_and_none_is_added(alice, reader):
    from ml_metadata.proto import metadata_store_pb2 as proto

    alice.run()
    store = Repository().store
    (execution,) = store.get_executions_by_type("split")
    (loaded,) = artifacts_of("load")
    event = proto.Event(artifact_id=loaded.id, execution_id=execution.id, type=proto.Event.OUTPUT)
    event.path.steps.add().key = "rest_2"
    event.path.steps.add().index = 0
    store.put_events([event])
    what_ran()
    run = reader.run()
    assert what_ran() == ["split"]
    assert UNSIGNED in run.steps["split"].reason


def test_a_step_that_runs_for_its_effect_is_not_skipped_by_a_forged_entry(alice, reader):
    @pipeline
    def announcing():
        announce(7)

    alice.run()
    Writer("mallory").run(announcing())
    what_ran()
    reader.run(announcing())
    assert what_ran() == ["announce"]


def test_expiry_cannot_be_put_off(alice):
    @step(cache_policy=CachePolicy(expires_in=timedelta(hours=1)))
    def forecast() -> int:
        ran("forecast")
        return 1

    @pipeline
    def weather():
        forecast()

    alice.run(weather())

    def later(context):
        if schema.ENTRY in context.custom_properties:
            entry = json.loads(context.custom_properties[schema.ENTRY].string_value)
            entry["finished"] += 1
            context.custom_properties[schema.ENTRY].string_value = json.dumps(entry)

    def later_there_as_well(execution):
        entry = json.loads(execution.custom_properties[schema.SIGNATURE].string_value)
        entry["finished"] += 1
        execution.custom_properties[schema.SIGNATURE].string_value = json.dumps(entry)

    forge("contexts", later)
    forge("executions", later_there_as_well)
    what_ran()
    run = Writer("reader", accepts=[alice]).run(weather())
    assert what_ran() == ["forecast"]
    assert UNSIGNED in run.steps["forecast"].reason


SOURCE = """
from zencache import pipeline, step

@step
def work() -> int:
    return {result}

@pipeline
def working():
    work()
"""


def test_only_an_accepted_writer_can_declare_an_edit_harmless(alice, reader, project):

    (project / "first.py").write_text(SOURCE.format(result=1))
    (project / "second.py").write_text(SOURCE.format(result=2))
    alice.run(load_pipeline("first.py"))
    alice.run(load_pipeline("second.py"))
    accept("work", "I say so", repository=Writer("mallory").repository)
    (given,) = Repository().stores.metadata.read.acceptances()
    assert reader.repository.stores.metadata.acceptances() == []
    accept("work", "so do I", repository=alice.repository)
    (given,) = reader.repository.stores.metadata.acceptances()
    assert given.reason == "so do I"


def test_a_recorded_pipeline_is_made_again_only_if_its_definition_is_signed(alice, reader, project):
    (project / "first.py").write_text(SOURCE.format(result=1))
    (project / "evil.py").write_text("open('canary', 'w').close()\n" + SOURCE.format(result=1))
    alice.run(load_pipeline("first.py"))
    copied = reader.repository.get_pipeline_by_name("working").copy("again")
    assert copied.run(repository=reader.repository).steps["work"].output.read() == 1

    def elsewhere(context):
        if schema.DEFINITION in context.custom_properties:
            text = context.custom_properties[schema.DEFINITION]
            text.string_value = text.string_value.replace("first", "evil")

    forge("contexts", elsewhere)
    with pytest.raises(SignatureError, match="definition"):
        reader.repository.get_pipeline_by_name("working").copy("once more")
    with pytest.raises(SignatureError, match="definition"):
        accept("work", "a reason", repository=reader.repository)
    assert not Path("canary").exists()


def test_a_value_that_was_given_is_read_only_if_it_is_signed(alice, reader):
    @step
    def total(numbers: np.ndarray, factor: int) -> int:
        return int(numbers.sum()) * factor

    @pipeline
    def given(factor=1):
        total(np.arange(4), factor)

    def value():
        return reader.repository.get_runs()[0].steps["total"].inputs["numbers"]

    alice.run(given())
    assert value().read().tolist() == [0, 1, 2, 3]
    forge("artifacts", point_elsewhere)
    with pytest.raises(SignatureError):
        value().read()
    assert reader.run(given(factor=2)).steps["total"].output.read() == 12


# -- keys and settings


def test_a_key_is_for_its_owner_only_and_is_never_overwritten(project):
    made = SigningKey.create("writer.key")
    assert stat.S_IMODE(Path("writer.key").stat().st_mode) == 0o600
    assert SigningKey.load("writer.key").public == made.public == Path("writer.key.pub").read_text().strip()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        SigningKey.create("writer.key")
    Path("writer.key.pub").unlink()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        SigningKey.create("writer.key")
    assert SigningKey.load("writer.key").public == made.public


def test_a_wrong_key_file_is_an_error_when_the_repository_is_opened(project):
    SigningKey.create("good.key")
    Path("readable.key").write_bytes(Path("good.key").read_bytes())
    Path("readable.key").chmod(0o644)
    Path("text.key").write_text("no key")
    Path("text.key").chmod(0o600)
    for file, problem in {
        "missing.key": "No such file",
        "readable.key": "by others than its owner",
        "text.key": "no signing key",
        "good.key.pub": "by others|no signing key",
        "/dev/zero": "no file",
        ".": "Is a directory",
    }.items():
        with pytest.raises(ConfigurationError, match=problem):
            Repository(signing_key=file)
    for accepted, problem in {
        ("good.key",): "private key",
        ("missing",): "No such file",
        ("text.key",): "no public key",
        ("ed25519:abc",): "no public key",
        (): "names no key",
        ("/dev/zero",): "no file",
    }.items():
        with pytest.raises(ConfigurationError, match=problem):
            Repository(require_signatures=accepted)


def test_a_file_may_hold_several_keys_with_remarks(project):
    one, other = SigningKey.create("one.key"), SigningKey.create("other.key")
    Path("team.pub").write_text(f"# the team\n{one.public}  # one\n\n{other.public}\n")
    assert public_keys(["team.pub"]) == {one.public, other.public}


def test_settings_come_from_pyproject_and_the_key_from_the_environment(alice, project, monkeypatch):
    alice.run()
    what_ran()
    (project / "pyproject.toml").write_text('[tool.zencache]\nrequire_signatures = ["alice.key.pub"]\n')
    folder = project / "deeper"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert set(statuses(numbers().run()).values()) == {"cached"}
    monkeypatch.setenv("ZENCACHE_SIGNING_KEY", str(project / "alice.key"))
    first = numbers(size=9).run()
    monkeypatch.delenv("ZENCACHE_SIGNING_KEY")
    assert first.steps["load"].status == "completed"
    assert set(statuses(numbers(size=9).run()).values()) == {"cached"}


def test_the_command_line_makes_and_shows_keys(project, monkeypatch):
    cli = CliRunner()
    made = cli.invoke(main, ["key", "new", "writer.key"])
    assert made.exit_code == 0
    public = made.stdout.strip()
    assert public.startswith("ed25519:")
    assert cli.invoke(main, ["key", "show", "writer.key"]).stdout.strip() == public
    assert cli.invoke(main, ["key", "new", "writer.key"]).exit_code == 2
    assert cli.invoke(main, ["key", "show"]).exit_code == 2
    monkeypatch.setenv("ZENCACHE_SIGNING_KEY", "writer.key")
    assert cli.invoke(main, ["key", "show"]).stdout.strip() == public
