"""The command that asks what steps and runs cost, and how much of it was saved."""

from __future__ import annotations

import dataclasses

import click

from zencache.cli.group import as_json, main
from zencache.cli.json_output import echo_json
from zencache.cli.tables import print_table
from zencache.quantity import show_bytes


@main.command()
@click.option("--pipeline", help="Only the runs of this pipeline.")
@click.option("--last", default=100, show_default=True, type=click.IntRange(min=1), help="How many runs.")
@click.option("--all", "everything", is_flag=True, help="All runs, however many there are.")
@click.option("--runs", "by_run", is_flag=True, help="A row for each run instead of each step.")
@as_json
def stats(pipeline: str | None, last: int, everything: bool, by_run: bool, as_json: bool) -> None:
    """Tell what steps cost, the dearest first, and how much caching saved."""
    from zencache.repository import Repository

    repository = Repository()
    found = repository.stats(pipeline, None if everything else last)
    if pipeline is not None and not found.runs:
        repository.get_pipeline(pipeline)  # if there is none of the name, that is what is to be told
    if as_json:
        echo_json(dataclasses.asdict(found))
        return
    tallies = found.runs[::-1] if by_run else found.steps
    if not tallies:
        click.echo("No pipeline has run yet.")
        return
    rows = [
        {
            "run" if by_run else "step": tally.name,
            "hits": tally.hits,
            "misses": tally.misses,
            "failures": tally.failures,
            "took": f"{tally.seconds:.1f}s",
            "saved": tally.saved,
            "written": show_bytes(tally.bytes),
        }
        for tally in tallies
    ]
    print_table(rows, tuple(rows[0]))
    total = found.total
    click.echo(
        f"{len(found.runs)} runs: {_count(total.hits, 'hit')}, {_count(total.misses, 'miss', 'misses')}, "
        f"{_count(total.failures, 'failure')}; took {total.seconds:.1f}s, saved {total.saved:.1f}s, "
        f"wrote {show_bytes(total.bytes)}."
    )


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
