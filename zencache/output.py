"""What a step returned, held against what it declares."""

from __future__ import annotations

from typing import Any

from zencache.binding import fits, type_text
from zencache.class_annotation import is_class
from zencache.declaration import DERIVED, Declaration
from zencache.exceptions import OutputError
from zencache.materializer import find


def execution_base(step: Declaration) -> str | None:
    """The MLMD system type of a step: what it says; else one that returns a model trains."""
    if step.base != DERIVED:
        return step.base
    for output, annotation in step.outputs.items():
        materializer = step.materializers.get(output) or find(annotation)
        if materializer is None or not is_class(annotation):
            continue
        if materializer.artifact_type_for(annotation).base == "Model":
            return "Train"
    return "Process"


def split_outputs(step: Declaration, node: str, returned: Any) -> dict[str, Any]:
    """Output name -> value of what a step returned.

    Raises:
        OutputError: their number or a type is not what the step declares.
    """
    if step.by_name:
        return _by_name(step, node, returned)
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
        if not fits(value, step.outputs[name]) and not is_beam(value):
            raise _wrong_type(node, name, step.outputs[name], value)
    return dict(zip(names, values, strict=True))


def is_beam(value: Any) -> bool:
    """Whether a value is a Beam collection, or a dict of them by split."""
    values = list(value.values()) if isinstance(value, dict) else [value]
    kinds = {(type(one).__module__, type(one).__name__) for one in values}
    return kinds == {("apache_beam.pvalue", "PCollection")}


def _by_name(step: Declaration, node: str, returned: Any) -> dict[str, Any]:
    """What a component returned in a dict. An output by reference may be left out, or be None."""
    names = [name for name in step.outputs if name not in step.references]
    values = returned if returned is not None else {}
    if not isinstance(values, dict) or set(values) - set(names) or set(step.values) - set(values):
        found = ", ".join(map(str, values)) if isinstance(values, dict) else type(values).__name__
        raise OutputError(
            "The component returned something other than a dict of the outputs that it declares.",
            facts={"step": node, "expected": ", ".join(names) or "nothing", "found": found or "nothing"},
            hint="Return a dict with exactly the names that its return annotation has.",
        )
    for name, annotation in step.values.items():
        if not fits(values[name], annotation):
            raise _wrong_type(node, name, annotation, values[name])
    return {name: values[name] for name in names if name in step.values or values.get(name) is not None}


def _wrong_type(node: str, output: str, annotation: Any, value: Any) -> OutputError:
    return OutputError(
        "The step returned a value of the wrong type.",
        facts={
            "step": node,
            "output": output,
            "expected": type_text(annotation),
            "found": f"{type_text(type(value))} {value!r:.80}",
        },
        hint="Correct the annotation or the value.",
    )


def _is_tuple_of_one(returned: Any) -> bool:
    return isinstance(returned, tuple) and len(returned) == 1
