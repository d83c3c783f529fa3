"""``@component``: a function with TFX's annotations becomes a component, which is a step as any other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from zencache.binding import unknown_argument
from zencache.declaration import caller_scope, check_options
from zencache.exceptions import DeclarationError
from zencache.policy import CachePolicy
from zencache.step_function import Step
from zencache.tfx.node import Node
from zencache.tfx.signature import declare_component


class ComponentFactory(Step):
    """A component. Calling it with inputs and parameters by name gives a node for a pipeline.

    In the body of a ``@pipeline`` the node is wired there, beside steps.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            raise DeclarationError(
                "A component takes its inputs and parameters by name.",
                facts={"component": self.name, "found": f"{args!r:.80}"},
                hint=f"`{self.name}(name=...)`. To call the function itself: `{self.name}.test_call(...)`.",
            )
        for argument in kwargs:
            if argument not in self.declaration.arguments:
                raise unknown_argument(self.declaration, self.name, argument)
        node = Node(self.declaration, {**self.configured, **kwargs})
        node.join()
        return node

    @property
    def test_call(self) -> Callable[..., Any]:
        """The undecorated function, for unit tests."""
        return self.entrypoint


def component(
    func: Callable[..., Any] | Step | None = None,
    /,
    *,
    component_annotation: Any = None,
    use_beam: bool = False,
    enable_cache: bool | None = None,
    cache_version: str | None = None,
    cache_policy: CachePolicy | None = None,
    **unknown: Any,
) -> Any:
    """Make a function with annotated parameters a component. Works bare and with options.

    Args:
        func: the function; or a step, which then can stand among components.
        component_annotation: what it is for: ``Train``, ``Transform``, ``Process``, ``Evaluate`` or
            ``Deploy`` of :mod:`zencache.tfx.dsl.standard_annotations`, recorded as its system type.
        use_beam: it takes one ``BeamComponentParameter[beam.Pipeline]``.
        enable_cache, cache_version, cache_policy: as those of ``@step``; TFX does not have them.

    Raises:
        DeclarationError: the signature is none that a component can have.

    Example::

        @component
        def Trainer(examples: InputArtifact[Examples], model: OutputArtifact[Model],
                    epochs: Parameter[int] = 1) -> OutputDict(loss=float):
            ...
    """
    known = ("component_annotation", "use_beam", "enable_cache", "cache_version", "cache_policy")
    check_options("@component", unknown, known)
    options: dict[str, Any] = {
        "component_annotation": component_annotation,
        "use_beam": use_beam,
        "enable_cache": enable_cache,
        "cache_version": cache_version,
        "cache_policy": cache_policy,
    }
    if func is None:
        return functools.partial(component, **options)
    if isinstance(func, Step):
        return ComponentFactory(func.declaration)._copy(configured=func.configured, origin=func)
    return ComponentFactory(declare_component(func, **options, scope=caller_scope(1)))
