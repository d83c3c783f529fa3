"""Finding a pipeline in a Python file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from zencache.exceptions import (
    ConfigurationError,
    NotFoundError,
    ZencacheError,
    error_text,
    last_line,
    nearest,
)
from zencache.origin import import_file
from zencache.pipeline_function import Pipeline, PipelineFunction
from zencache.training import TrainingPipeline
from zencache.typed_argument import typed_arguments

Found = Pipeline | PipelineFunction | TrainingPipeline


def load_pipeline(target: str, arguments: Mapping[str, str] | None = None) -> Pipeline | TrainingPipeline:
    """The pipeline that ``FILE[:PIPELINE]`` names.

    Args:
        target: a Python file, and the name of a bound pipeline or of a ``@pipeline`` function in it;
            the name may be left out if there is one pipeline only.
        arguments: what a ``@pipeline`` function is bound with, beside its defaults, as a person types it.

    Raises:
        NotFoundError: there is no such file or pipeline, or there are several.
        DeclarationError: the arguments do not fit.
        ConfigurationError: a text is no value of the type that its parameter is annotated with.
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
        given = typed_arguments(found.entrypoint, arguments or {})
        try:
            return found(**given)
        except ZencacheError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"The body of the pipeline raised {error_text(error)}.",
                facts={"pipeline": found.name, "line": last_line(error, found.entrypoint)},
                hint="It wires steps and runs none: outputs have no values there. "
                "`zencache --debug` shows the traceback.",
            ) from error
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
