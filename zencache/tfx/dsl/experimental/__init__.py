"""Strategies of resolvers, and where TFX has ``Cond``."""

from zencache.tfx.dsl.experimental import conditionals
from zencache.tfx.missing import UNION, refuser
from zencache.tfx.resolver import LatestArtifactStrategy, LatestBlessedModelStrategy, ResolverStrategy

__all__ = ["LatestArtifactStrategy", "LatestBlessedModelStrategy", "ResolverStrategy", "conditionals"]

__getattr__ = refuser(
    "tfx.dsl.experimental",
    {
        "RuntimeParameter": "Build the pipeline by a function that takes the value: what has not changed is "
        "taken from the cache.",
        "SpanRangeStrategy": "Derive from `ResolverStrategy`, and choose by `artifact.span`.",
        "artifact_query": "Use a `tfx.dsl.Resolver` with a strategy.",
        "create_container_component": "Start the container in a component: "
        '`subprocess.run(["docker", "run", ...], check=True)`.',
        "external_pipeline_artifact_query": "Take it by its address: `tfx.dsl.Importer(source_uri=...)`.",
        "union": UNION,
    },
)
