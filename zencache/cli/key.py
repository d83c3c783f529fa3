"""Commands for signing keys."""

from __future__ import annotations

import click

from zencache.cli.group import main, wrong_usage


@main.group()
def key() -> None:
    """Keys that sign what is recorded: docs/security.md tells what for."""


@key.command()
@click.argument("file", type=click.Path(dir_okay=False))
def new(file: str) -> None:
    """Make a private key in FILE, and its public key in FILE.pub. A file that is there is kept."""
    from zencache.settings import SIGNING_KEY_VARIABLE
    from zencache.signing import SigningKey

    made = SigningKey.create(file)
    click.echo(made.public)
    click.echo(
        f"Sign with it: {SIGNING_KEY_VARIABLE}={file}, or signing_key in [tool.zencache]. Others accept it "
        "by require_signatures, with the line above.",
        err=True,
    )


@key.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False))
def show(file: str | None) -> None:
    """Print the public key of FILE, or of the key that this project signs with."""
    from zencache.settings import find_settings
    from zencache.signing import SigningKey

    path = file or find_settings().signing_key
    if not path:
        wrong_usage("No key is set. Name its file: zencache key show FILE.")
    click.echo(SigningKey.load(path).public)
