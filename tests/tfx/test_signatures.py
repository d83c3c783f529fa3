"""What TFX refuses in the signature of a component is refused here, and said why."""

from typing import TypedDict

import pytest

from zencache import DeclarationError
from zencache.tfx.dsl.components import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
    component,
)
from zencache.tfx.types import Artifact
from zencache.tfx.types.standard_artifacts import Examples, Model


class Loss(TypedDict):
    loss: float


def args(*a: int):
    pass


def kwargs(**k: int):
    pass


def bare(a):
    pass


def artifact_class(a: Model):
    pass


def unknown(a: object):
    pass


def default_input(a: InputArtifact[Model] = 3):
    pass


def optional_output(a: OutputArtifact[Model] = None):
    pass


def wrong_default(a: Parameter[int] = "three"):
    pass


def wrong_primitive(a: int = "three"):
    pass


def returns_a_value() -> int:
    pass


def returns_an_artifact() -> OutputDict(model=Model):
    pass


def returns_an_output() -> OutputDict(model=OutputArtifact[Model]):
    pass


def returns_an_object() -> OutputDict(a=object):
    pass


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (args, "cannot be"),
        (kwargs, "cannot be"),
        (bare, "has an annotation"),
        (artifact_class, "reads or writes"),
        (unknown, "parameter of this annotation"),
        (default_input, "input artifact can only be None"),
        (optional_output, "cannot be optional"),
        (wrong_default, "another type than its parameter"),
        (wrong_primitive, "another type than its parameter"),
        (returns_a_value, "returns nothing, or a dict"),
        (returns_an_artifact, "declared as a returned value"),
        (returns_an_output, "declared as a returned value"),
        (returns_an_object, "cannot return a value of this annotation"),
        (3, "decorates a function"),
    ],
)
def test_a_signature_is_refused(function, said):
    with pytest.raises(DeclarationError, match=said):
        component(function)


@pytest.mark.parametrize(
    "build",
    [
        lambda: InputArtifact[int],
        lambda: InputArtifact[Artifact],
        lambda: InputArtifact[list[int]],
        lambda: OutputArtifact[list[Model]],
        lambda: Parameter[object],
        lambda: Parameter[bytes],
        lambda: Parameter[list],
        lambda: BeamComponentParameter[int],
        lambda: InputArtifact(),
    ],
)
def test_an_annotation_of_something_else_is_refused(build):
    with pytest.raises(DeclarationError, match="cannot take"):
        build()


def test_a_component_that_uses_beam_takes_one_pipeline():
    def without(model: OutputArtifact[Model]):
        pass

    with pytest.raises(DeclarationError, match="takes one pipeline"):
        component(use_beam=True)(without)


def test_the_default_of_a_beam_pipeline_is_none():
    beam = pytest.importorskip("apache_beam")

    def wrong(pipeline: BeamComponentParameter[beam.Pipeline] = 3):
        pass

    with pytest.raises(DeclarationError, match="can only be None"):
        component(use_beam=True)(wrong)


def test_unknown_options_and_annotations_are_refused():
    with pytest.raises(DeclarationError, match="no option `use_bean`"):
        component(use_bean=True)
    with pytest.raises(DeclarationError, match="system execution type"):
        component(component_annotation=Model)(lambda_like)


def lambda_like(a: Parameter[int]):
    pass


def every_form(
    one: InputArtifact[Examples],
    several: InputArtifact[list[Examples]],
    optional: InputArtifact[Model],
    model: OutputArtifact[Model],
    number: int,
    text: str | None,
    table: dict[str, list[float]],
    epochs: Parameter[int] = 1,
    layers: Parameter[list[int]] = None,
    words: Parameter[dict[str, str]] = None,
) -> Loss:
    return {"loss": 0.0}


def test_every_form_that_tfx_takes_is_taken():
    declared = component(every_form).declaration
    assert list(declared.outputs) == ["model", "loss"]
    assert declared.defaults == {"epochs": 1, "layers": None, "words": None}
    assert declared.arguments["several"] == list[Examples]


class Nameless(Artifact):
    pass


class WrongProperties(Artifact):
    TYPE_NAME = "Wrong"
    PROPERTIES = {"span": int}  # noqa: RUF012


class WrongAnnotation(Artifact):
    TYPE_NAME = "Wrong"
    TYPE_ANNOTATION = int


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Nameless, "no TYPE_NAME"),
        (WrongProperties, "not a dict of names and properties"),
        (WrongAnnotation, "no system artifact type"),
    ],
)
def test_an_artifact_class_says_what_it_has_to(kind, said):
    with pytest.raises(DeclarationError, match=said):
        kind()
