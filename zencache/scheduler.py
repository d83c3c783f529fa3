"""Order only: visit every node of a graph after those that it waits for. It knows nothing of caching."""

from __future__ import annotations

import functools
import graphlib
import heapq
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from zencache.exceptions import DeclarationError


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A visit that goes on when a future is done.

    Args:
        future: what it waits for; how that ends is none of the scheduler's business.
        proceed: goes on with the visit. It may raise, and may have to wait once more.
    """

    future: Future[Any]
    proceed: Callable[[], Pending | None]

    def then(self, more: Callable[[], Pending | None]) -> Pending:
        """This visit, and something after it."""

        def proceed() -> Pending | None:
            pending = self.proceed()
            return more() if pending is None else pending.then(more)

        return Pending(self.future, proceed)


def after(seconds: float) -> Future[None]:
    """A future that is done in a while."""
    future: Future[None] = Future()
    timer = threading.Timer(seconds, future.set_result, [None])
    timer.daemon = True
    timer.start()
    return future


def check_order(graph: Mapping[str, Iterable[str]]) -> None:
    """Raise DeclarationError if nodes wait for each other in a circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle: Sequence[str] = error.args[1]
        raise DeclarationError(
            "Steps wait for each other in a circle.",
            facts={"circle": " -> ".join(reversed(circle))},
            hint="Take out one `after` or one input of the circle.",
        ) from error


def order(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The nodes in the order in which :func:`run` visits them if none fails."""
    visited: list[str] = []
    run(graph, visited.append, lambda node, cause: None, lambda error: False)
    return visited


def run(
    graph: Mapping[str, Iterable[str]],
    visit: Callable[[str], Pending | None],
    skip: Callable[[str, str], None],
    is_failure: Callable[[Exception], bool],
) -> dict[str, Exception]:
    """Visit each node once, in the order of ``graph`` as far as its edges allow.

    Args:
        graph: node -> the nodes that it waits for.
        visit: called with a node; may raise. Gives ``None`` when the visit has ended; while it is pending,
            nodes that do not wait for it are visited.
        skip: called with a node that cannot be visited and the failed node it waited for.
        is_failure: whether what ``visit`` raised is the failure of that one node. Nodes that do not
            depend on it are still visited; anything else ends the run at once.

    Returns:
        What the failed nodes raised, in the order of ``graph``.
    """
    names = list(graph)
    rank = {node: index for index, node in enumerate(names)}
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    failures: dict[str, Exception] = {}
    lost: dict[str, str] = {}  # node -> the failed node because of which it is not visited
    waiting = sorted(rank[node] for node in sorter.get_ready())
    pending: dict[str, Pending] = {}

    def advance(node: str, go: Callable[[], Pending | None]) -> None:
        """Go on with a visit until it has ended or has to wait."""
        try:
            rest = go()
            while rest is not None and rest.future.done():
                rest = rest.proceed()
        except Exception as error:
            if not is_failure(error):
                raise
            failures[node] = error
            lost[node] = node
        else:
            if rest is not None:
                pending[node] = rest
                return
        end(node)

    def end(node: str) -> None:
        sorter.done(node)
        for ready in sorter.get_ready():
            heapq.heappush(waiting, rank[ready])

    while waiting or pending:
        if waiting:
            node = names[heapq.heappop(waiting)]
            cause = next((lost[other] for other in graph[node] if other in lost), None)
            if cause is None:
                advance(node, functools.partial(visit, node))
            else:
                lost[node] = cause
                skip(node, cause)
                end(node)
            continue
        wait([one.future for one in pending.values()], return_when=FIRST_COMPLETED)
        for node in sorted(pending, key=rank.__getitem__):
            if pending[node].future.done():
                advance(node, pending.pop(node).proceed)
    return {node: failures[node] for node in graph if node in failures}
