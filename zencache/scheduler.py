"""Order only: visit every node of a graph after those that it waits for. It knows nothing of caching."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

from zencache.exceptions import DeclarationError


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
    visit: Callable[[str], None],
    skip: Callable[[str, str], None],
    is_failure: Callable[[Exception], bool],
) -> dict[str, Exception]:
    """Visit each node once, in the order of ``graph`` as far as its edges allow.

    Args:
        graph: node -> the nodes that it waits for.
        visit: called with a node; may raise.
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
    while waiting:
        node = names[heapq.heappop(waiting)]
        cause = next((lost[other] for other in graph[node] if other in lost), None)
        if cause is not None:
            lost[node] = cause
            skip(node, cause)
        else:
            try:
                visit(node)
            except Exception as error:
                if not is_failure(error):
                    raise
                failures[node] = error
                lost[node] = node
        sorter.done(node)
        for ready in sorter.get_ready():
            heapq.heappush(waiting, rank[ready])
    return {node: failures[node] for node in graph if node in failures}
