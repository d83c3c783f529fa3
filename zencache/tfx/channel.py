"""What an output of a component will be, while the pipeline is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zencache.exceptions import DeclarationError, nearest
from zencache.reference import is_reference
from zencache.tfx.conditional import FutureArtifact
from zencache.wiring import Handle

if TYPE_CHECKING:
    from zencache.tfx.node import Node


class Channel:
    """Artifacts of a class: of one output of one component, or, for a resolver, of any that fits.

    Args:
        type: the artifact class.
        producer_component_id: only artifacts that this component made.
        output_key: only artifacts that it made under this name.
        producer: the component of this pipeline that makes it.
    """

    def __init__(
        self,
        type: Any,
        *,
        producer_component_id: str | None = None,
        output_key: str | None = None,
        producer: Node | None = None,
    ):
        if producer is None and not is_reference(type):
            raise DeclarationError(
                "A channel is of an artifact class.",
                facts={"found": repr(type)},
                hint="For example `Channel(type=tfx.types.standard_artifacts.Model)`.",
            )
        self.type = type
        self.producer = producer
        self.output_key = output_key
        self._producer_component_id = producer_component_id

    @property
    def producer_component_id(self) -> str | None:
        return self.producer.id if self.producer is not None else self._producer_component_id

    def future(self) -> FutureArtifact:
        """What the component will make, for a condition of `tfx.dsl.Cond`."""
        if self.producer is None:
            raise DeclarationError(
                "A condition reads an output of a component of the pipeline.",
                facts={"found": self},
                hint='Take it from the component: `component.outputs["..."].future()`.',
            )
        return FutureArtifact(self)

    def place(self) -> tuple[str, str]:
        """The id of the component that makes it, and the name of the output."""
        return str(self.producer_component_id), str(self.output_key)

    @property
    def type_name(self) -> str:
        return str(getattr(self.type, "TYPE_NAME", self.type))

    def __repr__(self) -> str:
        return f"<channel of {self.type_name} from {self.producer_component_id}.{self.output_key}>"


@dataclass(frozen=True, slots=True, eq=False)
class Output(Handle):
    """An output of a component that is called in the body of a ``@pipeline``."""

    type: Any = None
    producer: None = None  # a condition needs no other order there than that of the calls

    def future(self) -> FutureArtifact:
        """As that of a :class:`Channel`."""
        return FutureArtifact(self)

    def place(self) -> tuple[str, str]:
        return self.node, self.output


class Outputs(dict[str, Any]):
    """The outputs of a component, by name."""

    def __missing__(self, name: str) -> Any:
        raise DeclarationError(f"The component has no output `{name}`.", hint=nearest(name, self))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise DeclarationError(
            "Outputs are taken by their names.",
            facts={"found": f".outputs.{name}"},
            hint=f'Write `.outputs["{name}"]`.' if name in self else nearest(name, self),
        )
