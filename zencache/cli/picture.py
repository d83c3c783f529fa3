"""The command that shows runs in a browser."""

from __future__ import annotations

import webbrowser

import click

from zencache.cli.group import main


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8237, show_default=True, type=click.IntRange(0, 65535), help="0 for any that is free."
)
@click.option("--open/--no-open", "is_opened", default=True, help="Open the page in a browser.")
def ui(host: str, port: int, is_opened: bool) -> None:
    """Serve a page that shows runs: graph, artifacts, lineage, comparisons and time saved.

    It changes nothing, and there is no password: whoever reaches the address sees the runs. It listens on
    the loopback address, which only this machine reaches, unless --host says otherwise.
    """
    from zencache.report import serve
    from zencache.repository import Repository

    def ready(url: str) -> None:
        click.echo(f"Serving {url} - end with Ctrl-C.")
        if is_opened:
            webbrowser.open(url)

    serve(Repository(), host=host, port=port, ready=ready)
