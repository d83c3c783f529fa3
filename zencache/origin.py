"""Where a step's code lies, and how it is found again in another process."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakValueDictionary

from zencache.declaration import Declaration
from zencache.exceptions import (
    ConfigurationError,
    NotFoundError,
    ZencacheError,
    error_text,
    line_in,
    nearest,
)
from zencache.step_function import Step

_MISSING = object()
_importing: ContextVar[bool] = ContextVar("zencache_importing", default=False)
_aliases: dict[str, str] = {}  # name of a module here, because its own was taken -> its own
_LOCAL = "<locals>"  # in the name of what is made inside a function
# What was recorded of steps that no variable of a module holds -> the last such step that still exists.
_made_in_functions: WeakValueDictionary[tuple[str, str], Declaration] = WeakValueDictionary()
_cut: dict[str, int | None] = {}  # file -> the line at which its import ended, because it began to run


class _BeganToRun(BaseException):
    """A file that is only imported wants to run a pipeline: what stands above that line is enough."""


def stop_while_imported() -> None:
    """End the import that is going on, if one is: looking at a pipeline must not run one."""
    if _importing.get():
        raise _BeganToRun


def step_origin(step: Declaration) -> tuple[str, str]:
    """``module:name`` of the variable that holds a step, and the file of its module.

    As a rule the name is that of the function. A module that was run by ``python -m`` is named as it is
    imported.
    """
    module, name, file = _of_function(step.function)
    if not _holds(_walk(sys.modules.get(module), name), step):
        held = vars(sys.modules[module]) if module in sys.modules else {}
        name = next((variable for variable, value in list(held.items()) if _holds(value, step)), name)
    source = f"{_imported_name(module)}:{name}"
    if _LOCAL in name:
        _made_in_functions[source, file] = step
    return source, file


def origin(thing: Any) -> tuple[str, str] | None:
    """``module:qualname`` and file of a function or class; None if nothing is found under that name."""
    module, name, file = _of_function(thing)
    return (
        (f"{_imported_name(module)}:{name}", file) if _walk(sys.modules.get(module), name) is thing else None
    )


def find(source: str, file: str) -> Any:
    """What lies under a recorded origin, as its code is now.

    Raises:
        NotFoundError: its module or its name is gone.
        ConfigurationError: its module cannot be imported.
    """
    module_name, _, name = source.partition(":")
    module = find_module(module_name, file)
    found = _walk(module, name)
    if found is _MISSING:
        raise NotFoundError(f"`{name}` is not found any more.", facts={"because": _absence(module, name)})
    return found


def load_step(row: Mapping[str, Any]) -> Step:
    """The step of one row of a recorded pipeline, as its code is now, and without configuration.

    Args:
        row: with ``source``, its ``module:name``, and ``file``, where it was when it was recorded.

    Raises:
        NotFoundError: its module or its name is gone.
        ConfigurationError: its module cannot be imported.
    """
    source, file = row["source"], row.get("file") or ""
    facts = {"source": source, "file": file}
    try:
        found = find(source, file)
    except NotFoundError as error:
        made = _made_in_functions.get((source, file))
        if made is not None:
            return Step(made)
        raise NotFoundError(
            f"The code of step `{row['step']}` is not found any more.",
            facts={**facts, **error.facts},
            hint=error.hint or "Put it back under its old name and place.",
        ) from error
    if not isinstance(found, Step):
        raise NotFoundError(
            f"The code of step `{row['step']}` is not found any more.",
            facts={**facts, "because": f"it is no step now, but {type(found).__name__} {found!r:.80}"},
            hint="Decorate it with @step again.",
        )
    return Step(found.declaration)


def cut_at(file: str) -> int | None:
    """The line at which the import of a file ended because it began to run; None if it was imported whole."""
    return _cut.get(os.path.realpath(file)) if file else None


def find_module(name: str, file: str) -> ModuleType:
    """The module that was recorded by its name and file: the live one, else it is imported.

    Raises:
        NotFoundError: it is gone.
        ConfigurationError: it cannot be imported.
    """
    path = Path(file)
    is_file = bool(file) and path.is_file()
    live = _live_module(name, file, is_file=is_file)
    if live is not None:
        return live
    if is_file:
        return _import_from(name, path)
    if name == "__main__" and _is_typed(file):
        raise NotFoundError(
            "The module is not found any more.",
            facts={"because": "it was typed in a notebook or at a prompt, in a session that is gone"},
            hint="Define it in this session again, or put it into a module.",
        )
    importable = path.stem if name == "__main__" else name
    try:
        return _import(importable)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{importable}.".startswith(f"{error.name}."):
            raise _broken(error, file) from error
        raise NotFoundError(
            "The module is not found any more.",
            facts={"because": f"the file is gone, and there is no module `{importable}` to import"},
            hint="Put the file back, or its new folder on PYTHONPATH.",
        ) from error


def import_file(file: Path) -> ModuleType:
    """Import a file as a module, as Python does for a script: its folder comes first on the path.

    The import ends where the file begins to run a pipeline, or exits; what stands above is defined.

    Raises:
        NotFoundError: it is no Python file.
        ConfigurationError: it cannot be imported.
    """
    name = file.stem
    _cut.pop(os.path.realpath(file), None)
    if name in sys.modules and not _is_from(sys.modules[name], str(file)):  # somebody else's, which stays
        name = f"{name}__{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}"
        _aliases[name] = file.stem
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise NotFoundError("The file is not a Python module.", facts={"file": file})
    module = importlib.util.module_from_spec(spec)
    if str(file.parent) not in sys.path[:1]:
        sys.path.insert(0, str(file.parent))
    sys.modules[name] = module
    try:
        with _only_imported():
            spec.loader.exec_module(module)
    except (_BeganToRun, SystemExit) as end:
        _cut[os.path.realpath(file)] = _last_line(end, file)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, ZencacheError) or not isinstance(error, Exception):
            raise
        raise _broken(error, str(file)) from error
    return module


def _live_module(name: str, file: str, *, is_file: bool) -> ModuleType | None:
    """The module, if this process has it already, perhaps under another name."""
    main = sys.modules.get("__main__")
    named = sys.modules.get(name) if name != "__main__" else None
    if is_file:
        for module in (named, main, *list(sys.modules.values())):
            if module is not None and _is_from(module, file):
                return module
        return None
    if name != "__main__" or main is None:
        return named
    is_same = (
        not _has_file(main) if _is_typed(file) else os.path.basename(_file_of(main)) == os.path.basename(file)
    )
    return main if is_same else None


def _import_from(name: str, file: Path) -> ModuleType:
    """Import the module of a file that exists, under the name it had if that leads to the file."""
    parts = name.split(".")
    tail = (*parts[:-1], f"{parts[-1]}.py")
    is_package = file.name == "__init__.py"
    if is_package:
        tail = (*parts, file.name)
    if name == "__main__" or file.parts[-len(tail) :] != tail or (len(parts) == 1 and not is_package):
        return import_file(file)
    root = str(file.parents[len(tail) - 1])
    top = sys.modules.get(parts[0])
    if top is not None and not any(Path(root) in Path(place).parents for place in _places(top)):
        raise NotFoundError(
            "The module is not found any more.",
            facts={"because": f"another package `{parts[0]}` is imported, from {', '.join(_places(top))}"},
            hint="Import one of the two in a process of its own.",
        )
    if root not in sys.path:
        sys.path.insert(0, root)
    return _import(name)


def _import(name: str) -> ModuleType:
    try:
        with _only_imported():
            return importlib.import_module(name)
    except (_BeganToRun, SystemExit) as end:
        raise ConfigurationError(
            f"The module `{name}` runs a pipeline, or exits, when it is imported.",
            facts={"line": _last_place(end)},
            hint='Put that below `if __name__ == "__main__":`.',
        ) from None
    except (ModuleNotFoundError, ZencacheError):
        raise
    except Exception as error:
        found = importlib.util.find_spec(name) if "." not in name else None
        raise _broken(error, found.origin or name if found else name) from error


@contextmanager
def _only_imported() -> Iterator[None]:
    token = _importing.set(True)
    try:
        yield
    finally:
        _importing.reset(token)


def _broken(error: Exception, file: str) -> ConfigurationError:
    return ConfigurationError(
        f"The file cannot be imported: {error_text(error)}.",
        facts={"file": file, "line": _last_line(error, Path(file))},
        hint="Correct it, or install what it needs. `zencache --debug` shows the traceback.",
    )


def _last_line(error: BaseException, file: Path) -> int | None:
    """The last line of the file itself on the way to an error."""
    return line_in(str(file), error) or getattr(error, "lineno", None)


def _last_place(error: BaseException) -> str | None:
    """The last line of the user's on the way to an error."""
    here = os.path.dirname(__file__)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((here, "<"))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _absence(module: ModuleType, name: str) -> str:
    """Why a module that is there has nothing of a name."""
    if "<" in name:
        return "it is made inside a function, and no variable of its module holds it"
    line = cut_at(_file_of(module))
    if line is not None:
        return f"it is not defined above line {line}, where its file runs a pipeline or exits"
    hint = nearest(name, [variable for variable, value in vars(module).items() if isinstance(value, Step)])
    return f"the module has nothing of this name. {hint}" if hint else "the module has nothing of this name"


