"""Who decides whether the cache is used, and the reasons a decision can have."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum

from zencache.exceptions import ConfigurationError

ENVIRONMENT_VARIABLE = "ZENCACHE_ENABLE_CACHE"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


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
    CACHE_OFF = "caching is off"
    NO_OUTPUT = "a step without outputs runs for its effect"
    ARTIFACT_MISSING = "an artifact is missing"
    ARTIFACT_DAMAGED = "an artifact is damaged"
    CANNOT_LOAD = "an artifact cannot be loaded"


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether look-ups are made for a step, and the level that said so."""

    enabled: bool
    level: Level


def cache_switch(*, run: bool | None, pipeline: bool | None, step: bool | None, has_outputs: bool) -> Switch:
    """The precedence table of cache control, from the strongest level to the weakest.

    A step that declares no output exists for its effect: only its own ``enable_cache=True`` turns its
    cache on, and then the run or the pipeline can still turn it off.

    >>> cache_switch(run=None, pipeline=False, step=True, has_outputs=True)
    Switch(enabled=False, level=<Level.PIPELINE: 'pipeline'>)
    """
    if not has_outputs and not step:
        return Switch(False, Level.STEP if step is False else Level.DEFAULT)
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
