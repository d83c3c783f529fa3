"""Commands that ask what happened: runs, their steps, and why."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from zencache.cli.find import find_run
from zencache.cli.group import as_json, main
from zencache.cli.tables import print_table, show_rows

if TYPE_CHECKING:
    from zencache.view import Run, StepView


@main.command()
@click.option("--pipeline", help="Only the runs of this pipeline.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@as_json
def runs(pipeline: str | None, limit: int, as_json: bool) -> None:
    """List the last runs, the newest first."""
    from zencache.repository import Repository

    found = Repository().get_runs(pipeline, limit)[::-1]
    show_rows(
        as_json,
        [run_facts(one) for one in found],
        ("name", "pipeline", "status", "started", "duration", "saved"),
        empty="No pipeline has run yet.",
    )


@main.command()
@click.argument("run_name", metavar="RUN")
@as_json
def show(run_name: str, as_json: bool) -> None:
    """Show the steps of RUN: a run's name, the beginning of one, or `latest`."""
    found = find_run(run_name)
    steps = [step_facts(step) for step in found.steps.values()]
    if as_json:
        click.echo(json.dumps({**run_facts(found), **found.facts, "steps": steps}, indent=2, default=str))
        return
    click.echo(f"Run {found.name} of {found.pipeline}: {found.status} in {found.duration:.3f}s")
    click.echo("  ".join(f"{label} {text}" for label, text in found.facts.items()))
    print_table(steps, ("step", "status", "duration", "reason", "parameters", "outputs"))
    for step in found.steps.values():
        if step.error:
            click.echo(f"{step.name} failed: {step.error}")


@main.command()
@click.argument("run_name", metavar="RUN")
@click.argument("step")
@as_json
def why(run_name: str, step: str, as_json: bool) -> None:
    """Tell why STEP of RUN was taken from the cache, or was not."""
    told = find_run(run_name).steps[step].why()
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(told), "follows_from": told.follows_from}, indent=2))
    else:
        click.echo(str(told))


@main.command()
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@as_json
def diff(run_a: str, run_b: str, as_json: bool) -> None:
    """Tell in which step two runs first differ, and in which parts of its cache key."""
    from zencache.repository import Repository

    found = Repository().compare(find_run(run_a), find_run(run_b))
    click.echo(json.dumps(dataclasses.asdict(found), indent=2) if as_json else str(found))


def run_facts(one: Run) -> dict[str, Any]:
    return {
        "name": one.name,
        "pipeline": one.pipeline,
        "status": one.status,
        "started": one.started.isoformat(timespec="seconds"),
        "duration": round(one.duration, 3),
        "saved": round(one.saved, 3),
    }


def step_facts(step: StepView) -> dict[str, Any]:
    return {
        "step": step.name,
        "status": step.status,
        "duration": round(step.duration, 4),
        "reason": step.reason,
        "cache_key": step.cache_key,
        "parameters": step.parameters,
        "inputs": {name: artifact.uri for name, artifact in step.inputs.items()},
        "outputs": {name: artifact.uri for name, artifact in step.outputs.items()},
        "error": step.error or None,
    }
