"""The command line: each command calls one documented function of the library and prints what it gives."""

from __future__ import annotations

import dataclasses
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from zencache.view import Run, StepView

FINE, FAILED, WRONG_USAGE = 0, 1, 2
_WIDE = 10_000


class _Commands(click.Group):
    """Shows an error of zencache as one message, without a traceback unless ``--debug`` asks for it."""

    def invoke(self, context: click.Context) -> Any:
        from zencache.exceptions import StepFailed, ZencacheError

        try:
            return super().invoke(context)
        except ZencacheError as error:
            if context.params.get("debug"):
                traceback.print_exc()
            else:
                click.echo(f"Error: {error}", err=True)
            context.exit(FAILED if isinstance(error, StepFailed) else WRONG_USAGE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="zencache")
def main(debug: bool) -> None:
    """Step caching for TFX-style pipelines, with ML Metadata as its memory."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@main.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, exists=True))
def init(folder: str) -> None:
    """Make FOLDER a project: its metadata and artifacts lie in `.zencache` there."""
    from zencache.repository import Repository
    from zencache.settings import make_folder

    repository = Repository(folder)
    make_folder(repository.root)
    repository.get_pipelines()  # opens the metadata store, which makes it
    click.echo(f"Metadata:  {repository.metadata_url}\nArtifacts: {repository.artifacts_url}")


@main.command()
@click.argument("target", metavar="FILE[:PIPELINE]")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="An argument of the pipeline.")
@click.option("--run-name", help="Name of the run; made from the pipeline's name and the time unless given.")
@click.option(
    "--cache/--no-cache", "enable_cache", default=None, help="Use the cache for every step, or for none."
)
@click.option(
    "--refresh", multiple=True, metavar="STEP[+]", help="Run a step anew; with + also all below it."
)
def run(
    target: str,
    params: tuple[str, ...],
    run_name: str | None,
    enable_cache: bool | None,
    refresh: tuple[str, ...],
) -> None:
    """Run a pipeline: one that FILE binds, or a @pipeline function in it, bound with its defaults."""
    from zencache.loading import load_pipeline

    pipeline = load_pipeline(target, _parse_params(params))
    click.echo(pipeline.run(run_name=run_name, enable_cache=enable_cache, refresh=refresh or None).name)


@main.command()
@click.option("--pipeline", help="Only the runs of this pipeline.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@as_json
def runs(pipeline: str | None, limit: int, as_json: bool) -> None:
    """List the last runs, the newest first."""
    from zencache.repository import Repository

    found = Repository().get_runs(pipeline, limit)[::-1]
    _show(
        as_json,
        [_run_facts(one) for one in found],
        ("name", "pipeline", "status", "started", "duration", "saved"),
        empty="No pipeline has run yet.",
    )


@main.command()
@click.argument("run_name", metavar="RUN")
@as_json
def show(run_name: str, as_json: bool) -> None:
    """Show the steps of RUN: a run's name, the beginning of one, or `latest`."""
    found = _find_run(run_name)
    steps = [_step_facts(step) for step in found.steps.values()]
    if as_json:
        click.echo(json.dumps({**_run_facts(found), **found.facts, "steps": steps}, indent=2, default=str))
        return
    click.echo(f"Run {found.name} of {found.pipeline}: {found.status} in {found.duration:.3f}s")
    click.echo("  ".join(f"{label} {text}" for label, text in found.facts.items()))
    _print_table(steps, ("step", "status", "duration", "reason", "parameters", "outputs"))
    for step in found.steps.values():
        if step.error:
            click.echo(f"{step.name} failed: {step.error}")


@main.command()
@click.argument("target", metavar="FILE[:PIPELINE]")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="An argument of the pipeline.")
@click.option("--cache/--no-cache", "enable_cache", default=None, help="As for `run`.")
@click.option("--refresh", multiple=True, metavar="STEP[+]", help="As for `run`.")
@as_json
def plan(
    target: str, params: tuple[str, ...], enable_cache: bool | None, refresh: tuple[str, ...], as_json: bool
) -> None:
    """Show what a run would do now, and why. Nothing runs and nothing is changed."""
    from zencache.loading import load_pipeline

    made = load_pipeline(target, _parse_params(params)).plan(
        enable_cache=enable_cache, refresh=refresh or None
    )
    if as_json:
        rows = [
            {"step": s.name, "prediction": s.prediction.value, "reasons": s.reasons, "seconds": s.seconds}
            for s in made
        ]
        click.echo(json.dumps({"pipeline": made.pipeline, "seconds": made.seconds, "steps": rows}, indent=2))
    else:
        click.echo(str(made))


@main.command()
@click.argument("run_name", metavar="RUN")
@click.argument("step")
@as_json
def why(run_name: str, step: str, as_json: bool) -> None:
    """Tell why STEP of RUN was taken from the cache, or was not."""
    told = _find_run(run_name).steps[step].why()
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

    found = Repository().compare(_find_run(run_a), _find_run(run_b))
    click.echo(json.dumps(dataclasses.asdict(found), indent=2) if as_json else str(found))


