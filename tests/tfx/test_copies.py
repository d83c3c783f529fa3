"""A recorded pipeline of components is copied in another process, and is the same pipeline there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zencache import Repository

COMPONENTS = """
from pathlib import Path

import apache_beam as beam

from zencache import tfx
from zencache.tfx.dsl.components import BeamComponentParameter, InputArtifact, OutputArtifact, component
from zencache.tfx.orchestration import metadata


class Numbers(tfx.types.Artifact):
    TYPE_NAME = "Numbers"
    PROPERTIES = {"span": tfx.types.Property(type=tfx.types.PropertyType.INT)}


class Total(tfx.types.Artifact):
    TYPE_NAME = "Total"


class First(tfx.dsl.experimental.ResolverStrategy):
    def __init__(self, nth=0):
        self.nth = nth

    def resolve_artifacts(self, store, input_dict):
        return {name: found[self.nth : self.nth + 1] for name, found in input_dict.items()}


@component(use_beam=True)
def AddUp(
    numbers: InputArtifact[Numbers],
    total: OutputArtifact[Total],
    earlier: InputArtifact[Total] = None,
    scale: int = 1,
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    found = [int(file.read_text()) for file in Path(numbers.uri).iterdir()]
    before = "" if earlier is None else (Path(earlier.uri) / "total.txt").read_text()
    (Path(total.uri) / "total.txt").write_text(f"{sum(found) * scale}{' after ' if before else ''}{before}")
"""
PIPELINE = """
source = Path("source")
source.mkdir(exist_ok=True)
(source / "4.txt").write_text("4")

numbers = tfx.dsl.Importer(
    source_uri="source", artifact_type=Numbers, properties={"span": 3}, output_key="numbers"
).with_id("numbers")
once = AddUp(numbers=numbers.outputs["numbers"]).with_id("once")
earlier = tfx.dsl.Resolver(
    strategy_class=First, config={"nth": 0}, total=once.outputs["total"]
).with_id("first_total")
twice = AddUp(
    numbers=numbers.outputs["numbers"], earlier=earlier.outputs["total"], scale=2
).with_id("twice").with_beam_pipeline_args(["--direct_num_workers=2"])
last = AddUp(numbers=numbers.outputs["numbers"], scale=2).with_id("last")
last.add_upstream_node(twice)
stores = {
    "pipeline_root": "elsewhere/root",
    "metadata_connection_config": metadata.sqlite_metadata_connection_config("elsewhere/m.db"),
}
adding = tfx.dsl.Pipeline(
    pipeline_name="adding",
    components=[numbers, once, earlier, twice, last],
    beam_pipeline_args=["--runner=BundleBasedDirectRunner"],
    enable_cache=True,
    **stores,
)
tfx.orchestration.LocalDagRunner().run(adding)
"""
COPY = """
from zencache import Repository
repo = Repository(metadata="elsewhere/m.db", artifacts="elsewhere/root")
again = repo.get_pipeline("adding").copy("again")
"""


def repository() -> Repository:
    return Repository(metadata="elsewhere/m.db", artifacts="elsewhere/root")


def rows(definition) -> str:
    return json.dumps(dict(definition), sort_keys=True, indent=1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A project in which one process has run a pipeline of components, and another one two copies of it."""
    folder: Path = tmp_path_factory.mktemp("recorded")
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "components.py").write_text(COMPONENTS)
    copies = COPY + "again.run()\nagain.copy('third').run(refresh=True)\n"
    for text in ("from components import *\n" + PIPELINE, copies):
        (folder / "script.py").write_text(text)
        done = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "has changed" not in done.stderr
    return folder


@pytest.fixture
def runs(recorded, monkeypatch):
    """Name of a pipeline -> its last run."""
    monkeypatch.chdir(recorded)
    return {view.name: view.runs[-1] for view in repository().get_pipelines()}


def test_a_copy_has_the_same_nodes_importers_and_resolvers(runs):
    original, copy = runs["adding"], runs["again"]
    assert rows(copy.record.definition) == rows(original.record.definition)
    assert copy.parents_of("last") == ["numbers", "twice"]
    assert copy.steps["numbers"].parameters == original.steps["numbers"].parameters
    assert {name: step.status for name, step in copy.steps.items()} == {
        "numbers": "cached",
        "once": "cached",
        "first_total": "completed",
        "twice": "cached",
        "last": "cached",
    }


def test_a_copy_runs_in_the_stores_that_it_is_recorded_in(recorded, runs):
    assert list(runs) == ["adding", "again", "third"]
    assert not (recorded / ".zencache" / "metadata.db").exists()


def test_a_copy_of_a_copy_runs_beam_with_the_options_of_the_first(runs):
    runner, workers = "--runner=BundleBasedDirectRunner", "--direct_num_workers=2"
    assert runs["again"].options["beam_pipeline_args"] == [runner]
    assert runs["third"].steps["once"].beam_pipeline_args == [runner]
    assert runs["third"].steps["twice"].beam_pipeline_args == [runner, workers]


PLAIN = (
    COMPONENTS.replace("import apache_beam as beam\n", "")
    .replace("(use_beam=True)", "")
    .replace("    pipeline: BeamComponentParameter[beam.Pipeline] = None,\n", "")
)


@pytest.mark.usefixtures("project")
def test_a_script_that_runs_its_components_unguarded_is_imported_without_running_it(run_forked):
    run_forked(PLAIN + PIPELINE)
    run_forked(COPY + "again.run()\n")
    runs = repository().get_runs()
    assert [run.pipeline for run in runs] == ["adding", "again"]
    assert runs[-1].steps["last"].is_cached


@pytest.mark.usefixtures("project")
def test_what_cannot_be_recorded_of_a_resolver_is_said_when_it_is_copied(run_forked):
    local = "def local():\n    class Second(First):\n        pass\n    return Second\n"
    run_forked(PLAIN + local + PIPELINE.replace("=First,", "=local(),"))
    done = run_forked(COPY + "again.run()\n", check=False)
    assert done.returncode == 1
    assert "cannot be recorded, and so not be made again" in done.stderr
    assert "first_total" in done.stderr


@pytest.mark.usefixtures("project")
def test_an_artifact_class_that_is_gone_is_said_when_it_is_copied(run_forked):
    Path("components.py").write_text(PLAIN)
    run_forked("from components import *\n" + PIPELINE)
    Path("components.py").write_text(PLAIN.replace("Numbers", "Digits"))
    shutil.rmtree("__pycache__", ignore_errors=True)
    done = run_forked(COPY + "again.run()\n", check=False)
    assert done.returncode == 1
    assert "`Numbers` is not found any more" in done.stderr
    assert "step: numbers" in done.stderr
