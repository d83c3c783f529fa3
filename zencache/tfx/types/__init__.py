"""Artifact types."""

from zencache.reference import Artifact, Property, PropertyType, ValueArtifact
from zencache.tfx.types import experimental, standard_artifacts

__all__ = ["Artifact", "Property", "PropertyType", "ValueArtifact", "experimental", "standard_artifacts"]
