"""What pipelines and components are written with."""

from zencache.reference import Artifact
from zencache.tfx.channel import Channel
from zencache.tfx.dsl import components, experimental, standard_annotations
from zencache.tfx.importer import Importer
from zencache.tfx.pipeline import Pipeline
from zencache.tfx.resolver import Resolver

__all__ = [
    "Artifact",
    "Channel",
    "Importer",
    "Pipeline",
    "Resolver",
    "components",
    "experimental",
    "standard_annotations",
]
