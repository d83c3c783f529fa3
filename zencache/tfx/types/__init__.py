"""Artifact types."""

from zencache.reference import Artifact, Property, PropertyType, ValueArtifact
from zencache.tfx.channel import Channel as BaseChannel
from zencache.tfx.node import Node as BaseNode
from zencache.tfx.types import experimental, standard_artifacts

__all__ = [
    "Artifact",
    "BaseChannel",
    "BaseNode",
    "Property",
    "PropertyType",
    "ValueArtifact",
    "experimental",
    "standard_artifacts",
]
