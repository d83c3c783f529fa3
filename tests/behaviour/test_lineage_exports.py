"""Lineage in the languages of others: Mermaid, DOT, JSON and OpenLineage, whatever things are called."""

import importlib
import json
import pkgutil
import re
import warnings
from datetime import datetime, timezone

import attrs
import jsonschema
import numpy as np
import openlineage.client.generated
import pydot
import pytest
from openlineage.client import event_v2

from zencache import Output, Repository, StepFailed, pipeline, step
from zencache.digest import digest_bytes
from zencache.entity import Artifact, Edge, Execution, PipelineRun, Status
from zencache.lineage import LineageGraph


@step
def importer(size: int) -> Output(X=np.ndarray, y=np.ndarray):
    return np.arange(float(size)), np.arange(float(size)) % 2


@step
def trainer(X: np.ndarray, y: np.ndarray, epochs: float) -> float:
    if epochs > 100:
        raise ValueError("the loss is not a number")
    return float(X @ y) * epochs


@pipeline
def training(size: int = 4, epochs: float = 1.0):
    trainer(*importer(size), epochs)


@pytest.fixture
def runs(project):
    """One that executed, one that was cached, one that failed."""
    training().run(run_name="first")
    training().run(run_name="second")
    with pytest.raises(StepFailed):
        training(epochs=float("inf")).run(run_name="third")
    return {run.name: run for run in Repository().get_runs()}


# -- what the graph of a run holds


def test_the_graph_of_a_run_holds_its_own_steps_and_their_artifacts(runs):
    graph = runs["second"].lineage()
    assert [(e.step, e.run, str(e.status)) for e in graph.executions.values()] == [
        ("importer", "second", "cached"),
        ("trainer", "second", "cached"),
    ]
    assert len(graph.artifacts) == 3
    assert graph.to_json() == Repository().lineage(runs["second"]).to_json()
    failed = runs["third"].lineage()
    assert [str(e.status) for e in failed.executions.values()] == ["cached", "failed"]
    assert "second" in repr(graph)


def test_a_direction_leaves_the_other_one_out(runs):
    repo = Repository()
    score = runs["first"].steps["trainer"].output
    X = runs["first"].steps["importer"].outputs["X"]
    steps = {
        direction: [e.step for e in repo.lineage(X, direction=direction).executions.values() if not e.error]
        for direction in (None, "upstream", "downstream")
    }
    assert steps == {None: ["importer", "trainer"], "upstream": ["importer"], "downstream": ["trainer"]}
    assert len(repo.lineage(score, direction="downstream")) == 1


# -- the formats


def test_json_holds_artifacts_executions_and_what_connects_them(runs):
    score = runs["first"].steps["trainer"].output
    told = json.loads(json.dumps(Repository().lineage(score).to_json(), allow_nan=False))
    assert told["start"] == score.id
    by_name = {execution["name"]: execution for execution in told["executions"]}
    assert by_name["trainer"]["parameters"] == {"epochs": 1.0}
    assert by_name["trainer"]["code"] == f"{__name__}:trainer"
    assert by_name["trainer"]["reuses"] == 1
    edges = {(edge["kind"], *edge["names"]) for edge in told["edges"]}
    assert edges == {("output", "X"), ("output", "y"), ("input", "X"), ("input", "y"), ("output", "output")}
    failed = json.loads(json.dumps(runs["third"].lineage().to_json(), allow_nan=False))["executions"][-1]
    assert failed["error"] == "ValueError: the loss is not a number"
    assert failed["parameters"] == {"epochs": "inf"}


def test_mermaid_has_a_node_for_each_and_an_arrow_for_each_edge(runs):
    graph = Repository().lineage(runs["first"].steps["trainer"].output)
    nodes, arrows = parse_mermaid(graph.to_mermaid())
    assert nodes.keys() == names_of(graph)
    assert arrows == arrows_of(graph)
    trainer_id = next(id_ for id_, execution in graph.executions.items() if execution.step == "trainer")
    assert nodes[f"e{trainer_id}"].splitlines() == ["trainer", "first", "completed, and 1 more like it"]


def test_dot_has_a_node_for_each_and_an_arrow_for_each_edge(runs):
    graph = Repository().lineage(runs["first"].steps["trainer"].output)
    nodes, arrows = parse_dot(graph.to_dot())
    assert nodes.keys() == names_of(graph)
    assert arrows == arrows_of(graph)


