"""Commands that ask where data came from and what came of it: pipelines, artifacts, lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zencache.cli.completion import complete
from zencache.cli.find import check_names, find_artifact
from zencache.cli.group import as_json, main
from zencache.cli.json_output import echo_json
from zencache.cli.tables import console, show_rows
from zencache.visible import visible

if TYPE_CHECKING:
    from rich.tree import Tree

    from zencache.lineage import LineageGraph
    from zencache.view import ArtifactView

_INDENT = 4  # columns of each level of a tree
_LEAST = 40  # columns for the text of its deepest level


@main.command()
@as_json
def pipelines(as_json: bool) -> None:
    """List the pipelines that have run, the newest first."""
    from zencache.repository import Repository

    repository = Repository()
    rows = []
    for one in repository.get_pipelines()[::-1]:
        runs = one.runs
        rows.append(
            {
                "name": one.name,
                "runs": len(runs),
                "last run": runs[-1].name if runs else "",
                "status": runs[-1].status if runs else "",
            }
        )
    show_rows(as_json, rows, ("name", "runs", "last run", "status"), empty="No pipeline has run yet.")


@main.command()
@click.option("--type", "type_", metavar="TYPE", shell_complete=complete("types"), help="Only of this type.")
@click.option("--pipeline", shell_complete=complete("pipelines"), help="Only what this pipeline gave.")
@click.option("--step", shell_complete=complete("steps"), help="Only what this step gave.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME=VALUE", help="Only with this property."
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@as_json
def artifacts(
    type_: str | None,
    pipeline: str | None,
    step: str | None,
    properties: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """List artifacts, the newest first."""
    from zencache.repository import Repository

    repository = Repository()
    check_names(repository, type=type_, pipeline=pipeline, step=step)
    found = repository.artifacts(type_, pipeline, step, properties=_pairs(properties), limit=limit)[::-1]
    show_rows(
        as_json,
        [artifact_facts(artifact) for artifact in found],
        ("id", "type", "made by", "size", "state", "digest"),
        empty="No artifact is like that.",
    )


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--property")
        pairs[name] = value
    return pairs


def artifact_facts(artifact: ArtifactView) -> dict[str, Any]:
    maker = artifact.producer_step
    return {
        "id": artifact.id,
        "type": artifact.type,
        "made by": f"{maker.run.name}/{maker.name}" if maker else "given",
        "size": artifact.size,
        "state": artifact.state,
        "digest": artifact.digest,
        "uri": artifact.uri,
        "properties": dict(artifact.properties),
    }


@main.command()
@click.argument("artifact", shell_complete=complete("artifacts"))
@click.option("--upstream", "direction", flag_value="upstream", help="Only what it was made of.")
@click.option("--downstream", "direction", flag_value="downstream", help="Only what came of it.")
@click.option("--depth", type=click.IntRange(min=1), help="How many executions to cross at most.")
@click.option(
    "--type", "type_", metavar="TYPE", shell_complete=complete("types"), help="Only artifacts of it."
)
@as_json
def lineage(
    artifact: str, direction: str | None, depth: int | None, type_: str | None, as_json: bool
) -> None:
    """Show what ARTIFACT was made of, and what came of it.

    ARTIFACT is an id, a digest or the beginning of one, a URI, or RUN/STEP[/OUTPUT], where RUN may be
    `latest`.
    """
    from zencache.repository import Repository

    repository = Repository()
    check_names(repository, type=type_)
    found = find_artifact(repository, artifact)
    graph = repository.lineage(found, depth, direction=direction)
    if as_json:
        echo_json(_only(graph.to_json(), type_, found.id))
        return
    for shown, title in (("upstream", "was made of"), ("downstream", "went into")):
        if direction in (None, shown):
            drawing = _Drawing(graph, type_, is_upstream=shown == "upstream")
            tree = drawing.tree(title)
            console(drawing.depth * _INDENT + _LEAST).print(tree)


def _only(told: dict[str, Any], type_: str | None, start: int) -> dict[str, Any]:
    """The graph with only artifacts of a type, and what touches them."""
    if type_ is None:
        return told
    kept = {row["id"] for row in told["artifacts"] if row["type"] == type_ or row["id"] == start}
    edges = [row for row in told["edges"] if row["artifact"] in kept]
    touched = {row["execution"] for row in edges}
    return {
        "start": start,
        "artifacts": [row for row in told["artifacts"] if row["id"] in kept],
        "executions": [row for row in told["executions"] if row["id"] in touched],
        "edges": edges,
    }


class _Drawing:
    """One direction of a graph as a tree; an artifact that was shown is not expanded again."""

    def __init__(self, graph: LineageGraph, type_: str | None, *, is_upstream: bool):
        self._graph = graph
        self._type = type_
        self._is_upstream = is_upstream
        self._places = graph.code_places()
        self._names = {edge.artifact_id: edge.names for edge in graph.edges if edge.is_output}
        self._shown: set[int] = set()
        self.depth = 0  # of the tree that was drawn
        # Artifact -> the executions that lie beyond it in this direction.
        self._beyond: dict[int, list[int]] = {}
        for edge in graph.edges:
            if edge.is_output is is_upstream:
                self._beyond.setdefault(edge.artifact_id, []).append(edge.execution_id)

    def tree(self, title: str) -> Tree:
        from rich.text import Text
        from rich.tree import Tree

        assert self._graph.start is not None
        root = Tree(Text(f"{self._named(self._graph.start)} {title}"))
        # A stack instead of recursion: lineage may be deeper than Python's stack.
        waiting: list[tuple[Tree, int, int]] = [(root, self._graph.start, 0)]
        self._shown.add(self._graph.start)
        while waiting:
            branch, artifact_id, depth = waiting.pop()
            self.depth = max(self.depth, depth)
            found: list[tuple[Tree, int]] = []
            for execution_id in dict.fromkeys(self._beyond.get(artifact_id, ())):
                found += self._expand(branch, execution_id)
            waiting += [(added, other, depth + (added is not branch) * 2) for added, other in reversed(found)]
        if not root.children:
            given = "nothing: it was given" if self._is_upstream else "nothing yet"
            root.add(Text(given if self._type is None else f"nothing of type {visible(self._type)}"))
        return root

    def _expand(self, branch: Tree, execution_id: int) -> list[tuple[Tree, int]]:
        """Add one execution and what lies beyond it; returns what is to be expanded, and where."""
        from rich.text import Text

        step = branch if self._type is not None else branch.add(Text(self._made_by(execution_id)))
        found = []
        for artifact_id in dict.fromkeys(self._graph.ends(execution_id, is_output=not self._is_upstream)):
            is_known = artifact_id in self._shown
            self._shown.add(artifact_id)
            if self._type is not None and self._graph.artifacts[artifact_id].type != self._type:
                if not is_known:
                    found.append((branch, artifact_id))  # walked through, not shown
                continue
            if self._type is not None and is_known:
                continue
            name = self._named(artifact_id)
            by = f"  by {self._made_by(execution_id)}" if self._type is not None else ""
            added = step.add(Text(name + by + (" (see above)" if is_known else "")))
            if not is_known:
                found.append((added, artifact_id))
        return found

    def _named(self, artifact_id: int) -> str:
        artifact = self._graph.artifacts[artifact_id]
        names = self._names.get(artifact_id, ())
        where = artifact.uri if artifact.is_external else artifact.digest.partition(":")[2][:12]
        gone = "" if artifact.state == "LIVE" else f", {artifact.state.lower()}"
        name = f" {'/'.join(names)}" if names else ""
        return visible(f"{artifact.type} {artifact_id}{name} ({where}{gone})")

    def _made_by(self, execution_id: int) -> str:
        from zencache.lineage.label import parameter_text

        execution = self._graph.executions[execution_id]
        parameters = parameter_text(execution)
        place = self._places[execution_id]
        reuses = self._graph.reuses.get(execution_id, 0)
        parts = [
            visible(f"{execution.node} in {execution.run}"),
            "" if execution.status.value == "completed" else execution.status.value,
            visible(execution.error),
            parameters,
            visible(place),
            f"used again {reuses}x" if reuses else "",
        ]
        return "  ".join(part for part in parts if part)
