"""Commands that ask what happened: runs, their steps, and why."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from zencache.cli.completion import complete
from zencache.cli.find import check_names, find_run
from zencache.cli.group import as_json, main
from zencache.cli.json_output import echo_json, json_text
from zencache.cli.tables import print_table, show_rows
from zencache.visible import visible

if TYPE_CHECKING:
    from zencache.view import Run, StepView

_NEWLINE = "\n"


@main.command()
@click.option("--pipeline", shell_complete=complete("pipelines"), help="Only the runs of this pipeline.")
@click.option(
    "--status",
    type=click.Choice(["completed", "failed", "running", "canceled"]),
    help="Only runs that ended so.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@as_json
def runs(pipeline: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """List the last runs, the newest first."""
    from zencache.repository import Repository

    repository = Repository()
    check_names(repository, pipeline=pipeline)
    found = repository.get_runs(pipeline, limit, status=status)[::-1]
    show_rows(
        as_json,
        [run_facts(one) for one in found],
        ("name", "pipeline", "status", "started", "duration", "saved"),
        empty="No pipeline has run yet.",
    )


@main.command()
@click.argument("run_name", metavar="RUN", shell_complete=complete("runs"))
@as_json
def show(run_name: str, as_json: bool) -> None:
    """Show the steps of RUN: a run's name, the beginning of one, or `latest`."""
    found = find_run(run_name)
    steps = [step_facts(step) for step in found.steps.values()]
    if as_json:
        echo_json({**run_facts(found), **found.facts, "steps": steps})
        return
    name, pipeline = visible(found.name), visible(found.pipeline)
    click.echo(f"Run {name} of {pipeline}: {found.status} in {found.duration:.3f}s")
    click.echo(visible("  ".join(f"{label} {text}" for label, text in found.facts.items())))
    print_table(steps, ("step", "status", "duration", "reason", "parameters", "outputs"))
    for step in found.steps.values():
        if step.beam_pipeline_args:
            click.echo(visible(f"{step.name} ran with {' '.join(step.beam_pipeline_args)}"))
        if step.error:
            click.echo(f"{visible(step.name)} failed: {visible(step.error, keep=_NEWLINE)}")
            click.echo(f"  {_last_success(step)}")


def _last_success(step: StepView) -> str:
    worked = step.last_success
    if worked is None:
        return "It has not worked before."
    began = worked.run.started.isoformat(sep=" ", timespec="minutes")[:16]
    return f"It last worked in {visible(worked.run.name)}, begun {began} UTC."


@main.command()
@click.argument("run_name", metavar="RUN", shell_complete=complete("runs"))
@click.argument("step", shell_complete=complete("steps of run"))
@as_json
def why(run_name: str, step: str, as_json: bool) -> None:
    """Tell why STEP of RUN was taken from the cache, or was not."""
    told = find_run(run_name).steps[step].why()
    if as_json:
        echo_json({**dataclasses.asdict(told), "follows_from": told.follows_from})
    else:
        click.echo(visible(str(told), keep=_NEWLINE))


@main.command()
@click.argument("run_a", metavar="RUN_A", shell_complete=complete("runs"))
@click.argument("run_b", metavar="RUN_B", shell_complete=complete("runs"))
@as_json
def diff(run_a: str, run_b: str, as_json: bool) -> None:
    """Tell in which step two runs first differ, and in which parts of its cache key."""
    from zencache.repository import Repository

    found = Repository().compare(find_run(run_a), find_run(run_b))
    text = json_text(dataclasses.asdict(found)) if as_json else visible(str(found), keep=_NEWLINE)
    click.echo(text)


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
    worked = step.last_success if step.error else None
    return {
        "step": step.name,
        "status": step.status,
        "duration": round(step.duration, 4),
        "reason": step.reason,
        "cache_key": step.cache_key,
        "parameters": step.parameters,
        "beam_pipeline_args": step.beam_pipeline_args,
        "inputs": {name: artifact.uri for name, artifact in step.inputs.items()},
        "outputs": {name: artifact.uri for name, artifact in step.outputs.items()},
        "error": step.error or None,
        "last_success": worked.run.name if worked else None,
    }
