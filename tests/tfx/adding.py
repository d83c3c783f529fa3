"""A pipeline in the TFX style that the tests of components share."""

from pathlib import Path

from zencache import tfx
from zencache.tfx.dsl.components import (
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
    component,
)
from zencache.tfx.types import Artifact, Property, PropertyType


class Numbers(Artifact):
    TYPE_NAME = "Numbers"
    TYPE_ANNOTATION = tfx.dsl.standard_annotations.Dataset
    PROPERTIES = {  # noqa: RUF012 - as TFX users write it
        "span": Property(type=PropertyType.INT),
        "share": Property(type=PropertyType.FLOAT),
        "about": Property(type=PropertyType.JSON_VALUE),
        "colour": Property(type=PropertyType.STRING),
    }


class Total(Artifact):
    TYPE_NAME = "Total"


@component
def MakeNumbers(numbers: OutputArtifact[Numbers], count: Parameter[int] = 3, span: Parameter[int] = 7):
    for number in range(count):
        (Path(numbers.uri) / f"{number}.txt").write_text(str(number))
    numbers.span = span
    numbers.share = 0.1234567890123
    numbers.about = {"by": ["me"]}
    numbers.set_string_custom_property("owner", "ann")


@component(component_annotation=tfx.dsl.standard_annotations.Transform)
def AddUp(
    numbers: InputArtifact[Numbers],
    total: OutputArtifact[Total],
    scale: Parameter[float] = 1.0,
) -> OutputDict(count=int, mean=float, names=list[str]):
    found = [int(file.read_text()) for file in Path(numbers.uri).iterdir()]
    (Path(total.uri) / "total.txt").write_text(str(sum(found) * scale))
    return {"count": len(found), "mean": sum(found) / len(found), "names": [numbers.colour, "n"]}


@component
def Report(
    total: InputArtifact[Total],
    count: int,
    mean: float,
    names: list[str],
    text: OutputArtifact[tfx.types.standard_artifacts.String],
):
    text.value = f"{(Path(total.uri) / 'total.txt').read_text()} of {count}, {mean} on average {names}"


def adding(folder: Path, *, count: int = 3, span: int = 7, scale: float = 1.0, **options):
    made = MakeNumbers(count=count, span=span)
    added = AddUp(numbers=made.outputs["numbers"], scale=scale)
    report = Report(
        total=added.outputs["total"],
        count=added.outputs["count"],
        mean=added.outputs["mean"],
        names=added.outputs["names"],
    )
    return tfx.dsl.Pipeline(
        pipeline_name="adding",
        pipeline_root=str(folder / "root"),
        components=[report, made, added],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.db")
        ),
        **options,
    )