@main.command()
@click.argument("run_name", metavar="[RUN]", default="latest")
@click.option("--sample", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Share of steps.")
@as_json
def verify(run_name: str, sample: float, as_json: bool) -> None:
    """Check the objects of RUN against their digests, and execute its steps again to compare them."""
    from zencache.repository import Repository
    from zencache.verification import verify

    found = verify(_find_run(run_name), repository=Repository(), sample=sample)
    rows = [dataclasses.asdict(row) for row in found]
    _show(as_json, rows, ("step", "verdict", "detail"), empty="The run has no outputs.")
    sys.exit(FINE if all(row.is_fine for row in found) else FAILED)


@main.command()
@click.argument("step", required=False)
@click.option("--reason", help="Why the edit is harmless.")
@click.option("--revoke", is_flag=True, help="Take back what was accepted of STEP.")
@as_json
def accept(step: str | None, reason: str | None, revoke: bool, as_json: bool) -> None:
    """Let recorded results of STEP hold for its edited code; without STEP, list what is accepted."""
    from zencache import acceptance
    from zencache.repository import Repository

    repository = Repository()
    if step is None:
        found = acceptance.acceptances(repository)
    elif revoke:
        found = acceptance.revoke(step, repository=repository)
    elif reason is None:
        _wrong_usage("An edit is accepted for a reason: --reason TEXT.")
    else:
        found = [acceptance.accept(step, reason, repository=repository)]
    rows = [
        {
            "step": one.step,
            "reason": one.reason,
            "by": one.by,
            "when": one.when.isoformat(timespec="seconds"),
            "revoked": one.is_revoked or revoke,
            "new": one.new,
            "old": one.old,
        }
        for one in found
    ]
    _show(as_json, rows, ("step", "reason", "by", "when", "revoked"), empty="No edit is accepted.")


@main.group()
def example() -> None:
    """The examples that come with zencache."""


@example.command("list")
@as_json
def list_examples(as_json: bool) -> None:
    """List the examples."""
    from zencache.examples import examples

    rows = [{"name": name, "about": one.about} for name, one in examples().items()]
    _show(as_json, rows, ("name", "about"), empty="No examples are installed.")


@example.command("run")
@click.argument("name")
def run_example(name: str) -> None:
    """Run the example NAME in this folder."""
    from zencache.examples import find_example

    sys.exit(find_example(name).run())


@example.command("pull")
@click.argument("name")
def pull_example(name: str) -> None:
    """Copy the example NAME into `zencache_examples/NAME`, to be run there by `python run.py`."""
    from zencache.examples import find_example

    click.echo(f"Copied to {find_example(name).pull(name)}. Next: cd there, and python run.py")


def _parse_params(params: Iterable[str]) -> dict[str, Any]:
    """``NAME=VALUE`` texts; a value is read as JSON if it is that, else as text."""
    parsed: dict[str, Any] = {}
    for param in params:
        name, separator, text = param.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{param!r} is not NAME=VALUE", param_hint="--param")
        try:
            parsed[name] = json.loads(text)
        except ValueError:
            parsed[name] = text
    return parsed


def _find_run(name: str) -> Run:
    """The run of a name, of an unambiguous beginning of one, or the latest."""
    from zencache.repository import Repository

    repository = Repository()
    everything = repository.get_runs(limit=None)
    if name == "latest" and everything:
        return everything[-1]
    matches = [one for one in everything if one.name == name] or [
        one for one in everything if one.name.startswith(name)
    ]
    if len(matches) > 1:
        shown = ", ".join(one.name for one in matches[-3:])
        _wrong_usage(f"{len(matches)} runs begin with `{name}`, among them {shown}. Give more of the name.")
    return matches[0] if matches else repository.get_run(name)


def _wrong_usage(message: str) -> NoReturn:
    raise click.UsageError(message)


def _run_facts(one: Run) -> dict[str, Any]:
    return {
        "name": one.name,
        "pipeline": one.pipeline,
        "status": one.status,
        "started": one.started.isoformat(timespec="seconds"),
        "duration": round(one.duration, 3),
        "saved": round(one.saved, 3),
    }


def _step_facts(step: StepView) -> dict[str, Any]:
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


def _show(as_json: bool, rows: list[dict[str, Any]], columns: tuple[str, ...], *, empty: str) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif not rows:
        click.echo(empty)
    else:
        _print_table(rows, columns)


_CELLS: Mapping[str, Callable[[Any], str]] = {
    "duration": lambda value: f"{value:.3f}s",
    "saved": lambda value: f"{value:.1f}s",
    "started": lambda value: value[5:16].replace("T", " "),
    "parameters": lambda value: ", ".join(f"{name}={item}" for name, item in value.items()),
    "outputs": ", ".join,
}


def _print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        # The first column is what the next command is given: it is never cut.
        table.add_column(column, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_CELLS.get(column, str)(row[column])) for column in columns))
    # What goes into a pipe is for programs: each row is one line there.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


if __name__ == "__main__":
    main()
