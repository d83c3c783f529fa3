"""What the nodes above made, as a node takes it: its conditions, its inputs, and whether they can be used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from zencache import artifact_value
from zencache.body import Body, InputUnreadable, Source
from zencache.entity import Artifact, Execution, Status
from zencache.exceptions import (
    ArtifactMissing,
    ArtifactUnusable,
    MaterializerError,
    NotFoundError,
    WorkerError,
)
from zencache.given import GivenValues
from zencache.resource import Surroundings
from zencache.wiring import Node

_BEING_REMOVED = "An artifact is being removed by another process."


class InputUnusable(Exception):
    """The bytes of an input, a hit of this run, turned out to be unusable when they were read."""

    def __init__(self, producer: str, output: str, artifact: Artifact, error: Exception):
        super().__init__(producer)
        self.producer, self.output, self.artifact, self.error = producer, output, artifact, error


class Upstream:
    """What the nodes of one run have made so far, for those below them.

    Args:
        nodes: name -> node.
        executions: node -> its execution; it grows as the run goes on.
        skipped: node -> why it does not run; this grows, too.
        given: what the pipeline's author gave beside it.
        surroundings: where a body is called.
    """

    def __init__(
        self,
        nodes: Mapping[str, Node],
        executions: Mapping[str, Execution],
        skipped: Mapping[str, str],
        given: GivenValues,
        surroundings: Surroundings,
    ):
        self._nodes = nodes
        self._executions = executions
        self._skipped = skipped
        self._given = given
        self._surroundings = surroundings

    def not_run(self, node: Node) -> str:
        """Why a node does not run: a condition does not hold, or nothing makes an input. Else empty.

        Raises:
            InputUnusable: what a condition reads is a hit that cannot be read.
            ZencacheError: a condition cannot be evaluated.
        """
        missing = next((source for source in node.needs if source in self._skipped), None)
        if missing is not None:
            return f"it needs `{missing}`, which is skipped"
        for condition in node.conditions:
            if not condition.holds(self._made, self._value):
                return f"`{condition}` does not hold"
        return ""

    def inputs(self, node: Node) -> dict[str, Artifact]:
        """The artifacts that a node takes, by argument.

        Raises:
            NotFoundError: nothing was found for an input that needs something.
        """
        made = {}
        for argument, (source, output) in node.inputs.items():
            artifact = None if source in self._skipped else self._made(source, output)
            if artifact is not None:
                made[argument] = artifact
            elif argument not in node.step.defaults:
                raise NotFoundError(
                    "Nothing has been found for an input.",
                    facts={"step": node.name, "input": argument, "looked for by": source},
                    hint="Run the pipeline that makes it, or give the parameter the default None.",
                )
        return made | self._given.artifacts(node)

    def body(self, node: Node, inputs: Mapping[str, Artifact]) -> Body:
        """What is to be executed, with where each input is loaded from."""
        sources, paths = {}, {}
        for argument, artifact in inputs.items():
            if artifact.is_external and argument not in node.inputs:
                paths[argument] = self._given.paths(node, argument)
            else:
                sources[argument] = self._source(node, argument, artifact)
        return Body(node.step, node.name, sources, paths, node.parameters, self._surroundings)

    def require_spared(self, node: Node, inputs: Mapping[str, Artifact], lost: Collection[str]) -> None:
        """A step is not started on inputs whose bytes may be gone before it has read them.

        Raises:
            InputUnusable: one comes from a node among ``lost``, whose hits are being removed.
        """
        for argument, (source, output) in node.inputs.items():
            artifact = inputs.get(argument)
            if artifact is not None and source in lost:
                raise InputUnusable(source, output, artifact, ArtifactMissing(_BEING_REMOVED))

    def require_own(self, node: Node, unreadable: InputUnreadable) -> None:
        """Raise InputUnusable if what could not be read is a hit of this run."""
        source, output = node.inputs.get(unreadable.argument, (None, ""))
        if source is not None and self._executions[source].status is Status.CACHED:
            artifact = self._executions[source].outputs[output]
            raise InputUnusable(source, output, artifact, unreadable.error) from unreadable.error

    def unreadable_elsewhere(self, node: Node, artifact: Artifact, unreadable: InputUnreadable) -> Exception:
        """Why a worker could not load an input.

        Raises:
            InputUnusable: it is a hit of this run, and cannot be read here either.
        """
        if isinstance(unreadable.error, ArtifactUnusable) and self._can_read(artifact):
            return WorkerError(
                "A worker cannot read an artifact that can be read here.",
                facts={
                    "step": node.name,
                    "input": unreadable.argument,
                    "because": unreadable.error.message,
                },
                hint="Use an artifact store that every worker reaches under the same path or URL.",
            )
        self.require_own(node, unreadable)
        return unreadable.error

    def _can_read(self, artifact: Artifact) -> bool:
        try:
            self._surroundings.artifacts.open(artifact.object)
        except ArtifactUnusable:
            return False
        return True

    def _made(self, source: str, output: str) -> Artifact | None:
        return self._executions[source].outputs.get(output)

    def _source(self, node: Node, argument: str, artifact: Artifact) -> Source:
        declared = node.step.arguments.get(argument)
        if argument not in node.inputs:
            return Source(artifact, None, (declared, type(node.values[argument])))
        source, output = node.inputs[argument]
        step = self._nodes[source].step
        return Source(artifact, step.materializers.get(output), (declared, step.outputs[output]))

    def _value(self, source: str, output: str, artifact: Artifact) -> Any:
        """What a node has made, loaded for a condition; a hit that cannot be used is decided again."""
        step = self._nodes[source].step
        try:
            return artifact_value.load(
                self._surroundings.artifacts,
                artifact,
                materializer=step.materializers.get(output),
                candidates=[step.outputs[output]],
            )
        except (ArtifactUnusable, MaterializerError) as error:
            if self._executions[source].status is Status.CACHED:
                raise InputUnusable(source, output, artifact, error) from error
            raise
