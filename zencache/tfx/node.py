"""A node of a TFX pipeline: one use of a component, with its id, its inputs and its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from zencache.declaration import Declaration, check_name
from zencache.exceptions import DeclarationError
from zencache.resource import check_flags
from zencache.tfx.channel import Channel, Output, Outputs
from zencache.tfx.conditional import active_predicates
from zencache.tfx.missing import UNION
from zencache.wiring import Handle, Handles, Wiring, active_wiring


class Node:
    """One use of a component. ``components=[...]`` of a pipeline takes it.

    Attributes:
        id: its name in the pipeline; that of its component unless :meth:`with_id` gives another.
        outputs: output name -> what another component takes as its input.
    """

    slot: str | None = None
    runs_after: tuple[Any, ...] = ()
    origin: Any = None

    def __init__(self, declaration: Declaration, arguments: Mapping[str, Any]):
        for name, value in arguments.items():
            _check_argument(declaration, name, value)
        self.declaration = declaration
        self.configured: Mapping[str, Any] = {}
        self.arguments = dict(arguments)
        self.id = declaration.name
        self.beam_pipeline_args: tuple[str, ...] = ()
        self.upstream_nodes: list[Node] = []
        self.outputs = Outputs(
            {
                name: Channel(type, output_key=name, producer=self)
                for name, type in declaration.outputs.items()
            }
        )
        self._handles: dict[str, Handle] = {}
        self.predicates = active_predicates()
        self.checks: list[Callable[[], None]] = []  # what has to hold when a pipeline is made of it
        self._wiring: Wiring | None = None  # that of the body in which it was called, if it was

    def with_id(self, id: str) -> Node:
        """This node under another name, so that a pipeline can use a component twice."""
        if self._wiring is not None:
            raise DeclarationError(
                "A component that is called in the body of a `@pipeline` has its name from there.",
                facts={"component": self.id, "id": id},
                hint="Leave `.with_id` out: a second use is called `..._2`.",
            )
        try:
            self.id = check_name("component", id)
        except DeclarationError as error:
            raise DeclarationError(error.message, facts=error.facts, hint='`.with_id("...")`.') from error
        return self

    def with_beam_pipeline_args(self, beam_pipeline_args: Sequence[str]) -> Node:
        """This node with Beam options of its own, which go behind those of the pipeline and of the run."""
        self.beam_pipeline_args = check_flags(beam_pipeline_args, f"component {self.id}")
        if self._wiring is not None:
            self._wiring.provide(self.id, self.beam_pipeline_args)
        return self

    def add_upstream_node(self, node: Node) -> None:
        """Run this node after another one with which it shares no data."""
        if not isinstance(node, Node):
            raise DeclarationError(
                "A component waits for another component.",
                facts={"component": self.id, "found": repr(node)},
                hint="Give it what calling a component gives.",
            )
        self.upstream_nodes.append(node)
        if self._wiring is not None:
            self._wiring.order(self.id, (node.id,))

    def add_upstream_nodes(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.add_upstream_node(node)

    def add_downstream_node(self, node: Node) -> None:
        """Run another node, with which it shares no data, after this one."""
        node.add_upstream_node(self)

    @property
    def inputs(self) -> dict[str, Channel]:
        """What comes from other components, by name."""
        return {name: value for name, value in self.arguments.items() if isinstance(value, Channel)}

    @property
    def exec_properties(self) -> dict[str, Any]:
        """What it was called with beside its inputs."""
        return {name: value for name, value in self.arguments.items() if not isinstance(value, Channel)}

    def above(self) -> list[Node]:
        """The nodes that must end before this one starts."""
        made = [channel.producer for channel in self.inputs.values() if channel.producer is not None]
        return [*made, *self.waits_for()]

    def waits_for(self) -> list[Node]:
        """The nodes that must end before this one starts, beside those that make its inputs."""
        read = [channel.producer for predicate in self.predicates for channel in predicate.channels]
        return [*self.upstream_nodes, *dict.fromkeys(node for node in read if node is not None)]

    def join(self) -> None:
        """Become a step of the pipeline whose body is being called, if one is."""
        wiring = active_wiring()
        if wiring is not None:
            self.wire_in_body(wiring)

    def wire(self, wiring: Wiring) -> None:
        """Make it a step of a pipeline, under its id."""
        wiring.checks += self.checks
        arguments = {
            name: value.producer.handle(str(value.output_key))
            if isinstance(value, Channel) and value.producer is not None
            else value
            for name, value in self.arguments.items()
        }
        conditions = tuple(predicate.condition() for predicate in self.predicates)
        self._keep(wiring.add(self, (), arguments, node=self.id, conditions=conditions))
        if self.beam_pipeline_args:
            wiring.provide(self.id, self.beam_pipeline_args)
        for other in self.waits_for():
            wiring.order(self.id, (other.id,))

    def wire_in_body(self, wiring: Wiring) -> None:
        """Make it a step of the pipeline whose body is being called; its outputs are handles there."""
        self._wiring = wiring
        self._keep(wiring.add(self, (), self.arguments))
        self.outputs = Outputs(
            {
                name: Output(handle.node, handle.output, wiring, self.declaration.outputs[name])
                for name, handle in self._handles.items()
            }
        )

    def handle(self, output: str) -> Handle:
        return self._handles[output]

    def _keep(self, wired: Handle | Handles) -> None:
        handles = [wired] if isinstance(wired, Handle) else wired.handles_
        self._handles = {handle.output: handle for handle in handles}
        self.id = wired.node if isinstance(wired, Handle) else wired.node_

    def __repr__(self) -> str:
        return f"<component {self.id}>"


def _check_argument(declaration: Declaration, name: str, value: Any) -> None:
    """Raise for what stands beside an output of a component, and is meant as one."""
    facts = {"component": declaration.name, "input": name, "found": repr(value)}
    if isinstance(value, Node | Outputs):
        outputs = value.outputs if isinstance(value, Node) else value
        first = f'outputs["{next(iter(outputs), "...")}"]'
        raise DeclarationError(
            "A component is given for an input, instead of one of its outputs.",
            facts=facts,
            hint=f"Take one by its name: `{first}`.",
        )
    if isinstance(value, Channel) and value.producer is None:
        raise DeclarationError(
            "An input is given a channel that no component of the pipeline fills.",
            facts=facts,
            hint="Let a `tfx.dsl.Resolver` find its artifacts, and give the output of that.",
        )
    if isinstance(value, list | tuple) and any(isinstance(one, Channel | Handle) for one in value):
        raise DeclarationError("Several outputs are given for one input.", facts=facts, hint=UNION)
