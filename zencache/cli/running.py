"""Commands that make a project, and run and plan pipelines."""

from __future__ import annotations

from collections.abc import Iterable

import click

from zencache.cli.group import as_json, main
from zencache.cli.json_output import echo_json

_PARAM = "An argument of the pipeline: JSON or plain text, as its annotation takes it."


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
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help=_PARAM)
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

    pipeline = load_pipeline(target, parse_params(params))
    click.echo(pipeline.run(run_name=run_name, enable_cache=enable_cache, refresh=refresh or None).name)


@main.command()
@click.argument("target", metavar="FILE[:PIPELINE]")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help=_PARAM)
@click.option("--cache/--no-cache", "enable_cache", default=None, help="As for `run`.")
@click.option("--refresh", multiple=True, metavar="STEP[+]", help="As for `run`.")
@as_json
def plan(
    target: str, params: tuple[str, ...], enable_cache: bool | None, refresh: tuple[str, ...], as_json: bool
) -> None:
    """Show what a run would do now, and why. Nothing runs and nothing is changed."""
    from zencache.loading import load_pipeline

    made = load_pipeline(target, parse_params(params)).plan(
        enable_cache=enable_cache, refresh=refresh or None
    )
    if as_json:
        rows = [
            {"step": s.name, "prediction": s.prediction.value, "reasons": s.reasons, "seconds": s.seconds}
            for s in made
        ]
        echo_json({"pipeline": made.pipeline, "seconds": made.seconds, "steps": rows})
    else:
        click.echo(str(made))


def parse_params(params: Iterable[str]) -> dict[str, str]:
    """The names and values of ``NAME=VALUE`` texts."""
    parsed: dict[str, str] = {}
    for param in params:
        name, separator, text = param.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{param!r} is not NAME=VALUE", param_hint="--param")
        parsed[name] = text
    return parsed
