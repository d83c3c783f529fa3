"""A lineage graph as a Mermaid flowchart, which many Markdown pages draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zencache.lineage.label import artifact_label, execution_label, sorted_edges

if TYPE_CHECKING:
    from zencache.lineage.graph import LineageGraph

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-:,/=…")


def to_mermaid(graph: LineageGraph) -> str:
    """The graph as the text of a flowchart. Artifacts are rounded, executions are boxes.

    Nothing but plain characters is left in a label: all others are entity codes of theirs, which Mermaid
    turns back (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters).
    """
    lines = ["flowchart TD"]
    for id_, artifact in graph.artifacts.items():
        lines.append(f'    a{id_}(["{_escaped(artifact_label(artifact))}"])')
    for id_, execution in graph.executions.items():
        lines.append(f'    e{id_}["{_escaped(execution_label(execution, graph.reuses.get(id_, 0)))}"]')
    for source, target, names in sorted_edges(graph):
        text = _escaped([", ".join(names)])
        label = f'|"{text}"|' if text else ""  # an empty one is an error
        lines.append(f"    {source} -->{label} {target}")
    if graph.start is not None:
        lines.append(f"    style a{graph.start} stroke-width:3px")
    return "\n".join(lines) + "\n"


def _escaped(lines: list[str]) -> str:
    return "<br/>".join(
        "".join(c if c in _PLAIN or (c.isalpha() and not c.isascii()) else f"#{ord(c)};" for c in line)
        for line in lines
    )
