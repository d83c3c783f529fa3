"""Artifact types that TFX calls experimental."""

from zencache.tfx.types.experimental import simple_artifacts

__all__ = ["simple_artifacts"]
