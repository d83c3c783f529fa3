"""A lineage graph as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zencache import drawing
from zencache.lineage.label import artifact_label, parameter_text, sorted_edges

if TYPE_CHECKING:
    from zencache.lineage.graph import LineageGraph


def lineage_page(graph: LineageGraph) -> str:
    """The graph with its title."""
    if graph.start is not None:
        artifact = graph.artifacts[graph.start]
        title = f"Lineage of {artifact.type} {artifact.id}"
    else:
        title = f"What {', '.join(graph.runs)} took and made"
    facts = [_counted(len(graph.artifacts), "artifact"), _counted(len(graph.executions), "execution")]
    return drawing.page(title, facts, lineage_picture(graph, title))


def lineage_picture(graph: LineageGraph, label: str) -> str:
    """The graph alone, as SVG."""
    places = graph.code_places()
    made_as = {edge.artifact_id: "/".join(edge.names) for edge in graph.edges if edge.is_output}
    boxes = []
    for id_, execution in graph.executions.items():
        reuses = graph.reuses.get(id_, 0)
        state = drawing.state_text(str(execution.status)) + (f", again {reuses}×" if reuses else "")
        boxes.append(
            drawing.Box(
                f"e{id_}",
                (execution.node, parameter_text(execution), state),
                state=str(execution.status),
                about="\n".join((f"in run {execution.run}", places[id_], execution.error)),
            )
        )
    for id_, artifact in graph.artifacts.items():
        title, *rest = artifact_label(artifact)
        name = made_as.get(id_, "")
        boxes.append(
            drawing.Box(
                f"a{id_}",
                (
                    name if name and name != "output" else title,
                    *([title] if name != "output" and name else rest),
                ),
                about=f"{artifact.digest}\n{artifact.size} bytes, {artifact.state}",
                is_round=True,
                is_marked=id_ == graph.start,
            )
        )
    arrows = [(source, target) for source, target, _ in sorted_edges(graph)]
    return drawing.graph(boxes, arrows, label=label)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
