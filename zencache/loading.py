"""Finding a pipeline in a Python file."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zencache.exceptions import ConfigurationError, NotFoundError, ZencacheError, error_text, nearest
from zencache.pipeline_function import Pipeline, PipelineFunction
from zencache.step_function import Step


def load_pipeline(target: str, arguments: Mapping[str, Any] | None = None) -> Pipeline:
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
    found = _choose(_pipelines(_load(file.resolve())), name, file)
    if isinstance(found, PipelineFunction):
        return found(**(arguments or {}))
    if arguments:
        raise ConfigurationError(
            "A bound pipeline takes no parameters.", facts={"pipeline": found.name, "file": file}
        )
    return found


def load_step(row: Mapping[str, Any]) -> Step:
    """The step of one row of a recorded pipeline, as its code is now.

    Args:
        row: with ``source``, its ``module:qualname``, and ``file``, where it was when it was recorded.

    Raises:
        NotFoundError: its module or its name is gone.
        ConfigurationError: its module cannot be imported.
    """
    module_name, _, qualname = row["source"].partition(":")
    file = Path(row.get("file") or "")
    module = sys.modules.get(module_name) if module_name != "__main__" else None
    if module is None and file.is_file():
        module = _load(file)
    found = getattr(module, qualname, None) if module is not None else None
    if not isinstance(found, Step):
        raise NotFoundError(
            f"The code of step `{row['step']}` is not found any more.",
            facts={"source": row["source"], "file": file, "run in": Path.cwd()},
            hint="It was renamed, moved or removed, or is made inside a function.",
        )
    return found


def _load(file: Path) -> ModuleType:
    """Import a file as a module, as Python does for a script: its folder comes first on the path."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise NotFoundError("The file is not a Python module.", facts={"file": file})
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except ZencacheError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The file cannot be imported: {error_text(error)}.",
            facts={"file": file, "line": _last_line(error, file)},
            hint="Correct it, or install what it needs. `zencache --debug` shows the traceback.",
        ) from error
    return module


def _last_line(error: Exception, file: Path) -> int | None:
    """The last line of the file itself on the way to an error."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return lines[-1] if lines else getattr(error, "lineno", None)


def _pipelines(module: ModuleType) -> dict[str, Pipeline | PipelineFunction]:
    return {
        name: value for name, value in vars(module).items() if isinstance(value, Pipeline | PipelineFunction)
    }


def _choose(
    pipelines: Mapping[str, Pipeline | PipelineFunction], name: str, file: Path
) -> Pipeline | PipelineFunction:
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
