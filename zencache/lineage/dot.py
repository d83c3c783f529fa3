"""A lineage graph in DOT, the language of Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zencache.lineage.label import artifact_label, execution_label, sorted_edges

if TYPE_CHECKING:
    from zencache.lineage.graph import LineageGraph


def to_dot(graph: LineageGraph) -> str:
    """The graph as a `digraph <https://graphviz.org/doc/info/lang.html>`_ in UTF-8."""
    lines = [
        "digraph lineage {",
        '    node [fontname="sans-serif", fontsize=11];',
        '    edge [fontname="sans-serif", fontsize=9];',
    ]
    for id_, artifact in graph.artifacts.items():
        width = ", penwidth=3" if id_ == graph.start else ""
        lines.append(
            f"    a{id_} [shape=box, style=rounded, label={_quoted(artifact_label(artifact))}{width}];"
        )
    for id_, execution in graph.executions.items():
        label = execution_label(execution, graph.reuses.get(id_, 0))
        lines.append(f"    e{id_} [shape=box, label={_quoted(label)}];")
    for source, target, names in sorted_edges(graph):
        lines.append(f"    {source} -> {target} [label={_quoted([', '.join(names)])}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(lines: list[str]) -> str:
    # Graphviz reads escapes such as \N, and entities such as &lt;, in a label: neither is meant here.
    return (
        '"'
        + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
        + '"'
    )
