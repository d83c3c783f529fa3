"""Executing a step again beside its recorded result: does it give the same?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zencache.artifact_store import open_artifact_store
from zencache.call import calling, publish
from zencache.declaration import Declaration
from zencache.entity import Artifact
from zencache.exceptions import error_text
from zencache.resource import Surroundings


def reproduce(
    step: Declaration,
    node: str,
    arguments: Mapping[str, Any],
    recorded: Mapping[str, Artifact],
    surroundings: Surroundings,
) -> tuple[str, ...]:
    """Call a step's function again and compare the digests of what it returns; nothing is recorded.

    Args:
        step: the step.
        node: its name in the run.
        arguments: what its function is called with.
        recorded: output name -> artifact of the earlier execution.
        surroundings: as in the run; its outputs go elsewhere, and are gone when they have been compared.

    Returns:
        What differs, in words; empty if every output is the same.
    """
    with tempfile.TemporaryDirectory(prefix="zencache-") as folder:
        scratch = replace(surroundings, artifacts=open_artifact_store(folder))
        try:
            with calling(step, node, dict(arguments), scratch) as made:
                found = {output: artifact for output, (artifact, _) in publish(made, scratch).items()}
        except Exception as error:
            return (f"it raised {error_text(error)}",)
    return tuple(
        f"output `{output}` has digest {artifact.digest[:19]}…, recorded was {recorded[output].digest[:19]}…"
        for output, artifact in found.items()
        if output in recorded and artifact.digest != recorded[output].digest
    )
