"""The names that a TFX pipeline of custom components uses, so that it ports by its import line."""

from typing import Any

from zencache.tfx import dsl, orchestration, types
from zencache.tfx.missing import refuser

__all__ = ["dsl", "orchestration", "types"]

_refuse = refuser(
    "tfx",
    {
        "components": "Write what it does as a component of your own: see the taxi example, "
        "`zencache example pull taxi`.",
        "extensions": "Run Beam components on Dataflow by `beam_pipeline_args`, and call other services in a "
        "component.",
        "proto": "Give a component what it needs as parameters: int, float, str, bool, lists and dicts.",
        "utils": "Use a function of your own.",
    },
)


def __getattr__(name: str) -> Any:
    if name == "__version__":  # tutorials print it
        from importlib.metadata import version

        return version("zencache")
    return _refuse(name)
