"""An edit reruns the components that it concerns, in the next process, and no other."""

import pytest

MODULE = """
from pathlib import Path
from zencache import tfx
from zencache.tfx.dsl.components import InputArtifact, OutputArtifact, Parameter, component
from zencache.tfx.types import Artifact, Property, PropertyType
from zencache.tfx.types.standard_artifacts import String

OFFSET = 1

class Numbers(Artifact):
    TYPE_NAME = "Numbers"
    PROPERTIES = {"span": Property(type=PropertyType.INT)}

def shifted(number):
    return number + OFFSET

@component
def Make(numbers: OutputArtifact[Numbers], count: Parameter[int] = 2):
    # writes them
    for number in range(count):
        (Path(numbers.uri) / f"{number}").write_text(str(number))
    numbers.span = 1

@component
def Shift(numbers: InputArtifact[Numbers], total: OutputArtifact[String]):
    total.value = str(sum(shifted(int(file.read_text())) for file in Path(numbers.uri).iterdir()))

@component
def Tell(total: InputArtifact[String], told: OutputArtifact[String]):
    told.value = f"it is {total.value}"

def build():
    made = Make()
    shift = Shift(numbers=made.outputs["numbers"])
    tell = Tell(total=shift.outputs["total"])
    return tfx.dsl.Pipeline("telling", components=[made, shift, tell])
"""

RUN = """
from numbers_pipeline import build
run = build().run()
print(*[f"{name}:{step.status}" for name, step in run.steps.items()])
"""


@pytest.fixture
def run_module(project, run_forked):
    def run_module(source):
        (project / "numbers_pipeline.py").write_text(source)
        printed = run_forked(RUN).stdout.split()
        return {name for name, _, status in (row.partition(":") for row in printed) if status == "completed"}

    return run_module


@pytest.mark.parametrize(
    ("old", "new", "executed"),
    [
        ("# writes them", "# writes all of them", set()),
        ("OFFSET = 1", "OFFSET = 2", {"Shift", "Tell"}),
        pytest.param("number + OFFSET", "OFFSET + number", {"Shift"}, marks=pytest.mark.slow),
        ("Parameter[int] = 2", "Parameter[int] = 3", {"Make", "Shift", "Tell"}),
        pytest.param("numbers.span = 1", "numbers.span = 2", {"Make", "Shift"}, marks=pytest.mark.slow),
        pytest.param("it is", "it was", {"Tell"}, marks=pytest.mark.slow),
        ("PropertyType.INT)}", 'PropertyType.INT), "a": Property(PropertyType.STRING)}', {"Make", "Shift"}),
    ],
)
def test_an_edit_reruns_what_it_concerns(run_module, old, new, executed):
    assert run_module(MODULE) == {"Make", "Shift", "Tell"}
    assert old in MODULE
    assert run_module(MODULE.replace(old, new)) == executed
    assert run_module(MODULE) == set()
