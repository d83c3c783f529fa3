"""What pipelines and components are written with."""

from zencache.reference import Artifact
from zencache.tfx.channel import Channel
from zencache.tfx.conditional import Cond
from zencache.tfx.dsl import components, experimental, io, placeholders, standard_annotations
from zencache.tfx.importer import Importer
from zencache.tfx.missing import UNION, refuser
from zencache.tfx.pipeline import Pipeline
from zencache.tfx.resolver import Resolver

__all__ = [
    "Artifact",
    "Channel",
    "Cond",
    "Importer",
    "Pipeline",
    "Resolver",
    "components",
    "experimental",
    "io",
    "placeholders",
    "standard_annotations",
]

__getattr__ = refuser(
    "tfx.dsl",
    {
        "ExecutionMode": "A pipeline runs its components once, in the order of their data: leave it out.",
        "ForEach": "Loop in Python while the pipeline is built, or over the files inside of a component.",
        "RuntimeParameter": "Build the pipeline by a function that takes the value: what has not changed is "
        "taken from the cache.",
        "inputs": "Use a `tfx.dsl.Resolver` with a strategy.",
        "union": UNION,
    },
)
