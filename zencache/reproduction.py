"""Executing a step again beside its recorded result: does it give the same?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

from zencache import artifact_value
from zencache.artifact_store import open_artifact_store
from zencache.declaration import Declaration
from zencache.entity import Artifact
from zencache.exceptions import error_text
from zencache.materializer import require_value
from zencache.output import split_outputs


def reproduce(
    step: Declaration, node: str, arguments: Mapping[str, Any], recorded: Mapping[str, Artifact]
) -> tuple[str, ...]:
    """Call a step's function again and compare the digests of what it returns; nothing is recorded.

    Args:
        step: the step.
        node: its name in the run.
        arguments: what its function is called with.
        recorded: output name -> artifact of the earlier execution.

    Returns:
        What differs, in words; empty if every output is the same.
    """
    with tempfile.TemporaryDirectory(prefix="zencache-") as folder:
        scratch = open_artifact_store(folder)
        try:
            returned = split_outputs(step, node, step.function(**arguments))
            found = {
                output: artifact_value.save(
                    scratch,
                    value,
                    step.materializers.get(output) or require_value(value, step=node, output=output)(),
                )[0]
                for output, value in returned.items()
            }
        except Exception as error:
            return (f"it raised {error_text(error)}",)
    return tuple(
        f"output `{output}` has digest {artifact.digest[:19]}…, recorded was {recorded[output].digest[:19]}…"
        for output, artifact in found.items()
        if output in recorded and artifact.digest != recorded[output].digest
    )