class TestOpenLineage:
    def test_events_are_those_of_the_standard(self, runs):
        repo = Repository()
        for graph in (
            *(run.lineage() for run in runs.values()),
            repo.lineage(runs["first"].steps["trainer"].output),
        ):
            events = graph.to_openlineage()
            assert events
            for event in events:
                check_event(event)

    def test_each_run_and_step_starts_and_ends(self, runs):
        ends = {}
        for name, run in runs.items():
            for event in run.lineage().to_openlineage():
                ends.setdefault((name, event["job"]["name"]), []).append(event["eventType"])
        assert ends == {
            ("first", "training"): ["START", "COMPLETE"],
            ("first", "training.importer"): ["START", "COMPLETE"],
            ("first", "training.trainer"): ["START", "COMPLETE"],
            ("second", "training"): ["START", "COMPLETE"],
            ("second", "training.importer"): ["START", "COMPLETE"],
            ("second", "training.trainer"): ["START", "COMPLETE"],
            ("third", "training"): ["START", "FAIL"],
            ("third", "training.importer"): ["START", "COMPLETE"],
            ("third", "training.trainer"): ["START", "FAIL"],
        }

    def test_a_step_tells_its_parent_its_data_and_its_error(self, runs):
        events = runs["third"].lineage().to_openlineage(namespace="lab")
        parent = next(event for event in events if event["job"]["name"] == "training")
        failed = next(event for event in events if "errorMessage" in event["run"]["facets"])
        facets = failed["run"]["facets"]
        assert failed["eventType"] == "FAIL"
        assert failed["job"]["namespace"] == "lab"
        assert facets["parent"]["run"]["runId"] == parent["run"]["runId"]
        assert facets["parent"]["job"] == {"namespace": "lab", "name": "training"}
        assert facets["errorMessage"]["message"] == "ValueError: the loss is not a number"
        assert facets["executionParameters"]["parameters"] == [{"key": "epochs", "value": "inf"}]
        X, y = runs["third"].steps["importer"].outputs.values()
        assert [dataset["name"] for dataset in failed["inputs"]] == [X.uri, y.uri]
        versions = [dataset["facets"]["version"]["datasetVersion"] for dataset in failed["inputs"]]
        assert versions == [X.digest, y.digest]
        assert failed["outputs"] == []

    def test_a_cached_step_says_so(self, runs):
        events = runs["second"].lineage().to_openlineage()
        told = {
            event["job"]["name"]: event["run"]["facets"]["zencache"]["status"]
            for event in events
            if "zencache" in event["run"]["facets"]
        }
        assert told == {"training.importer": "cached", "training.trainer": "cached"}

    def test_the_same_history_gives_the_same_events(self, runs):
        assert runs["first"].lineage().to_openlineage() == (
            Repository().get_run("first").lineage().to_openlineage()
        )
        ids = [{e["run"]["runId"] for e in run.lineage().to_openlineage()} for run in runs.values()]
        assert [len(own) for own in ids] == [3, 3, 3]
        assert len(set().union(*ids)) == 9

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("/data/a b.csv", ("file", "/data/a b.csv")),
            ("file:///data/a.csv", ("file", "/data/a.csv")),
            ("s3://bucket/a/*.csv", ("s3://bucket", "a/*.csv")),
            ("gs://bucket", ("gs://bucket", "/")),
            ("https://host/a?b=c#d", ("https://host", "a?b=c#d")),
            ("memory://objects/ab", ("memory://objects", "ab")),
            ("http://[broken", ("http", "http://[broken")),
            ("", ("file", "Array/1")),
        ],
    )
    def test_names_data_by_where_it_lies(self, uri, expected):
        events = hostile_graph("Array", uri=uri).to_openlineage()
        dataset = next(event["inputs"][0] for event in events if event["inputs"])
        assert (dataset["namespace"], dataset["name"]) == expected


# -- hostile names

HOSTILE = {
    "markup": "<script>alert('1')</script><b>&amp;&lt;",
    "quotes": '"\'`"];}\\"\\N\\G',
    "newlines": 'a\nb\r\nc"]\n    x --> y\u2028z',
    "path": "../../etc/passwd",
    "unicode": "Größe 数据 🦊 \u202egnp.exe",
    "escapes": "\x1b[2J\x1b]0;owned\x07\x00",
    "mermaid": 'end\nclick a1 call alert() "#quot;#35;" %%{init: {}}%% ["`x`"] subgraph |x| --> ;',
    "dot": '"; } digraph evil { x -> y; /* <b>html</b> */ //',
    "long": "x" * 255,
    "empty": "",
}


