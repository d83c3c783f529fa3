"""MLMD's system types of artifacts and executions, by which tools know what a type of one's own is for."""

from __future__ import annotations

from typing import ClassVar


class SystemArtifact:
    """Base of the system types that an artifact class may name as its ``TYPE_ANNOTATION``."""

    BASE_TYPE: ClassVar[str | None] = None


class Dataset(SystemArtifact):
    BASE_TYPE = "Dataset"


class Model(SystemArtifact):
    BASE_TYPE = "Model"


class Statistics(SystemArtifact):
    BASE_TYPE = "Statistics"


class Metrics(SystemArtifact):
    BASE_TYPE = "Metrics"


class SystemExecution:
    """Base of the system types that a component may name as its ``component_annotation``."""

    BASE_TYPE: ClassVar[str | None] = None


class Train(SystemExecution):
    BASE_TYPE = "Train"


class Transform(SystemExecution):
    BASE_TYPE = "Transform"


class Process(SystemExecution):
    BASE_TYPE = "Process"


class Evaluate(SystemExecution):
    BASE_TYPE = "Evaluate"


class Deploy(SystemExecution):
    BASE_TYPE = "Deploy"
