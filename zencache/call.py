"""Calling a step's function with what it was given and what its run provides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zencache import artifact_value, intake
from zencache.class_annotation import is_class
from zencache.declaration import IMPLIED, Declaration
from zencache.entity import Artifact
from zencache.exceptions import OutputError
from zencache.lease import executing
from zencache.materializer import (
    ArtifactType,
    BaseMaterializer,
    artifact_type_of,
    require_type,
    require_value,
)
from zencache.output import is_beam, split_outputs
from zencache.reference import Artifact as Reference
from zencache.reference import ValueArtifact
from zencache.resource import Surroundings, merged


@dataclass(frozen=True, slots=True)
class Made:
    """One output of a call, before it is published.

    Args:
        value: the value, or the artifact by reference; ``None`` where only its files say what it is.
        materializer: what saves it, and loads it later.
        python_type: what it is loaded as.
        directory: the staging folder in which its files lie already, if they do.
    """

    value: Any
    materializer: BaseMaterializer
    python_type: type
    directory: Path | None = None

    def staged(
        self, surroundings: Surroundings, opened: ExitStack
    ) -> artifact_value.Staged | tuple[Artifact, ArtifactType]:
        """Its files, to be made an object, or the artifact if it is kept already."""
        store, value = surroundings.artifacts, self.value
        if self.directory is not None:
            properties = {} if value is None else self.materializer.properties(value)
            return artifact_value.hashed(
                store, self.directory, self.materializer, self.python_type, properties
            )
        if isinstance(value, Reference) and value.recorded is not None:
            return value.recorded, artifact_type_of(self.materializer, self.python_type)
        if isinstance(value, Reference) and value.is_external:
            return artifact_value.refer(value, surroundings.files.find(value.uri))
        directory = opened.enter_context(store.stage())
        return artifact_value.write(store, value, self.materializer, directory)


def publish(made: Mapping[str, Made], surroundings: Surroundings) -> dict[str, tuple[Artifact, ArtifactType]]:
    """Make the outputs of a call objects of the artifact store: all are saved, then all are made durable."""
    with ExitStack() as opened:
        found = {name: one.staged(surroundings, opened) for name, one in made.items()}
        waiting = {name: one for name, one in found.items() if isinstance(one, artifact_value.Staged)}
        stored = artifact_value.publish(surroundings.artifacts, list(waiting.values()))
        published = dict(zip(waiting, stored, strict=True))
        published |= {name: one for name, one in found.items() if isinstance(one, tuple)}
        return {name: published[name] for name in made}


def flags_of(step: Declaration, surroundings: Surroundings) -> tuple[str, ...]:
    """The options of the Beam pipeline that a step is provided with; none if it is provided with none."""
    if not any(resource.takes_flags for resource in step.resources.values()):
        return ()
    return merged(surroundings.beam_pipeline_args, step.beam_pipeline_args)


@contextmanager
def calling(
    step: Declaration, node: str, arguments: dict[str, Any], surroundings: Surroundings
) -> Iterator[dict[str, Made]]:
    """Call a step's function. Inside of the block its outputs exist, to be published.

    Args:
        step: the step.
        node: its name in the run.
        arguments: its inputs and parameters; emptied, so that large inputs are free afterwards.
        surroundings: where the call takes place.

    Raises:
        OutputError: it returned, or wrote, something other than it declares.
        Exception: whatever it raised.
    """
    flags = flags_of(step, surroundings)
    with ExitStack() as staged:
        written = {name: _place(step, name, staged, surroundings) for name in step.references}
        with ExitStack() as provided:
            resources = {
                name: provided.enter_context(resource.provide(surroundings, flags))
                for name, resource in step.resources.items()
            }
            arguments.update(intake.taken(step, arguments, resources))
            with executing():
                returned = step.function(
                    **arguments,
                    **{name: reference for name, (reference, _) in written.items()},
                    **{name: given for name, given in resources.items() if not name.startswith(IMPLIED)},
                )
            arguments.clear()
            made = {name: _written(name, node, *place) for name, place in written.items()}
            for name, value in split_outputs(step, node, returned).items():
                made[name] = _made(step, node, name, value, staged, surroundings)
            del returned
        for name, one in made.items():
            _check_files(name, node, one)
        yield {name: made[name] for name in step.outputs if name in made}


def _place(
    step: Declaration, name: str, staged: ExitStack, surroundings: Surroundings
) -> tuple[Reference, Path]:
    """An artifact whose ``uri`` lies in a staging folder of its own."""
    directory = staged.enter_context(surroundings.artifacts.stage())
    reference: Reference = step.outputs[name]()
    reference.uri = reference.uri_in(str(directory))
    return reference, directory


def _written(name: str, node: str, reference: Reference, directory: Path) -> Made:
    if reference.uri != reference.uri_in(str(directory)):
        raise OutputError(
            "A component changed the `uri` of its output.",
            facts={"step": node, "output": name, "found": reference.uri},
            hint="Write below the `uri` that it is given: what lies there is sealed when it ends.",
        )
    return Made(reference, require_value(reference)(), type(reference), directory)


def _made(
    step: Declaration, node: str, name: str, value: Any, staged: ExitStack, surroundings: Surroundings
) -> Made:
    """An output that was returned."""
    if name in step.values:
        reference, directory = _place(step, name, staged, surroundings)
        assert isinstance(reference, ValueArtifact)
        reference.value = value
        return Made(reference, require_value(reference)(), type(reference), directory)
    annotation = step.outputs[name]
    if is_beam(value) and is_class(annotation):
        writer = step.materializers.get(name) or _materializer(annotation, step=node, output=name)
        directory = staged.enter_context(surroundings.artifacts.stage())
        return Made(writer.write_beam(value, directory, annotation), writer, annotation, directory)
    materializer = step.materializers.get(name) or require_value(value, step=node, output=name)()
    return Made(value, materializer, type(value))


def _materializer(annotation: type, **facts: Any) -> BaseMaterializer:
    found = require_type(annotation, **facts)
    return BaseMaterializer() if found is None else found()


def _check_files(name: str, node: str, made: Made) -> None:
    """Raise OutputError if what was to be written in place is nothing, or lies elsewhere."""
    directory = made.directory
    if directory is None:
        return
    facts: Mapping[str, Any] = {"step": node, "output": name}
    if directory.is_symlink() or not directory.is_dir():
        raise OutputError(
            "The folder of an output is gone, or was replaced.",
            facts={**facts, "folder": directory},
            hint="Write into the folder that the component is given, and leave it there.",
        )
    is_empty = True
    for path in directory.rglob("*"):
        if path.is_symlink():
            raise OutputError(
                "An output holds a symbolic link.",
                facts={**facts, "link": path.relative_to(directory), "to": path.readlink()},
                hint="Copy or move the file itself: what the link leads to may change, or be gone.",
            )
        is_empty = is_empty and not path.is_file()
    if is_empty:
        raise OutputError(
            "Nothing was written to an output.",
            facts={**facts, "type": made.python_type.__name__},
            hint="Write at least one file below its `uri`, or set its `.value`.",
        )
