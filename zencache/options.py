"""What a run and its pipeline say about caching, and the decision about a node that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from zencache.cache import Cache
from zencache.declaration import Declaration
from zencache.entity import Artifact, Decision, Outcome
from zencache.exceptions import DeclarationError, nearest
from zencache.policy import CachePolicy, Level, Reason, cache_switch
from zencache.wiring import Node

_DEFAULT_POLICY = CachePolicy()


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """What is said at the levels above the step.

    Args:
        run: ``enable_cache`` of the run.
        pipeline: ``enable_cache`` of the pipeline.
        policy: the pipeline's policy, for steps that have none of their own.
        refresh: names of the nodes that shall run anew.
    """

    run: bool | None = None
    pipeline: bool | None = None
    policy: CachePolicy | None = None
    refresh: frozenset[str] = frozenset()

    def policy_of(self, step: Declaration) -> CachePolicy:
        return step.cache_policy or self.policy or _DEFAULT_POLICY

    def decide(self, cache: Cache, node: Node, cache_key: str, inputs: Collection[Artifact]) -> Decision:
        """Whether a node is taken from the cache: the one place where runs and plans decide."""
        bypass, level = self._switch(node)
        if bypass is not None:
            return bypass
        expires_in = self.policy_of(node.step).expires_in
        assert expires_in is None or isinstance(expires_in, timedelta)  # a text was parsed by the policy
        step = node.step
        classes = {
            output: (declared, type(step.materializers.get(output)))
            for output, declared in step.outputs.items()
        }
        return cache.lookup(cache_key, level, inputs=inputs, expires_in=expires_in, classes=classes)

    def bypass(self, node: Node) -> Decision | None:
        """The decision about a node that runs whatever its key is; None if it is looked up."""
        return self._switch(node)[0]

    def _switch(self, node: Node) -> tuple[Decision | None, Level]:
        if node.name in self.refresh:
            return Decision(Outcome.MISS, Reason.REFRESH, Level.RUN), Level.RUN
        switch = cache_switch(
            run=self.run,
            pipeline=self.pipeline,
            step=node.step.enable_cache,
            has_outputs=bool(node.step.outputs),
        )
        if not switch.enabled:
            return Decision(Outcome.MISS, switch.reason, switch.level), switch.level
        return None, switch.level


def refreshed(nodes: Sequence[Node], refresh: bool | str | Iterable[str] | None) -> frozenset[str]:
    """The names of the nodes that ``refresh`` means.

    Args:
        nodes: the pipeline's, in wiring order.
        refresh: ``True`` for all, or names of nodes, steps or slots; ``"trainer+"`` also means all below.

    Raises:
        DeclarationError: there is no such step.
    """
    if refresh is None or refresh is False:
        return frozenset()
    if refresh is True:
        return frozenset(node.name for node in nodes)
    several = isinstance(refresh, Iterable) and not isinstance(refresh, str)
    names: list[Any] = list(refresh) if several else [refresh]
    if not all(isinstance(name, str) for name in names):
        raise DeclarationError(
            "`refresh` is True, or names steps.",
            facts={"found": repr(refresh)},
            hint='For example `refresh=["trainer+"]`.',
        )
    chosen: set[str] = set()
    for name in names:
        meant = {
            node.name for node in nodes if name.removesuffix("+") in (node.name, node.step.name, node.slot)
        }
        if not meant:
            known = [*(node.name for node in nodes), *(node.slot for node in nodes if node.slot)]
            raise DeclarationError(
                f"`refresh` names no step of the pipeline: `{name}`.",
                hint=nearest(name.removesuffix("+"), known),
            )
        chosen |= _below(nodes, meant) if name.endswith("+") else meant
    return frozenset(chosen)


def _below(nodes: Sequence[Node], start: set[str]) -> set[str]:
    """Some nodes and every one that waits for them, directly or not."""
    found = set(start)
    while True:
        more = {node.name for node in nodes if found.intersection(node.upstream)} - found
        if not more:
            return found
        found |= more
