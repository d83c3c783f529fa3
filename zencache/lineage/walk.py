"""Walking from artifact to artifact over the executions between them, level by level."""

from __future__ import annotations

from collections.abc import Iterable

from zencache.entity import Edge
from zencache.exceptions import ConfigurationError
from zencache.metadata import Reader


def upstream(read: Reader, starts: Iterable[int], depth: int | None = None) -> list[Edge]:
    """The edges of everything that some artifacts were made of: see :func:`downstream`."""
    return _walk(read, starts, depth, towards_outputs=False)


def downstream(read: Reader, starts: Iterable[int], depth: int | None = None) -> list[Edge]:
    """The edges of everything that came of some artifacts.

    An artifact that several runs produced, cached ones included, has an edge from each of them, and what
    any of them took counts: a walk up finds ``b`` from ``a`` exactly if a walk down finds ``a`` from ``b``.
    Two calls for each level of the graph, however wide it is; what has been seen is not visited again, so
    diamonds cost nothing and circles end.

    Args:
        starts: ids of artifacts.
        depth: how many executions to cross at most; all unless given.

    Returns:
        Every edge of every execution that was crossed.

    Raises:
        ConfigurationError: ``depth`` is not a positive whole number.
    """
    return _walk(read, starts, depth, towards_outputs=True)


def _walk(read: Reader, starts: Iterable[int], depth: int | None, *, towards_outputs: bool) -> list[Edge]:
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 1):
        raise ConfigurationError(
            "A depth is a number of executions to cross: 1 or more.", facts={"found": repr(depth)}
        )
    found: list[Edge] = []
    frontier = set(starts)
    seen_artifacts, seen_executions = set(frontier), set[int]()
    level = 0
    while frontier and (depth is None or level < depth):
        crossed = {
            edge.execution_id
            for edge in read.edges_of_artifacts(frontier)
            if edge.is_output is not towards_outputs
        } - seen_executions
        seen_executions |= crossed
        edges = read.edges_of_executions(crossed)
        found += edges
        frontier = {e.artifact_id for e in edges if e.is_output is towards_outputs} - seen_artifacts
        seen_artifacts |= frontier
        level += 1
    return found
