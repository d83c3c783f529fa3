"""One pipeline, run twice by the real TFX and twice by zencache, leaves the same in two metadata stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NO_SDK = "no TFX SDK: `python3 .ci/with_venv.py --extra test` installs it, or set ZENCACHE_TEST_TFX_SDK"

TFX = """
import sys
sys.modules["tensorflow"] = sys.modules["apache_beam"] = None  # not needed, and slow to import
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.types.artifact import Artifact, Property, PropertyType
from tfx.types.channel import Channel
from tfx.types.system_artifacts import Dataset
from tfx.types.system_executions import Transform
"""

ZENCACHE = """
from zencache import tfx
from zencache.tfx.dsl import Channel, Importer, Pipeline, Resolver
from zencache.tfx.dsl.components import InputArtifact, OutputArtifact, OutputDict, Parameter, component
from zencache.tfx.dsl.experimental import LatestArtifactStrategy
from zencache.tfx.dsl.experimental.conditionals.conditional import Cond
from zencache.tfx.dsl.standard_annotations import Dataset, Transform
from zencache.tfx.orchestration import LocalDagRunner
from zencache.tfx.orchestration.metadata import sqlite_metadata_connection_config
from zencache.tfx.types import Artifact, Property, PropertyType
"""

PIPELINE = """
import os, sys

class Numbers(Artifact):
    TYPE_NAME = "Numbers"
    TYPE_ANNOTATION = Dataset
    PROPERTIES = {
        "span": Property(type=PropertyType.INT),
        "share": Property(type=PropertyType.FLOAT),
        "colour": Property(type=PropertyType.STRING),
        "about": Property(type=PropertyType.JSON_VALUE),
    }

class Total(Artifact):
    TYPE_NAME = "Total"

@component
def MakeNumbers(numbers: OutputArtifact[Numbers], count: Parameter[int]):
    for number in range(count):
        with open(os.path.join(numbers.uri, str(number)), "w") as file:
            file.write(str(number))
    numbers.span = 7
    numbers.share = 0.5
    numbers.about = {"by": ["me"]}
    numbers.set_string_custom_property("owner", "ann")
    numbers.set_int_custom_property("age", 3)

@component(component_annotation=Transform)
def AddUp(
    numbers: InputArtifact[Numbers], total: OutputArtifact[Total], scale: Parameter[float]
) -> OutputDict(count=int, mean=float, text=str, ready=bool):
    found = sorted(os.listdir(numbers.uri))
    with open(os.path.join(total.uri, "total"), "w") as file:
        file.write(str(scale))
    return {"count": len(found), "mean": 1.5, "text": numbers.colour, "ready": True}

@component
def Report(count: int, mean: float, total: InputArtifact[Total], word: Parameter[str]):
    assert (count, mean) == (3, 1.5)

@component
def Look(numbers: InputArtifact[Numbers], earlier: InputArtifact[Total], seen: OutputArtifact[Total]):
    with open(os.path.join(seen.uri, "seen"), "w") as file:
        file.write(str(numbers.span))

root, database, source = sys.argv[1:]
os.makedirs(source, exist_ok=True)
with open(os.path.join(source, "9"), "w") as file:
    file.write("9")

def build():
    made = MakeNumbers(count=3)
    added = AddUp(numbers=made.outputs["numbers"], scale=2.5)
    again = AddUp(numbers=made.outputs["numbers"], scale=0.5).with_id("again")
    outputs = added.outputs
    report = Report(
        count=outputs["count"], mean=outputs["mean"], total=outputs["total"], word="w"
    )
    with Cond(outputs["count"].future()[0].value == 3):
        here = MakeNumbers(count=2).with_id("here")
    with Cond(made.outputs["numbers"].future()[0].property("span") > 7):
        not_here = MakeNumbers(count=4).with_id("not_here")
    imported = Importer(
        source_uri=source, artifact_type=Numbers, properties={"span": 4}, custom_properties={"from": "disk"}
    ).with_id("imported")
    latest = Resolver(strategy_class=LatestArtifactStrategy, total=Channel(type=Total)).with_id("latest")
    latest.add_upstream_node(again)
    latest.add_upstream_node(added)
    look = Look(numbers=imported.outputs["result"], earlier=latest.outputs["total"])
    return Pipeline(
        pipeline_name="adding",
        pipeline_root=root,
        components=[made, added, again, report, here, not_here, imported, latest, look],
        enable_cache=True,
        metadata_connection_config=sqlite_metadata_connection_config(database),
    )

for _ in range(2):
    LocalDagRunner().run(build())
"""

DUMP = """
import json, sys
from google.protobuf import json_format
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

config = proto.ConnectionConfig()
config.sqlite.filename_uri = sys.argv[1]
store = metadata_store.MetadataStore(config)
OWN = ("zencache_", "__", "tfx_version", "name", "producer_component", "pipeline_name", "is_external")

def values(properties):
    found = {name: value for name, value in properties.items() if not name.startswith(OWN)}
    return {name: json_format.MessageToDict(value) for name, value in sorted(found.items())}

