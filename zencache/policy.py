"""What a cache key is made of, who decides whether the cache is used, and the reasons a decision can have."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zencache.exceptions import ConfigurationError, nearest
from zencache.quantity import duration_of

ENVIRONMENT_VARIABLE = "ZENCACHE_ENABLE_CACHE"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, kw_only=True)
class CachePolicy:
    """What makes a step's cache key, beside what always does, and how long an entry holds.

    Given to a step, or to a pipeline as the default of its steps.

    Args:
        ignored_inputs: names of inputs or parameters that do not count. They are recorded all the same.
        file_dependencies: paths, globs and fsspec URLs whose content counts.
        source_dependencies: functions, classes and modules whose code counts, though nothing refers to them.
        package_dependencies: names of distributions whose installed version counts.
        expires_in: age from which on an entry is not used: a timedelta, or a text such as ``"7d"``,
            ``"12h"``, ``"30m"``.
        cache_func: called without arguments before each look-up; what it returns counts.
        include_code: whether the step's code counts.
        include_parameters: whether its parameters count.
        verify: share of hits, from 0.0 to 1.0, that are executed again and compared.

    Raises:
        ConfigurationError: there is no such option, or its value makes no sense.

    >>> CachePolicy(expires_in="12h").expires_in
    datetime.timedelta(seconds=43200)
    """

    ignored_inputs: tuple[str, ...] = ()
    file_dependencies: tuple[str, ...] = ()
    source_dependencies: tuple[Any, ...] = ()
    package_dependencies: tuple[str, ...] = ()
    expires_in: timedelta | str | None = None
    cache_func: Callable[[], Any] | None = None
    include_code: bool = True
    include_parameters: bool = True
    verify: float = 0.0

    if TYPE_CHECKING:  # what may be given, which is more than what is kept

        def __init__(
            self,
            *,
            ignored_inputs: str | Collection[str] = (),
            file_dependencies: str | os.PathLike[str] | Collection[str | os.PathLike[str]] = (),
            source_dependencies: Any = (),
            package_dependencies: str | Collection[str] = (),
            expires_in: timedelta | str | None = None,
            cache_func: Callable[[], Any] | None = None,
            include_code: bool = True,
            include_parameters: bool = True,
            verify: float = 0.0,
        ) -> None: ...

    def __new__(cls, *args: Any, **options: Any) -> CachePolicy:
        """Refuse an unknown option by its nearest name; ``__init__`` would only say that it is unexpected."""
        known = [field.name for field in dataclasses.fields(cls)]
        if args:
            raise ConfigurationError(
                "CachePolicy takes its options by name.",
                facts={"found": ", ".join(map(repr, args))},
                hint='For example `CachePolicy(expires_in="7d")`.',
            )
        for name in options:
            if name not in known:
                raise ConfigurationError(f"CachePolicy has no option `{name}`.", hint=nearest(name, known))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name in ("ignored_inputs", "file_dependencies", "source_dependencies", "package_dependencies"):
            object.__setattr__(self, name, _several(name, getattr(self, name)))
        object.__setattr__(self, "expires_in", _duration(self.expires_in))
        if self.cache_func is not None and not callable(self.cache_func):
            raise _senseless("cache_func", self.cache_func, "a function without arguments")
        for name in ("include_code", "include_parameters"):
            if not isinstance(getattr(self, name), bool):
                raise _senseless(name, getattr(self, name), "True or False")
        if (
            isinstance(self.verify, bool)
            or not isinstance(self.verify, int | float)
            or not 0 <= self.verify <= 1
        ):
            raise _senseless("verify", self.verify, "a share from 0.0 to 1.0")


def _several(name: str, value: Any) -> tuple[Any, ...]:
    """One, or several, as a tuple; all but source dependencies are texts or paths."""
    if name == "source_dependencies":
        sources = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
        if not all(isinstance(source, ModuleType) or callable(source) for source in sources):
            raise _senseless(name, value, "a function, a class or a module, or several")
        return tuple(sorted(sources, key=_source_name))
    items = (value,) if isinstance(value, str | os.PathLike) else value
    if not isinstance(items, list | tuple | set | frozenset):
        raise _senseless(name, value, "a text or several")
    texts = tuple(os.fspath(item) if isinstance(item, os.PathLike) else item for item in items)
    if not all(isinstance(text, str) and text for text in texts):
        raise _senseless(name, value, "a text or several")
    if name == "package_dependencies":  # as PEP 503 compares them
        texts = tuple(re.sub(r"[-_.]+", "-", text).lower() for text in texts)
    return tuple(sorted(set(texts)))


def _source_name(source: Any) -> tuple[str, str]:
    name = getattr(source, "__qualname__", None) or getattr(source, "__name__", "")
    return str(getattr(source, "__module__", None) or ""), str(name)


def _duration(value: Any) -> timedelta | None:
    if isinstance(value, str):
        try:
            found = duration_of(value)
        except OverflowError:
            raise _senseless("expires_in", value, "a time that a calendar can hold") from None
        if found is None:
            raise _senseless("expires_in", value, 'a timedelta, or a text such as "7d", "12h" or "30m"')
        value = found
    if value is None:
        return None
    if not isinstance(value, timedelta) or value <= timedelta(0):
        raise _senseless("expires_in", value, "a time longer than none")
    return value


def _senseless(name: str, value: Any, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"`CachePolicy({name}=...)` makes no sense so.", facts={"found": repr(value), "expected": expected}
    )


class Level(str, Enum):
    """The level that switched the cache on or off."""

    RUN = "run"
    PIPELINE = "pipeline"
    STEP = "step"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


class Reason(str, Enum):
    """Why a step's result was taken from the cache, or was not."""

    SAME_KEY = "same key"
    NO_ENTRY = "no entry has this key"
    EXPIRED = "the entry has expired"
    REFRESH = "a refresh was asked for"
    CACHE_OFF = "caching is off"
    NO_OUTPUT = "a step without outputs runs for its effect"
    ARTIFACT_MISSING = "an artifact is missing"
    ARTIFACT_DAMAGED = "an artifact is damaged"
    ARTIFACT_REMOVED = "an artifact was removed"
    CANNOT_LOAD = "an artifact cannot be loaded"
    QUARANTINED = "an artifact is quarantined"
    NOT_SIGNED = "the entry has no accepted signature"


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether look-ups are made for a step, the level that said so, and why not."""

    enabled: bool
    level: Level
    reason: Reason = Reason.CACHE_OFF


def cache_switch(*, run: bool | None, pipeline: bool | None, step: bool | None, has_outputs: bool) -> Switch:
    """The precedence table of cache control, from the strongest level to the weakest.

    A step that declares no output exists for its effect: only its own ``enable_cache=True`` turns its
    cache on, and then the run or the pipeline can still turn it off.

    >>> cache_switch(run=None, pipeline=False, step=True, has_outputs=True).level
    <Level.PIPELINE: 'pipeline'>
    """
    if not has_outputs and step is None:
        return Switch(False, Level.DEFAULT, Reason.NO_OUTPUT)
    if not has_outputs and step is False:
        return Switch(False, Level.STEP)
    if run is not None:
        return Switch(run, Level.RUN)
    if pipeline is False:
        return Switch(False, Level.PIPELINE)
    if step is not None:
        return Switch(step, Level.STEP)
    if pipeline is not None:
        return Switch(pipeline, Level.PIPELINE)
    environment = _environment_switch()
    if environment is not None:
        return Switch(environment, Level.ENVIRONMENT)
    return Switch(True, Level.DEFAULT)


def check_environment() -> None:
    """Raise ConfigurationError if the environment says something that is neither on nor off."""
    _environment_switch()


def _environment_switch() -> bool | None:
    raw = os.environ.get(ENVIRONMENT_VARIABLE, "").strip().lower()
    if not raw:
        return None
    if raw in _TRUE or raw in _FALSE:
        return raw in _TRUE
    raise ConfigurationError(
        f"{ENVIRONMENT_VARIABLE} is neither on nor off.",
        facts={"found": raw, "expected": "1, true, yes, on, 0, false, no or off"},
        hint=f"Set {ENVIRONMENT_VARIABLE}=0 to switch caching off, or unset it.",
    )
