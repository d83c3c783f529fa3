"""The command `zencache` itself: what all of its commands share in reading and in failing."""

from __future__ import annotations

import io
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

import click

from zencache.visible import visible

_NEWLINE = "\n"
_SENTENCE = 300  # letters
FINE, FAILED, WRONG_USAGE = 0, 1, 2


class Commands(click.Group):
    """Shows an error of zencache as one message, without a traceback unless ``--debug`` asks for it."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _write_any_letter()
        return super().main(*args, **kwargs)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        for argument in args:
            try:
                argument.encode()
            except UnicodeEncodeError as error:
                raise click.UsageError(
                    f"{argument!a} has letters that Python cannot read in this locale. "
                    "Set PYTHONUTF8=1, or LC_ALL=C.UTF-8.",
                    context,
                ) from error
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        from zencache.exceptions import StepFailed, ZencacheError

        try:
            return super().invoke(context)
        except ZencacheError as error:
            if context.params.get("debug"):
                traceback.print_exc()
            else:
                click.echo(f"Error: {visible(str(error), keep=_NEWLINE)}", err=True)
            context.exit(FAILED if isinstance(error, StepFailed) else WRONG_USAGE)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows what to do, with `| head` too
        except Exception as error:
            if context.params.get("debug"):
                raise
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            with suppress(OSError, AttributeError):  # a stderr that is full or closed
                click.echo(
                    f"Error: {visible(text, keep=_NEWLINE)}\n  hint: `zencache --debug` shows the traceback.",
                    err=True,
                )
            context.exit(FAILED)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The whole first sentence of each command, wrapped; click would cut it off."""
        commands = [(name, self.commands[name]) for name in self.list_commands(context)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(_SENTENCE)) for name, one in commands])


def _write_any_letter() -> None:
    """What the terminal or the pipe has no letter for is written as an escape, and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="zencache")
def main(debug: bool) -> None:
    """Step caching for TFX-style pipelines, with ML Metadata as its memory."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def wrong_usage(message: str) -> NoReturn:
    raise click.UsageError(visible(message))