def node_of(execution):
    (node,) = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
    return node

executions = sorted(store.get_executions(), key=lambda e: e.id)
artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
bases = {kind.name: kind.base_type for kind in store.get_execution_types()}
told = []
for execution in executions:
    events = store.get_events_by_execution_ids([execution.id])
    told.append({
        "node": node_of(execution),
        "type": execution.type.rpartition(".")[2],
        "base": bases[execution.type],
        "state": execution.State.Name(execution.last_known_state),
        "parameters": values(execution.custom_properties),
        "contexts": sorted(c.type for c in store.get_contexts_by_execution(execution.id)),
        "events": sorted(
            [
                proto.Event.Type.Name(event.type),
                [step.key or step.index for step in event.path.steps],
                artifacts[event.artifact_id].type,
            ]
            for event in events
        ),
    })
print(json.dumps({
    "executions": told,
    "contexts": sorted(
        [
            c.type,
            c.name if c.type in ("pipeline", "node") else "",
            sorted(parent.type for parent in store.get_parent_contexts_by_context(c.id)),
        ]
        for c in store.get_contexts()
    ),
    "artifact types": {
        kind.name: [kind.base_type, dict(sorted(kind.properties.items()))]
        for kind in store.get_artifact_types() if not kind.name.startswith("mlmd.")
    },
    "artifacts": sorted((
        [a.type, a.State.Name(a.state), values(a.properties), values(a.custom_properties)]
        for a in artifacts.values()
    ), key=str),
}))
"""


@pytest.fixture(scope="module")
def sdk() -> Path:
    folder = Path(os.environ.get("ZENCACHE_TEST_TFX_SDK") or Path(sys.prefix) / "tfx-sdk")
    if not (folder / "tfx").is_dir():
        pytest.skip(NO_SDK)
    return folder


@pytest.fixture(scope="module")
def told(sdk, tmp_path_factory):
    """What lies in the store of the one and of the other."""
    folder = tmp_path_factory.mktemp("beside")
    return [
        _told(folder / "tfx", TFX, {"PYTHONPATH": str(sdk)}),
        _told(folder / "zencache", ZENCACHE, {}),
    ]


def _told(folder, imports, environment):
    folder.mkdir()
    database = str(folder / "metadata.db")
    _script(folder, imports + PIPELINE, environment, folder / "root", database, folder / "source")
    return json.loads(_script(folder, DUMP, {}, database).splitlines()[-1])


def _script(folder, source, environment, *args):
    script = folder / "script.py"
    script.write_text(source)
    done = subprocess.run(
        [sys.executable, str(script), *map(str, args)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_node(told, *facts):
    found: dict[str, list] = {}
    for row in told["executions"]:
        found.setdefault(row["node"], []).append([row[fact] for fact in facts])
    return found


def test_the_same_executions_with_the_same_types_and_parameters(told):
    theirs, ours = (by_node(one, "type", "base", "parameters") for one in told)
    for _, _, parameters in ours["adding.imported"]:
        # TFX keeps these with the pipeline's definition.
        assert parameters.pop("properties") == {"stringValue": '{"span":4}'}
        assert parameters.pop("custom_properties") == {"stringValue": '{"from":"disk"}'}
    for _, _, parameters in [*theirs["adding.imported"], *ours["adding.imported"]]:
        assert parameters.pop("artifact_uri")["stringValue"].endswith("/source")
    assert ours == theirs


def test_the_same_states(told):
    theirs, ours = (by_node(one, "state") for one in told)
    # Without outputs a component exists for its effect: it runs each time here, and once there.
    assert ours.pop("adding.Report") == [["COMPLETE"], ["COMPLETE"]]
    assert theirs.pop("adding.Report") == [["COMPLETE"], ["CACHED"]]
    assert ours == theirs
    assert ours["adding.AddUp"] == [["COMPLETE"], ["CACHED"]]


def test_the_same_events(told):
    theirs, ours = (by_node(one, "events") for one in told)
    for run in theirs["adding.here"]:
        # To TFX what a condition reads is an input as well; here it decides, and is no part of the key.
        run[0].remove(["INPUT", ["_AddUp.count", 0], "Integer"])
    assert ours == theirs
    assert "adding.not_here" not in theirs


def test_the_same_contexts(told):
    """Apart from those of the cache, which each finds its entries by in its own way."""
    caching = ("execution_cache", "zencache_lease")
    theirs, ours = ([row for row in one["contexts"] if row[0] not in caching] for one in told)
    theirs.remove(["node", "adding.not_here", []])  # of a component that was skipped, and has no execution
    assert ours == theirs


def test_the_same_artifact_types_with_their_properties_and_base_types(told):
    theirs, ours = (one["artifact types"] for one in told)
    assert ours == theirs


def test_the_same_artifacts_with_the_same_properties(told):
    theirs, ours = (one["artifacts"] for one in told)
    assert ours == theirs
