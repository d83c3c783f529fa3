"""MLMD's system types, for ``TYPE_ANNOTATION`` of an artifact and ``component_annotation`` of a component."""

from zencache.reference.system import (
    Dataset,
    Deploy,
    Evaluate,
    Metrics,
    Model,
    Process,
    Statistics,
    Train,
    Transform,
)

__all__ = [
    "Dataset",
    "Deploy",
    "Evaluate",
    "Metrics",
    "Model",
    "Process",
    "Statistics",
    "Train",
    "Transform",
]
