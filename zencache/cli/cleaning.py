"""Commands that free space: garbage collection, and what is kept from it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from zencache.cli.find import find_artifact, find_artifact_or_run
from zencache.cli.group import as_json, main
from zencache.cli.json_output import echo_json
from zencache.cli.tables import print_table, show_rows
from zencache.quantity import counted, show_bytes
from zencache.visible import visible

if TYPE_CHECKING:
    from zencache.entity import Pin
    from zencache.gc import Collected, GcReport

_SHOWN = 20  # objects that a table names; --json names all


@main.command()
@click.option("--older-than", metavar="AGE", help="What was not used for so long goes: 30d, 12h, 90m.")
@click.option(
    "--keep-last", type=click.IntRange(min=0), metavar="N", help="Keep what each pipeline's last N runs used."
)
@click.option("--max-bytes", metavar="SIZE", help="At most so much stays: 10GB, 500MB, 2GiB.")
@click.option("--max-count", type=click.IntRange(min=0), metavar="N", help="At most so many objects stay.")
@click.option("--pipeline", metavar="NAME", help="Only what no other pipeline used.")
@click.option("--step", metavar="NAME", help="Only what no other step made.")
@click.option(
    "--grace", default="1h", show_default=True, metavar="AGE", help="What was written since then stays."
)
@click.option("--delete", is_flag=True, help="Do it; without this, it is only shown.")
@as_json
def gc(
    older_than: str | None,
    keep_last: int | None,
    max_bytes: str | None,
    max_count: int | None,
    pipeline: str | None,
    step: str | None,
    grace: str,
    delete: bool,
    as_json: bool,
) -> None:
    """Free space: remove bytes that were not used for long. Their lineage stays.

    Nothing is changed without --delete. What is pinned, and what a running run uses, stays.
    """
    from zencache.repository import Repository

    report = Repository().gc(
        older_than=older_than,
        keep_last=keep_last,
        max_bytes=max_bytes,
        max_count=max_count,
        pipeline=pipeline,
        step=step,
        grace=grace,
        dry_run=not delete,
    )
    if as_json:
        echo_json(dataclasses.asdict(report))
        return
    _print(report)
    if report.is_dry_run and (report.removed or report.records):
        click.echo("Nothing was changed. To do it, add --delete.")


def _print(report: GcReport) -> None:
    _print_removed(report.removed)
    would = "would be removed" if report.is_dry_run else "removed"
    texts = f" and {counted(report.records, 'text')}" if report.records else ""
    frees = "frees" if not report.is_dry_run else "would free"
    gone = counted(len(report.removed), "object") + texts
    click.echo(f"{gone} {would}: {frees} {show_bytes(report.freed)}.")
    click.echo(f"Kept: {counted(len(report.kept), 'object')}, {show_bytes(report.size)}.")
    kinds: Counter[str] = Counter()
    for one in report.kept:
        kinds[_kind(one.why)] += 1
    for kind, number in kinds.most_common():
        click.echo(f"  {number} {kind}")
    for url in report.shared_with:
        click.echo(f"Note: {url} uses the same artifact store; what it refers to is not known here.")


def _print_removed(removed: Sequence[Collected]) -> None:
    if removed:
        print_table([_row(one) for one in removed[:_SHOWN]], ("digest", "artifacts", "size", "why"))
    if len(removed) > _SHOWN:
        click.echo(f"... and {len(removed) - _SHOWN} more; --json lists all.")


def _kind(why: str) -> str:
    """A reason without what is of one object alone."""
    return "used more recently" if why.startswith("used ") and why.endswith(" ago") else why


def _row(one: Collected) -> dict[str, Any]:
    return {
        "digest": one.digest,
        "artifacts": ", ".join(map(str, one.artifacts)),
        "size": show_bytes(one.size),
        "why": one.why,
    }


@main.command()
@click.option("--derived-from", "artifact", required=True, metavar="ARTIFACT", help="What it came from.")
@click.option("--include-itself", is_flag=True, help="The bytes of ARTIFACT, too.")
@click.option("--even-pinned", is_flag=True, help="Pins do not count.")
@click.option("--delete", is_flag=True, help="Do it; without this, it is only shown.")
@as_json
def purge(artifact: str, include_itself: bool, even_pinned: bool, delete: bool, as_json: bool) -> None:
    """Remove the bytes of everything that came from ARTIFACT. Their lineage stays."""
    from zencache.repository import Repository

    repository = Repository()
    report = repository.purge(
        find_artifact(repository, artifact),
        include_itself=include_itself,
        even_pinned=even_pinned,
        dry_run=not delete,
    )
    if as_json:
        echo_json(dataclasses.asdict(report))
        return
    _print_removed(report.removed)
    would, frees = ("would be removed", "would free") if report.is_dry_run else ("removed", "frees")
    click.echo(f"{counted(len(report.removed), 'object')} {would}: {frees} {show_bytes(report.freed)}.")
    for one in report.kept:
        click.echo(f"Stays: {one.digest}: {one.why}.")
    for uri in report.external:
        click.echo(f"Not in the artifact store, and left alone: {visible(uri)}")
    for pin in report.pinned:
        click.echo(f"Pinned: {visible(pin)}")
    if report.is_dry_run and report.removed:
        click.echo("Nothing was changed. To do it, add --delete.")


@main.command()
@click.argument("target", metavar="ARTIFACT|RUN")
@click.option("--reason", default="", help="Why it shall stay.")
def pin(target: str, reason: str) -> None:
    """Keep the bytes of an artifact, or of everything that a run made, reused or took."""
    from zencache.repository import Repository

    repository = Repository()
    click.echo(f"Pinned {repository.pin(find_artifact_or_run(repository, target), reason)}.")


@main.command()
@click.argument("target", metavar="ARTIFACT|RUN")
def unpin(target: str) -> None:
    """Take a pin back."""
    from zencache.repository import Repository

    repository = Repository()
    click.echo(f"{repository.unpin(find_artifact_or_run(repository, target))} is not pinned any more.")


@main.command()
@as_json
def pins(as_json: bool) -> None:
    """List what is pinned, the newest first."""
    from zencache.repository import Repository

    rows = [_pin_facts(one) for one in Repository().pins()[::-1]]
    show_rows(as_json, rows, ("kind", "target", "reason", "by", "when"), empty="Nothing is pinned.")


def _pin_facts(one: Pin) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "target": one.target,
        "reason": one.reason,
        "by": one.by,
        "when": one.when.isoformat(timespec="seconds"),
    }
