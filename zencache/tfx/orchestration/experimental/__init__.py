"""Runners that TFX calls experimental."""

from zencache.tfx.runner import LocalDagRunner

__all__ = ["LocalDagRunner"]