def hostile_graph(name, uri=None):
    """A graph in which everything that has a name has this one."""
    digest = digest_bytes(b"x")
    now = datetime(2024, 1, 1, tzinfo=timezone.utc)
    made = Artifact(
        1, name, name if uri is None else uri, "blake3:" + name, digest, "m:M", "t:T", state="LIVE"
    )
    other = Artifact(2, name, name, digest.hash, digest, "", "", state="DELETED", properties={name: name})
    run = PipelineRun(
        1,
        name,
        name,
        Status.FAILED,
        now,
        ended=now,
        definition={"steps": [{"name": name, "source": name, "file": "/" + name.replace("\0", "")}]},
        facts={"user": name, "commit": "abc123", "zencache": name},
    )
    execution = Execution(
        7, name, name, name, Status.FAILED, parameters={name: name}, started=now, error=name, cache_key=name
    )
    edges = (Edge(7, 1, False, (name, name)), Edge(7, 2, True, (name,)), Edge(7, 2, False))
    return LineageGraph(1, {1: made, 2: other}, {7: execution}, edges, {7: 3}, {name: run})


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
class TestHostileNames:
    def test_stay_labels_in_mermaid(self, name):
        graph = hostile_graph(name)
        text = graph.to_mermaid()
        nodes, arrows = parse_mermaid(text)
        assert nodes.keys() == names_of(graph)
        assert arrows == arrows_of(graph)
        assert nodes["e7"].splitlines()[0] == seen(name)
        assert nodes["e7"].isprintable() or "\n" in nodes["e7"]

    def test_stay_labels_in_dot(self, name):
        graph = hostile_graph(name)
        nodes, arrows = parse_dot(graph.to_dot())
        assert nodes.keys() == names_of(graph)
        assert arrows == arrows_of(graph)
        assert nodes["e7"].splitlines()[0] == seen(name)

    def test_are_told_in_json_as_they_are(self, name):
        told = json.loads(json.dumps(hostile_graph(name).to_json(), allow_nan=False))
        assert told["executions"][0]["name"] == name
        assert told["executions"][0]["parameters"] == {name: name}
        assert told["artifacts"][1]["properties"] == {name: name}

    def test_are_told_in_openlineage_as_they_are(self, name):
        events = hostile_graph(name).to_openlineage()
        for event in events:
            check_event(json.loads(json.dumps(event, allow_nan=False)))
        assert {event["job"]["name"] for event in events} == {name, f"{name}.{name}"}


def seen(name):
    """A name as a label shows it, in a way of its own: what acts or is not seen is an escape."""
    hidden = re.compile("[\x00-\x1f\x7f\u2028\u202e]")
    return hidden.sub(lambda match: match[0].encode("unicode_escape").decode(), name)


# -- readers of these formats

MERMAID_NODE = re.compile(r'    ([ae]\d+)(?:\(\["([^"]*)"\]\)|\["([^"]*)"\])')
MERMAID_ARROW = re.compile(r'    ([ae]\d+) -->(?:\|"[^"]+"\|)? ([ae]\d+)')
MERMAID_TEXT = re.compile(r"(?:[A-Za-z0-9 _\-:,/=…]|[^\x00-\x7f]|#\d+;|<br/>)*")


def parse_mermaid(text):
    """Labels by node, and arrows; every line must be one or the other, and every label free of syntax."""
    first, *lines = text.rstrip("\n").split("\n")
    assert first == "flowchart TD"
    nodes, arrows = {}, []
    for line in lines:
        for label in re.findall(r'"([^"]*)"', line):
            assert MERMAID_TEXT.fullmatch(label), label
        if node := MERMAID_NODE.fullmatch(line):
            label = (node[2] if node[2] is not None else node[3]).replace("<br/>", "\n")
            nodes[node[1]] = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label)
        elif arrow := MERMAID_ARROW.fullmatch(line):
            arrows.append((arrow[1], arrow[2]))
        else:
            assert re.fullmatch(r"    style a\d+ stroke-width:3px", line), line
    return nodes, sorted(arrows)


