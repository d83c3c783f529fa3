"""Commands that carry entries between this project's repository and another."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from zencache.cli.find import find_artifact
from zencache.cli.group import FAILED, as_json, main, wrong_usage
from zencache.cli.json_output import echo_json

if TYPE_CHECKING:
    from zencache.exchange import Carried
    from zencache.repository import Repository


@dataclass(frozen=True)
class _Request:
    """What a command was asked to carry, and with whom."""

    metadata_url: str | None
    artifacts_url: str | None
    runs: tuple[str, ...]
    artifacts: tuple[str, ...]
    dry_run: bool
    as_json: bool

    def chosen(self, source: Repository) -> dict[str, Any]:
        """As ``Repository.push`` and ``Repository.pull`` take it."""
        found = [find_artifact(source, one) for one in self.artifacts] if self.artifacts else None
        return {"run": self.runs or None, "artifacts": found, "dry_run": self.dry_run}


def _carrying(command: Callable[[_Request], None]) -> Callable[..., None]:
    @functools.wraps(command)
    def carrying(**given: Any) -> None:
        command(_Request(**given))

    for option in (
        click.option("--dry-run", is_flag=True, help="Only tell what would be carried."),
        click.option("--artifact", "artifacts", multiple=True, help="Only what made this artifact."),
        click.option("--run", "runs", multiple=True, help="Only what this run made, or took from the cache."),
        click.option("--artifacts", "artifacts_url", help="The other's artifact store: a path or URL."),
        click.option("--metadata", "metadata_url", help="The other's metadata store: a path or URL."),
    ):
        carrying = option(carrying)
    return carrying


@main.command()
@as_json
@_carrying
def push(request: _Request) -> None:
    """Carry entries of this project to another repository, with their bytes and lineage.

    The other is the project's `read_from` unless it is named.
    """
    from zencache.repository import Repository

    mine = Repository()
    other = _other(mine, request, mode="r" if request.dry_run else "rw")
    _show(mine.push(other, **request.chosen(mine)), request.as_json)


@main.command()
@as_json
@_carrying
def pull(request: _Request) -> None:
    """Carry entries of another repository here, with their bytes and lineage.

    The other is the project's `read_from` unless it is named.
    """
    from zencache.repository import Repository

    mine = Repository()
    other = _other(mine, request, mode="r")
    _show(mine.pull(other, **request.chosen(other)), request.as_json)


def _other(mine: Repository, request: _Request, mode: str) -> Repository:
    from zencache.repository import Repository

    metadata_url, artifacts_url = request.metadata_url, request.artifacts_url
    if bool(metadata_url) != bool(artifacts_url):
        wrong_usage("Name both stores of the other: --metadata URL --artifacts URL.")
    if metadata_url is None or artifacts_url is None:
        if mine.shared_urls is None:
            wrong_usage("Name the other: --metadata URL --artifacts URL, or read_from in [tool.zencache].")
        metadata_url, artifacts_url = mine.shared_urls
    return Repository(metadata=metadata_url, artifacts=artifacts_url, mode=mode)


def _show(carried: Carried, as_json: bool) -> None:
    if as_json:
        told = {
            "entries": list(carried.entries),
            "objects": carried.objects,
            "bytes": carried.size,
            "there": carried.there,
            "refused": dict(carried.refused),
            "dry_run": carried.is_dry_run,
        }
        echo_json(told)
    else:
        verb = "would be carried" if carried.is_dry_run else "carried"
        click.echo(
            f"{len(carried.entries)} entries {verb}: {carried.objects} objects, {carried.size} bytes. "
            f"{carried.there} were there already."
        )
        for name, why in carried.refused.items():
            click.echo(f"not carried: {name}: {why}", err=True)
    if carried.refused:
        click.get_current_context().exit(FAILED)
