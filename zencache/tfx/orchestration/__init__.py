"""Runners, and where metadata lies."""

from zencache.tfx.orchestration import experimental, metadata
from zencache.tfx.runner import LocalDagRunner

__all__ = ["LocalDagRunner", "experimental", "metadata"]