def parse_dot(text):
    """Labels by node, and arrows, as pydot reads them and Graphviz would show them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydot 4.0 about its own use of pyparsing
        (graph,) = pydot.graph_from_dot_data(text)
    others = ("node", "edge", '"\\n"')  # the last is what a pydot before 2 makes of the end of a text
    nodes = {n.get_name(): n.get("label") for n in graph.get_nodes() if n.get_name() not in others}
    meanings = {"\\n": "\n", "\\\\": "\\", '\\"': '"', "&amp;": "&"}
    shown = {}
    for name, label in nodes.items():
        assert label[0] == label[-1] == '"'
        assert not re.search(r'(?<!\\)(?:\\\\)*\\[^n"\\]', label), label
        shown[name] = re.sub(r"\\.|&amp;", lambda match: meanings[match[0]], label[1:-1])
    return shown, sorted((edge.get_source(), edge.get_destination()) for edge in graph.get_edges())


def names_of(graph):
    return {f"a{id_}" for id_ in graph.artifacts} | {f"e{id_}" for id_ in graph.executions}


def arrows_of(graph):
    ends = [(f"a{edge.artifact_id}", f"e{edge.execution_id}", edge.is_output) for edge in graph.edges]
    return sorted((execution, a) if is_output else (a, execution) for a, execution, is_output in ends)


# The core of the standard, after https://openlineage.io/spec/2-0-2/OpenLineage.json: what a run event
# must have, and of which form. Facets are checked by the classes that openlineage-python generates from
# the schema of each.
FACETS = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Facet"}}
DATASETS = {"type": "array", "items": {"$ref": "#/$defs/Dataset"}}
RUN_EVENT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "additionalProperties": False,
    "properties": {
        "eventTime": {"type": "string", "format": "date-time"},
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "producer": {"type": "string", "format": "uri"},
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {
            "type": "object",
            "required": ["runId"],
            "additionalProperties": False,
            "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": FACETS},
        },
        "job": {
            "type": "object",
            "required": ["namespace", "name"],
            "additionalProperties": False,
            "properties": {
                "namespace": {"type": "string"},
                "name": {"type": "string"},
                "facets": FACETS,
            },
        },
        "inputs": DATASETS,
        "outputs": DATASETS,
    },
    "$defs": {
        "Facet": {
            "type": "object",
            "required": ["_producer", "_schemaURL"],
            "properties": {
                "_producer": {"type": "string", "format": "uri"},
                "_schemaURL": {"type": "string", "format": "uri"},
            },
        },
        "Dataset": {
            "type": "object",
            "required": ["namespace", "name"],
            "additionalProperties": False,
            "properties": {
                "namespace": {"type": "string"},
                "name": {"type": "string"},
                "facets": FACETS,
                "inputFacets": FACETS,
                "outputFacets": FACETS,
            },
        },
    },
}
VALIDATOR = jsonschema.Draft202012Validator(
    RUN_EVENT, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)
MODULES = [
    importlib.import_module(f"openlineage.client.generated.{module.name}")
    for module in pkgutil.iter_modules(openlineage.client.generated.__path__)
]


def check_event(event):
    """Hold an event against the core of the standard, and each facet against its own class."""
    VALIDATOR.validate(event)
    datasets = [*event["inputs"], *event["outputs"]]
    kinds = [
        (event["run"]["facets"], "RunFacet"),
        (event["job"]["facets"], "JobFacet"),
        *((dataset["facets"], "DatasetFacet") for dataset in datasets),
        *((dataset.get("outputFacets", {}), "OutputDatasetFacet") for dataset in event["outputs"]),
    ]
    for facets, kind in kinds:
        for facet in facets.values():
            check_facet(facet, kind)
    event_v2.RunEvent(
        eventTime=event["eventTime"],
        eventType=event_v2.RunState[event["eventType"]],
        producer=event["producer"],
        run=event_v2.Run(event["run"]["runId"]),
        job=event_v2.Job(event["job"]["namespace"], event["job"]["name"]),
    )


def check_facet(facet, kind):
    name = facet["_schemaURL"].rpartition("/")[2]
    if name == kind:  # one of zencache's own, described by the base of its kind
        return
    assert name.endswith(kind)
    module = next(module for module in MODULES if hasattr(module, name))
    made = construct(getattr(module, name), {k: v for k, v in facet.items() if k[0] != "_"}, module)
    assert made._schemaURL == facet["_schemaURL"]


def construct(kind, values, module):
    """An instance of a generated class; fields that it does not have, or lacks, raise."""
    parts = {"run": "Run", "job": "Job", "owners": "Owner", "parameters": "ExecutionParameter"}
    given = {}
    for name, value in values.items():
        part = getattr(module, parts.get(name, ""), None)
        if part is not None and isinstance(value, list):
            value = [construct(part, item, module) for item in value]
        elif part is not None:
            value = construct(part, value, module)
        field = attrs.fields_dict(kind)[name]
        if field.type in ("str", "str | None"):
            assert isinstance(value, str)
        if field.type in ("int", "int | None"):
            assert isinstance(value, int)
        given[name] = value
    return kind(**given)


def test_the_check_sees_a_wrong_event():
    (event, *_) = hostile_graph("x").to_openlineage()
    check_event(event)
    for path, value in ((("run", "runId"), "no uuid"), (("eventType",), "END"), (("job", "colour"), "red")):
        wrong = json.loads(json.dumps(event))
        at = wrong
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            check_event(wrong)
    wrong = json.loads(json.dumps(event))
    wrong["job"]["facets"]["jobType"]["colour"] = "red"
    with pytest.raises(KeyError):
        check_event(wrong)
    del wrong["job"]["facets"]["jobType"]["colour"], wrong["job"]["facets"]["jobType"]["integration"]
    with pytest.raises(TypeError):
        check_event(wrong)
