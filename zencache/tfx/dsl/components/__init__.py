"""The decorator of components, and the annotations of their parameters."""

from zencache.tfx.annotation import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
)
from zencache.tfx.component import component

__all__ = [
    "BeamComponentParameter",
    "InputArtifact",
    "OutputArtifact",
    "OutputDict",
    "Parameter",
    "component",
]
