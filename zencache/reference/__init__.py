"""Typed references to files: artifacts that a component reads and writes below their ``uri``."""

from zencache.reference.artifact import Artifact, is_reference
from zencache.reference.property import Property, PropertyType
from zencache.reference.value import ValueArtifact

__all__ = ["Artifact", "Property", "PropertyType", "ValueArtifact", "is_reference"]
