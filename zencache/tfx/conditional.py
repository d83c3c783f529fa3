"""``Cond``: components that run only where a predicate over outputs above them holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NoReturn

from zencache.condition import COMPARISONS, Condition, Expression, default_of, is_value
from zencache.exceptions import DeclarationError, nearest
from zencache.wiring import active_wiring

_active: ContextVar[tuple[Predicate, ...]] = ContextVar("zencache_conditions", default=())


class Placeholder:
    """Something of an output that is known when the component that makes it has run.

    ``channel.future()`` gives one. Take ``.value``, ``.uri``, ``.property(name)`` or
    ``.custom_property(name)`` of it, and compare that.
    """

    def __init__(self, expression: Callable[[], Expression], channels: tuple[Any, ...]):
        self.expression = expression
        self.channels = channels

    def __eq__(self, other: object) -> Predicate:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Predicate:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: object) -> Predicate:
        return self._compared("<", other)

    def __le__(self, other: object) -> Predicate:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> Predicate:
        return self._compared(">", other)

    def __ge__(self, other: object) -> Predicate:
        return self._compared(">=", other)

    __hash__ = object.__hash__

    def __getitem__(self, key: str | int) -> Placeholder:
        return Placeholder(lambda: ["item", self.expression(), key], self.channels)

    def __bool__(self) -> NoReturn:
        raise _undecided(self)

    def _compared(self, operator: str, other: Any) -> Predicate:
        if isinstance(other, Placeholder):
            right, channels = other.expression, other.channels
        elif type(other) in (int, float, str, bool):
            right, channels = (lambda: ["constant", other]), ()
        else:
            raise DeclarationError(
                "A placeholder is compared with something that it cannot be.",
                facts={"condition": self, "found": f"{type(other).__name__} {other!r:.60}"},
                hint="Compare it with an int, a float, a text, a bool or another placeholder.",
            )
        assert operator in COMPARISONS
        return Predicate(lambda: [operator, self.expression(), right()], (*self.channels, *channels))

    def __repr__(self) -> str:
        return str(Condition(self.expression()))


class FutureArtifact:
    """What ``channel.future()`` gives: an artifact that a component will make."""

    def __init__(self, channel: Any):
        self._channel = channel

    def __getitem__(self, position: int) -> FutureArtifact:
        if position != 0:
            raise DeclarationError(
                "An output is one artifact.",
                facts={"output": self._channel, "asked for": position},
                hint="Write `.future()[0]`.",
            )
        return self

    @property
    def value(self) -> Placeholder:
        """The value of a value artifact, such as those that a component returns."""
        if not is_value(self._channel.type):
            raise DeclarationError(
                "An artifact of files has no value.",
                facts={"output": self._channel},
                hint="Compare `.property(...)` or `.custom_property(...)` of it, or a returned value.",
            )
        return self._placeholder("value")

    @property
    def uri(self) -> Placeholder:
        return self._placeholder("uri")

    def property(self, name: str) -> Placeholder:
        """A property that the artifact class declares."""
        declared = getattr(self._channel.type, "PROPERTIES", None) or {}
        if name not in declared:
            raise DeclarationError(
                f"The artifact class declares no property `{name}`.",
                facts={"output": self._channel},
                hint=nearest(name, declared)
                or "Use `.custom_property(...)` for one that it does not declare.",
            )
        return self.custom_property(name)

    def custom_property(self, name: str) -> Placeholder:
        return self._placeholder("property", name, default_of(self._channel.type, name))

    def _placeholder(self, kind: str, *key: Any) -> Placeholder:
        channel = self._channel
        return Placeholder(lambda: [kind, *channel.place(), *key], (channel,))

    def __eq__(self, other: object) -> Any:
        raise self._unsaid()

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise self._unsaid()

    def _unsaid(self) -> DeclarationError:
        return DeclarationError(
            "A condition does not say what of an artifact it means.",
            facts={"output": self._channel},
            hint='Take `.future().value`, `.property("...")` or `.custom_property("...")`.',
        )


class Predicate:
    """What ``Cond`` takes: a comparison, or several joined by ``logical_and`` and the like."""

    def __init__(self, expression: Callable[[], Expression], channels: tuple[Any, ...]):
        self.expression = expression
        self.channels = channels

    def condition(self) -> Condition:
        """The condition of a step. The components that it reads have their ids by now."""
        return Condition(self.expression())

    def __bool__(self) -> NoReturn:
        raise _undecided(self)

    def __repr__(self) -> str:
        return str(self.condition())


def logical_and(left: Predicate, right: Predicate) -> Predicate:
    """Both hold."""
    return _joined("and", left, right)


def logical_or(left: Predicate, right: Predicate) -> Predicate:
    """One holds, or both."""
    return _joined("or", left, right)


def logical_not(predicate: Predicate) -> Predicate:
    """It does not hold."""
    return _joined("not", predicate)


class Cond(AbstractContextManager[None]):
    """Components that are called inside the block run only where the predicate holds; else they are skipped.

    What takes an output of a skipped component is skipped as well, unless that input has the default None.

    Args:
        predicate: a comparison of what components above give.

    Example::

        with tfx.dsl.Cond(evaluator.outputs["blessing"].future().custom_property("blessed") == 1):
            pusher = Pusher(model=trainer.outputs["model"])
    """

    def __init__(self, predicate: Predicate):
        self._predicate = check_predicate(predicate)
        self._is_entered = False
        wiring = active_wiring()
        if wiring is not None:
            wiring.checks.append(self._check_entered)
        for channel in predicate.channels:
            if channel.producer is not None:
                channel.producer.checks.append(self._check_entered)

    def _check_entered(self) -> None:
        if not self._is_entered:
            raise DeclarationError(
                "A condition decides nothing: it has no block.",
                facts={"condition": self._predicate},
                hint="Write `with tfx.dsl.Cond(...):`, and call the components in its block.",
            )

    def __enter__(self) -> None:
        self._is_entered = True
        self._token = _active.set((*_active.get(), self._predicate))
        wiring = active_wiring()
        if wiring is not None:
            wiring.conditions = (*wiring.conditions, self._predicate.condition())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.reset(self._token)
        wiring = active_wiring()
        if wiring is not None:
            wiring.conditions = wiring.conditions[:-1]


def active_predicates() -> tuple[Predicate, ...]:
    """The predicates of the blocks that a component is called in."""
    return _active.get()


def check_predicate(predicate: Any) -> Predicate:
    if not isinstance(predicate, Predicate):
        raise DeclarationError(
            "A condition is no comparison of what a component gives.",
            facts={"found": f"{type(predicate).__name__} {predicate!r:.60}"},
            hint='For example `Cond(evaluator.outputs["loss"].future().value < 0.5)`.',
        )
    return predicate


def _joined(word: str, *predicates: Predicate) -> Predicate:
    for predicate in predicates:
        check_predicate(predicate)
    channels = tuple(channel for predicate in predicates for channel in predicate.channels)
    return Predicate(lambda: [word, *(predicate.expression() for predicate in predicates)], channels)


def _undecided(what: Any) -> DeclarationError:
    return DeclarationError(
        "A condition is not known while the pipeline is built.",
        facts={"condition": what},
        hint="Give it to `tfx.dsl.Cond`; join several with `tfx.dsl.placeholders.logical_and` and its like.",
    )
