"""Strategies of resolvers."""

from zencache.tfx.resolver import LatestArtifactStrategy, ResolverStrategy

__all__ = ["LatestArtifactStrategy", "ResolverStrategy"]
