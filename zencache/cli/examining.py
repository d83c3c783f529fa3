"""The command that finds and mends what crashes and hands have left."""

from __future__ import annotations

import dataclasses
import sys

import click

from zencache.cli.group import FAILED, FINE, as_json, main
from zencache.cli.json_output import echo_json
from zencache.visible import visible


@main.command()
@click.option("--mend", is_flag=True, help="Mend what is found; without this, it is only told.")
@click.option("--deep", is_flag=True, help="Read every byte, not only sizes.")
@click.option("--grace", default="1h", show_default=True, metavar="AGE", help="What is younger stays.")
@as_json
def doctor(mend: bool, deep: bool, grace: str, as_json: bool) -> None:
    """Look for what is wrong in the stores: one line each, with what mending does.

    Exit code 1 if something is wrong and has not been mended.
    """
    from zencache.repository import Repository

    found = Repository().doctor(mend=mend, deep=deep, grace=grace)
    wrong = [one for one in found if not one.is_mended]
    if as_json:
        echo_json([dataclasses.asdict(one) for one in found])
    else:
        for one in found:
            click.echo(visible(str(one)))
        if not found:
            click.echo("Nothing is wrong.")
        elif wrong and not mend:
            click.echo("Nothing was changed. To mend it: zencache doctor --mend")
    sys.exit(FAILED if wrong else FINE)
