"""What a step returned, held against what it declares."""

from __future__ import annotations

from typing import Any

from zencache.binding import fits, type_text
from zencache.declaration import Declaration
from zencache.exceptions import OutputError
from zencache.materializer import find


def execution_base(step: Declaration) -> str:
    """The MLMD system type of a step: one that returns a model trains, any other one processes."""
    for output, annotation in step.outputs.items():
        materializer = step.materializers.get(output) or find(annotation)
        if materializer is None or not isinstance(annotation, type):
            continue
        if materializer.artifact_type_for(annotation).base == "Model":
            return "Train"
    return "Process"


def split_outputs(step: Declaration, node: str, returned: Any) -> dict[str, Any]:
    """Output name -> value of what a step returned.

    Raises:
        OutputError: their number or a type is not what the step declares.
    """
    names = list(step.outputs)
    if not names:
        if returned is not None:
            raise OutputError(
                "The step returned a value but declares no output.",
                facts={"step": node, "found": type(returned).__name__},
                hint="Annotate what it returns, for example `-> float`.",
            )
        return {}
    if not step.several or (len(names) == 1 and not _is_tuple_of_one(returned)):
        values = [returned]
    elif isinstance(returned, tuple | list) and len(returned) == len(names):
        values = list(returned)
    else:
        found = (
            f"{len(returned)} values"
            if isinstance(returned, tuple | list)
            else f"one {type(returned).__name__}"
        )
        raise OutputError(
            "The step returned the wrong number of values.",
            facts={"step": node, "expected": f"{len(names)}: {', '.join(names)}", "found": found},
            hint="Return them as a tuple, in the order in which they are declared.",
        )
    for name, value in zip(names, values, strict=True):
        if not fits(value, step.outputs[name]):
            raise OutputError(
                "The step returned a value of the wrong type.",
                facts={
                    "step": node,
                    "output": name,
                    "expected": type_text(step.outputs[name]),
                    "found": f"{type_text(type(value))} {value!r:.80}",
                },
                hint="Correct the annotation or the value.",
            )
    return dict(zip(names, values, strict=True))


def _is_tuple_of_one(returned: Any) -> bool:
    return isinstance(returned, tuple) and len(returned) == 1
