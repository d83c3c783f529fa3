"""zencache: step caching for TFX-style Python pipelines, with ML Metadata as its memory.

Names are resolved when they are first used, so that ``import zencache`` is quick and loads neither
TensorFlow nor any other package that a pipeline may not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zencache.declaration import BaseStepConfig, Output
    from zencache.exceptions import (
        ArtifactDamaged,
        ArtifactMissing,
        ArtifactStoreError,
        ArtifactStoreUnreachable,
        ArtifactUnusable,
        ConfigurationError,
        DeclarationError,
        MaterializerError,
        MetadataStoreError,
        NotFoundError,
        OtherCode,
        OutputError,
        PropertyError,
        QuotaExceeded,
        ReadOnlyError,
        SignatureError,
        StepFailed,
        UnfingerprintableError,
        WorkerError,
        WorkerLost,
        ZencacheError,
    )
    from zencache.fingerprint import ExternalFile
    from zencache.materializer import ArtifactType, BaseMaterializer, PickleMaterializer
    from zencache.pipeline_function import Pipeline, pipeline
    from zencache.plan import Plan
    from zencache.policy import CachePolicy
    from zencache.repository import Repository
    from zencache.step_function import Step, step
    from zencache.training import TrainingPipeline
    from zencache.view import Run

__version__ = "0.1.0"

_HOMES = {
    "declaration": ("BaseStepConfig", "Output"),
    "exceptions": (
        "ArtifactDamaged",
        "ArtifactMissing",
        "ArtifactStoreError",
        "ArtifactStoreUnreachable",
        "ArtifactUnusable",
        "ConfigurationError",
        "DeclarationError",
        "MaterializerError",
        "MetadataStoreError",
        "NotFoundError",
        "OtherCode",
        "OutputError",
        "PropertyError",
        "QuotaExceeded",
        "ReadOnlyError",
        "SignatureError",
        "StepFailed",
        "UnfingerprintableError",
        "WorkerError",
        "WorkerLost",
        "ZencacheError",
    ),
    "fingerprint": ("ExternalFile",),
    "materializer": ("ArtifactType", "BaseMaterializer", "PickleMaterializer"),
    "pipeline_function": ("Pipeline", "pipeline"),
    "plan": ("Plan",),
    "policy": ("CachePolicy",),
    "repository": ("Repository",),
    "step_function": ("Step", "step"),
    "training": ("TrainingPipeline",),
    "view": ("Run",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of the modules
    "BaseStepConfig",
    "Output",
    "ArtifactDamaged",
    "ArtifactMissing",
    "ArtifactStoreError",
    "ArtifactStoreUnreachable",
    "ArtifactUnusable",
    "ConfigurationError",
    "DeclarationError",
    "MaterializerError",
    "MetadataStoreError",
    "NotFoundError",
    "OtherCode",
    "OutputError",
    "PropertyError",
    "QuotaExceeded",
    "ReadOnlyError",
    "SignatureError",
    "StepFailed",
    "UnfingerprintableError",
    "WorkerError",
    "WorkerLost",
    "ZencacheError",
    "ExternalFile",
    "ArtifactType",
    "BaseMaterializer",
    "PickleMaterializer",
    "Pipeline",
    "pipeline",
    "Plan",
    "CachePolicy",
    "Repository",
    "Step",
    "step",
    "TrainingPipeline",
    "Run",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'zencache' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"zencache.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
