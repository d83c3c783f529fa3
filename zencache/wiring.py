"""The graph that a pipeline's body draws: nodes, handles to their outputs, and what goes where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol

from zencache import intake
from zencache.binding import (
    bind,
    check_members,
    check_outputs,
    check_parameter,
    check_value,
    complete,
    copied,
    is_parameter,
    place,
)
from zencache.condition import Condition
from zencache.declaration import Declaration, check_name
from zencache.exceptions import DeclarationError, nearest
from zencache.fingerprint import ExternalFile

_active: ContextVar[Wiring | None] = ContextVar("zencache_wiring", default=None)


class ConfiguredStep(Protocol):
    """What wiring needs to know of a step: its declaration, and what was said before this use of it."""

    declaration: Declaration
    configured: Mapping[str, Any]
    slot: str | None
    runs_after: tuple[Any, ...]
    origin: Any


@dataclass(frozen=True, slots=True)
class Handle:
    """What an output of a step will be, while the pipeline is wired."""

    node: str
    output: str
    wiring: Wiring = field(repr=False, compare=False)

    def after(self, *others: Any) -> Handle:
        """Run the step of this output only after others, with which it shares no data."""
        self.wiring.order(self.node, others)
        return self

    def __iter__(self) -> Iterator[Any]:
        raise DeclarationError(
            "One output cannot be unpacked while the pipeline is wired.",
            facts={"step": self.node, "output": self.output},
            hint="Declare several outputs: `-> Output(a=..., b=...)`.",
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            _ask_for_value(self)
        return (self.node, self.output) == (other.node, other.output)


def _ask_for_value(handle: Handle, *_: Any) -> NoReturn:
    raise DeclarationError(
        "An output has no value yet while the pipeline is wired.",
        facts={"step": handle.node, "output": handle.output},
        hint="Calculate and decide inside a step, which sees the values.",
    )


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or")
_OTHER = ("bool", "int", "float", "len", "getitem", "contains", "lt", "le", "gt", "ge", "neg", "abs")
_TEXT = ("str", "format")  # else a text would say where a value is to come from, and be a parameter
for _operator in (*_OTHER, *_BINARY, *(f"r{one}" for one in _BINARY), *_TEXT):
    setattr(Handle, f"__{_operator}__", _ask_for_value)


class Handles(Sequence[Handle]):
    """The outputs of a step: unpack them, or take one by its name. Its own names end in an underscore."""

    def __init__(self, node: str, outputs: Iterable[str], wiring: Wiring):
        self.node_ = node
        self.wiring_ = wiring
        self.handles_ = tuple(Handle(node, output, wiring) for output in outputs)

    def after(self, *others: Any) -> Handles:
        """Run this step only after others, with which it shares no data."""
        self.wiring_.order(self.node_, others)
        return self

    def __getitem__(self, position: Any) -> Any:
        return self.handles_[position]

    def __len__(self) -> int:
        return len(self.handles_)

    def __getattribute__(self, name: str) -> Any:
        """An output comes before a method that sequences have, such as ``count``."""
        if not name.endswith("_") and name != "after":
            for handle in self.handles_:
                if handle.output == name:
                    return handle
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Handle:
        if name.startswith("__"):
            raise AttributeError(name)
        raise DeclarationError(
            f"The step has no output `{name}`.",
            facts={"step": self.node_},
            hint=nearest(name, [handle.output for handle in self]),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One use of a step in a pipeline.

    Args:
        name: unique in the pipeline: the step's name, with ``_2``, ``_3`` behind it when used again.
        step: the declaration.
        slot: the pipeline's parameter through which the step was given, if it was.
        inputs: argument -> the node and output that it comes from.
        values: argument -> data given by the pipeline's author; an artifact by content.
        parameters: argument or config field -> value, defaults included.
        after: names of nodes that must end before this one starts, beside those of ``inputs``.
        given: what the call of the step in the pipeline said, those by position first.
        positional: how many of ``given`` were said by position.
        configured: what had been said before, when the step was configured, and the call did not change.
        conditions: what has to hold for it to run; else it is skipped.
        is_named: whether its name was chosen for it, instead of made from the step's.
        beam_pipeline_args: options of a Beam pipeline that were said for this use of the step.
    """

    name: str
    step: Declaration
    slot: str | None
    inputs: Mapping[str, tuple[str, str]]
    values: Mapping[str, Any]
    parameters: Mapping[str, Any]
    after: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    positional: int = 0
    configured: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    is_named: bool = False
    beam_pipeline_args: tuple[str, ...] = ()

    @property
    def upstream(self) -> list[str]:
        """The nodes that must end before this one starts."""
        return list(dict.fromkeys([*(node for node, _ in self.inputs.values()), *self.after]))

    @property
    def needs(self) -> list[str]:
        """The nodes without which it cannot run: those of inputs that have no default, and of conditions."""
        inputs = [node for argument, (node, _) in self.inputs.items() if argument not in self.step.defaults]
        return [*inputs, *(node for condition in self.conditions for node, _ in condition.sources)]


