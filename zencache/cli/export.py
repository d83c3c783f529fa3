"""The command that writes a run or the lineage of an artifact for other programs, or for a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zencache.cli.completion import complete
from zencache.cli.find import find_artifact_or_run, find_run
from zencache.cli.group import main, wrong_usage

if TYPE_CHECKING:
    from zencache.lineage import LineageGraph

_WRITERS: dict[str, Callable[[LineageGraph], str]] = {
    "mermaid": lambda graph: graph.to_mermaid(),
    "dot": lambda graph: graph.to_dot(),
    "json": lambda graph: json.dumps(graph.to_json(), indent=2) + "\n",
    # One event a line, as OpenLineage's file transport writes them.
    "openlineage": lambda graph: "".join(json.dumps(event) + "\n" for event in graph.to_openlineage()),
}
_PAGE = "html"


@main.command()
@click.argument("what", metavar="RUN|ARTIFACT", shell_complete=complete("runs"))
@click.option(
    "--format",
    "format_",
    default="mermaid",
    show_default=True,
    type=click.Choice([*_WRITERS, _PAGE]),
    help="What to write it in.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file, instead of stdout.")
def export(what: str, format_: str, output: Path | None) -> None:
    """Write the graph of RUN, or the lineage of ARTIFACT, for other programs; `html` is a page of RUN.

    A name is looked for among the runs first; see `zencache lineage` for what names an artifact.
    """
    text = _page(what) if format_ == _PAGE else _graph(what, format_)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        wrong_usage(f"{output} cannot be written: {error.strerror}.")


def _page(what: str) -> str:
    from zencache.report import page_of

    return page_of(find_run(what))


def _graph(what: str, format_: str) -> str:
    from zencache.repository import Repository

    repository = Repository()
    return _WRITERS[format_](repository.lineage(find_artifact_or_run(repository, what)))
