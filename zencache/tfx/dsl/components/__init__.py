"""The decorator of components, and the annotations of their parameters."""

from typing import TYPE_CHECKING, Annotated, TypeVar

from zencache.tfx.annotation import OutputDict
from zencache.tfx.component import component

if TYPE_CHECKING:  # in the body of a component a parameter is what stands between the brackets
    _T = TypeVar("_T")
    BeamComponentParameter = Annotated[_T, "provided by the run"]
    InputArtifact = Annotated[_T, "read"]
    OutputArtifact = Annotated[_T, "written"]
    Parameter = Annotated[_T, "known when the pipeline is built"]
else:
    from zencache.tfx.annotation import (
        BeamComponentParameter,
        InputArtifact,
        OutputArtifact,
        Parameter,
    )

__all__ = [
    "BeamComponentParameter",
    "InputArtifact",
    "OutputArtifact",
    "OutputDict",
    "Parameter",
    "component",
]
