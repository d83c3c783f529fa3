"""A node of a TFX pipeline: one use of a component, with its id, its inputs and its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from zencache.declaration import Declaration
from zencache.exceptions import DeclarationError
from zencache.resource import check_flags
from zencache.tfx.channel import Channel, Outputs
from zencache.wiring import Handle, Handles, Wiring


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
        self.declaration = declaration
        self.configured: Mapping[str, Any] = {}
        self.arguments = dict(arguments)
        self.id = declaration.name
        self.upstream_nodes: list[Node] = []
        self.outputs = Outputs(
            {
                name: Channel(type, output_key=name, producer=self)
                for name, type in declaration.outputs.items()
            }
        )
        self._handles: dict[str, Handle] = {}
        self._is_in_body = False

    def with_id(self, id: str) -> Node:
        """This node under another name, so that a pipeline can use a component twice."""
        if self._is_in_body:
            raise DeclarationError(
                "A component that is called in the body of a `@pipeline` has its name from there.",
                facts={"component": self.id, "id": id},
                hint="Leave `.with_id` out: a second use is called `..._2`.",
            )
        self.id = id
        return self

    def with_beam_pipeline_args(self, beam_pipeline_args: Sequence[str]) -> Node:
        """This node with Beam options of its own, which go behind those of the pipeline and of the run."""
        flags = check_flags(list(beam_pipeline_args), f"component {self.id}")
        self.declaration = replace(self.declaration, beam_pipeline_args=flags)
        return self

    def add_upstream_node(self, node: Node) -> None:
        """Run this node after another one with which it shares no data."""
        self.upstream_nodes.append(node)

    def add_upstream_nodes(self, nodes: Iterable[Node]) -> None:
        self.upstream_nodes += nodes

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
        return [*made, *self.upstream_nodes]

    def wire(self, wiring: Wiring) -> None:
        """Make it a step of a pipeline, under its id."""
        arguments = {
            name: value.producer.handle(str(value.output_key))
            if isinstance(value, Channel) and value.producer is not None
            else value
            for name, value in self.arguments.items()
        }
        self._keep(wiring.add(self, (), arguments, node=self.id))
        for other in self.upstream_nodes:
            wiring.order(self.id, (other.id,))

    def wire_in_body(self, wiring: Wiring) -> None:
        """Make it a step of the pipeline whose body is being called; its outputs are handles there."""
        self._is_in_body = True
        self._keep(wiring.add(self, (), self.arguments))
        self.outputs = Outputs(self._handles)

    def handle(self, output: str) -> Handle:
        return self._handles[output]

    def _keep(self, wired: Handle | Handles) -> None:
        handles = [wired] if isinstance(wired, Handle) else wired.handles_
        self._handles = {handle.output: handle for handle in handles}
        self.id = wired.node if isinstance(wired, Handle) else wired.node_

    def __repr__(self) -> str:
        return f"<component {self.id}>"
