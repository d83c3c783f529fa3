"""Runners that TFX calls experimental."""

from zencache.tfx.missing import refuser
from zencache.tfx.runner import LocalDagRunner

__all__ = ["LocalDagRunner"]

_LOCAL = "Use `tfx.orchestration.LocalDagRunner()`: it needs no server."
__getattr__ = refuser(
    "tfx.orchestration.experimental",
    {
        "KubeflowDagRunner": _LOCAL,
        "KubeflowDagRunnerConfig": _LOCAL,
        "KubeflowV2DagRunner": _LOCAL,
        "KubeflowV2DagRunnerConfig": _LOCAL,
        "InteractiveContext": "Run the pipeline in the notebook: what has not changed is cached.",
    },
)
