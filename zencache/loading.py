"""Finding a pipeline in a Python file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zencache.exceptions import ConfigurationError, NotFoundError, nearest
from zencache.origin import import_file
from zencache.pipeline_function import Pipeline, PipelineFunction
from zencache.training import TrainingPipeline

Found = Pipeline | PipelineFunction | TrainingPipeline


def load_pipeline(target: str, arguments: Mapping[str, Any] | None = None) -> Pipeline | TrainingPipeline:
    """The pipeline that ``FILE[:PIPELINE]`` names.

    Args:
        target: a Python file, and the name of a bound pipeline or of a ``@pipeline`` function in it;
            the name may be left out if there is one pipeline only.
        arguments: what a ``@pipeline`` function is bound with, beside its defaults.

    Raises:
        NotFoundError: there is no such file or pipeline, or there are several.
        DeclarationError: the arguments do not fit.
    """
    path, separator, name = target.rpartition(":")
    if not separator:
        path, name = target, ""
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(
            "There is no such file.", facts={"file": file}, hint="Give FILE.py or FILE.py:PIPELINE."
        )
    found = _choose(_pipelines(import_file(file.resolve())), name, file)
    if isinstance(found, PipelineFunction):
        return found(**(arguments or {}))
    if arguments:
        raise ConfigurationError(
            "A bound pipeline takes no parameters.", facts={"pipeline": found.name, "file": file}
        )
    return found


def _pipelines(module: ModuleType) -> dict[str, Found]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Found)}


def _choose(pipelines: Mapping[str, Found], name: str, file: Path) -> Found:
    if name:
        if name in pipelines:
            return pipelines[name]
        raise NotFoundError(
            f"The file has no pipeline `{name}`.", facts={"file": file}, hint=nearest(name, pipelines)
        )
    if not pipelines:
        raise NotFoundError(
            "The file has no pipeline.", facts={"file": file}, hint="Decorate a function: @pipeline."
        )
    if len(pipelines) > 1:
        raise NotFoundError(
            "The file has several pipelines.",
            facts={"file": file, "pipelines": ", ".join(pipelines)},
            hint=f"Name one: {file}:{next(iter(pipelines))}.",
        )
    return next(iter(pipelines.values()))
