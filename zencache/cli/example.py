"""Commands for the examples that come with zencache."""

from __future__ import annotations

import sys

import click

from zencache.cli.completion import complete
from zencache.cli.group import as_json, main
from zencache.cli.tables import show_rows


@main.group()
def example() -> None:
    """The examples that come with zencache."""


@example.command("list")
@as_json
def list_examples(as_json: bool) -> None:
    """List the examples."""
    from zencache.examples import examples

    rows = [{"name": name, "about": one.about} for name, one in examples().items()]
    show_rows(as_json, rows, ("name", "about"), empty="No examples are installed.")


@example.command("run")
@click.argument("name", shell_complete=complete("examples"))
def run_example(name: str) -> None:
    """Run the example NAME in this folder."""
    from zencache.examples import find_example

    sys.exit(find_example(name).run())


@example.command("pull")
@click.argument("name", shell_complete=complete("examples"))
def pull_example(name: str) -> None:
    """Copy the example NAME into `zencache_examples/NAME`, to be run there by `python run.py`."""
    from zencache.examples import INSTALL, find_example

    found = find_example(name)
    first = f"{INSTALL}, " if found.missing else ""
    click.echo(f"Copied to {found.pull(name)}. Next: {first}cd there, and python run.py")