class Wiring:
    """Collects the nodes of one pipeline while its body is called."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._steps: dict[str, ConfiguredStep] = {}
        self._order: list[tuple[Any, tuple[Any, ...]]] = []
        self.conditions: tuple[Condition, ...] = ()  # of what is wired now
        self.checks: list[Callable[[], None]] = []  # what has to hold when the body has ended

    def add(
        self,
        step: ConfiguredStep,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        node: str | None = None,
        conditions: tuple[Condition, ...] = (),
    ) -> Any:
        """Wire one call of a step; returns handles to what it will give.

        Args:
            step: the step.
            args, kwargs: what it is called with.
            node: a name for this use of it, instead of one made from the step's.
            conditions: what has to hold for it to run, beside those of this wiring.
        """
        declaration = step.declaration
        name = self._free_name(declaration) if node is None else self._own_name(declaration, node)
        given = bind(declaration, args, kwargs, name)
        inputs: dict[str, tuple[str, str]] = {}
        values: dict[str, Any] = {}
        parameters: dict[str, Any] = {}
        for argument, value in {**declaration.defaults, **step.configured, **_unwrapped(given)}.items():
            if argument in given or argument in step.configured:  # a default may be of any type
                _check_given(declaration, name, argument, value)
            if isinstance(value, Handle):
                self._check_handle(value, declaration, name, argument)
                inputs[argument] = (value.node, value.output)
            elif argument in declaration.config_fields or is_parameter(
                declaration.arguments[argument], value
            ):
                parameters[argument] = copied(value, name, argument)
            else:
                if not isinstance(value, ExternalFile):
                    check_value(value, name, argument)
                values[argument] = value
        check_outputs(declaration, name)
        parameters = complete(declaration, name, {**inputs, **values}, parameters)
        self._nodes[name] = Node(
            name,
            declaration,
            step.slot,
            inputs,
            values,
            parameters,
            given=tuple(given),
            positional=_positional(declaration, args),
            configured=tuple(argument for argument in step.configured if argument not in given),
            conditions=(*self.conditions, *conditions),
            is_named=node is not None,
        )
        self._steps[name] = step
        for condition in self._nodes[name].conditions:
            self._order.append((name, tuple(source for source, _ in condition.sources)))
        if step.runs_after:
            self._order.append((name, step.runs_after))
        return _handles(name, declaration, self)

    def order(self, first: Any, others: tuple[Any, ...]) -> None:
        """``first`` runs after ``others``: nodes, handles or steps, resolved when the body has ended."""
        self._order.append((first, others))

    def provide(self, node: str, beam_pipeline_args: tuple[str, ...]) -> None:
        """One use of a step has options of a Beam pipeline of its own, instead of those of the step."""
        step = replace(self._nodes[node].step, beam_pipeline_args=beam_pipeline_args)
        self._nodes[node] = replace(self._nodes[node], step=step, beam_pipeline_args=beam_pipeline_args)

    def nodes(self) -> tuple[Node, ...]:
        """The finished graph, in wiring order."""
        for check in self.checks:
            check()
        after: dict[str, list[str]] = {}
        for first, others in self._order:
            for node in self._resolve(first):
                for other in others:
                    after.setdefault(node, []).extend(self._resolve(other))
        return tuple(
            replace(node, after=tuple(dict.fromkeys(after[node.name]))) if node.name in after else node
            for node in self._nodes.values()
        )

    def _resolve(self, what: Any) -> list[str]:
        """The nodes that are meant by a name, a handle, the outputs of a step, or a step."""
        if isinstance(what, str):
            return [what]
        if isinstance(what, Handle):
            return [what.node]
        if isinstance(what, Handles):
            return [what.node_]
        if isinstance(what, list | tuple):
            return [node for item in what for node in self._resolve(item)]
        found = [node for node, step in self._steps.items() if any(what is one for one in _lineage(step))]
        if not found:
            raise DeclarationError(
                "`after` names a step that is not used in this pipeline.",
                facts={"found": getattr(getattr(what, "declaration", None), "name", repr(what))},
                hint="Give it a step, or the output of a step, that the pipeline calls.",
            )
        return found

    def _free_name(self, declaration: Declaration) -> str:
        taken = [node for node in self._nodes.values() if node.step.name == declaration.name]
        for other in taken:
            if not _is_same_step(other.step, declaration):
                raise DeclarationError(
                    "Two steps have one name.",
                    facts={
                        "name": declaration.name,
                        "first": place(other.step.function),
                        "second": place(declaration.function),
                    },
                    hint='Give one of them another: `@step(name="...")`.',
                )
        name, count = declaration.name, len(taken) + 1
        while count > 1 and (name := f"{declaration.name}_{count}") in self._nodes:
            count += 1
        return name

    def _own_name(self, declaration: Declaration, node: str) -> str:
        self._free_name(declaration)
        if node in self._nodes:
            raise DeclarationError(
                "Two components have one id.",
                facts={"id": node, "component": declaration.name},
                hint='Give one of them another: `.with_id("...")`.',
            )
        return check_name("component", node)

    def _check_handle(self, handle: Handle, declaration: Declaration, name: str, argument: str) -> None:
        if handle.wiring is not self:
            raise DeclarationError(
                "An input comes from another pipeline.",
                facts={"step": name, "input": argument, "from": handle.node},
                hint="Call the step that makes it in this pipeline: if nothing changed, it is cached.",
            )
        intake.check(
            self._nodes[handle.node].step.outputs.get(handle.output, Any),
            declaration.arguments.get(argument, Any),
            step=name,
            input=argument,
            given=f"{handle.node}.{handle.output}",
        )


@contextmanager
def wiring() -> Iterator[Wiring]:
    """Calls of steps are wired, not run, inside this block."""
    current = Wiring()
    token = _active.set(current)
    try:
        yield current
    finally:
        _active.reset(token)


def active_wiring() -> Wiring | None:
    """The wiring of the pipeline whose body is being called, if one is."""
    return _active.get()


def _unwrapped(given: Mapping[str, Any]) -> dict[str, Any]:
    """The only output of a step stands for itself, also where the step declares it by name."""
    return {
        argument: value[0] if isinstance(value, Handles) and len(value) == 1 else value
        for argument, value in given.items()
    }


def _positional(declaration: Declaration, args: tuple[Any, ...]) -> int:
    """How many arguments are given by position, without the config, which goes by its class."""
    config_class = declaration.config[1] if declaration.config else ()
    return sum(not isinstance(value, config_class) for value in args)


def _lineage(step: ConfiguredStep) -> list[Any]:
    """A step and those that it was configured from."""
    found: list[Any] = []
    current: Any = step
    while current is not None:
        found.append(current)
        current = current.origin
    return found


def _is_same_step(one: Declaration, other: Declaration) -> bool:
    return getattr(one.function, "__code__", one.function) is getattr(
        other.function, "__code__", other.function
    )


def _handles(name: str, declaration: Declaration, wiring: Wiring) -> Any:
    if declaration.outputs and not declaration.several:
        return Handle(name, next(iter(declaration.outputs)), wiring)
    return Handles(name, declaration.outputs, wiring)


def _check_given(declaration: Declaration, name: str, argument: str, value: Any) -> None:
    if isinstance(value, Handle):
        if argument in declaration.config_fields:
            raise DeclarationError(
                "The output of a step is given for a field of the config.",
                facts={"step": name, "field": argument, "from": value.node},
                hint="Make it a parameter of the step function.",
            )
    elif isinstance(value, Handles):
        raise DeclarationError(
            f"{'All outputs' if value else 'The result'} of a step given as one input.",
            facts={"step": name, "input": argument, "from": value.node_, "outputs": len(value)},
            hint="Take one of them by its name."
            if value
            else "A step without outputs can be named in `after`.",
        )
    else:
        check_members(value, name, argument, outputs=(Handle, Handles))
        if argument in declaration.arguments:
            check_parameter(declaration, name, argument, value)