def _of_function(function: Any) -> tuple[str, str, str]:
    """Module, qualified name and file of a function or class."""
    inner = inspect.unwrap(function) if callable(function) else function
    module = str(getattr(function, "__module__", None) or "")
    file = getattr(inner, "__globals__", {}).get("__file__") or _file_of(sys.modules.get(module))
    if not file:
        file = getattr(getattr(inner, "__code__", None), "co_filename", "")
    return module, str(getattr(function, "__qualname__", "")), str(file)


def _imported_name(module: str) -> str:
    """The name of a module; of one that ``python -m`` runs, that by which it can be imported."""
    spec = getattr(sys.modules.get(module), "__spec__", None) if module == "__main__" else None
    return spec.name if spec is not None else _aliases.get(module, module)


def _walk(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, _MISSING)
    return found


def _holds(value: Any, step: Declaration) -> bool:
    return isinstance(value, Step) and value.declaration is step


def _is_typed(file: str) -> bool:
    """Whether code has no file that could be imported: a prompt, a notebook, ``python -c``."""
    return not file or file.startswith("<") or "ipykernel_" in file


def _is_from(module: Any, file: str) -> bool:
    own = _file_of(module)
    return (
        bool(own)
        and os.path.basename(own) == os.path.basename(file)
        and (own == file or os.path.realpath(own) == os.path.realpath(file))
    )


def _has_file(module: Any) -> bool:
    return bool(_file_of(module))


def _file_of(module: Any) -> str:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else ""


def _places(package: ModuleType) -> list[str]:
    return [str(place) for place in getattr(package, "__path__", None) or [_file_of(package)]]
