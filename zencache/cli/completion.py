"""What a shell offers when Tab is pressed: names that the project knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from zencache.cli.find import find_run, step_names, type_names
from zencache.entity import LATEST

_LAST = 100  # runs that are offered
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete(kind: str) -> Completer:
    """A ``shell_complete`` for ``runs``, ``steps``, ``steps of run``, ``types``, ``pipelines``, ``examples``
    or ``artifacts``, which are completed as ``RUN/STEP``."""

    def offer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from zencache.exceptions import ZencacheError

        try:
            names = list(_names(kind, context, incomplete))
        except (ZencacheError, click.ClickException):  # a shell has nowhere to show it
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete) and name.isprintable()]

    return offer


def _names(kind: str, context: click.Context, incomplete: str) -> Iterable[str]:
    from zencache.examples import ALIASES, examples
    from zencache.repository import Repository

    if kind == "examples":
        return [*examples(), *ALIASES]
    repository = Repository()
    if not repository.stores.metadata.exists:  # asking must not make a project
        return []
    if kind == "types":
        return type_names(repository)
    if kind == "pipelines":
        return [one.name for one in repository.get_pipelines()]
    if kind == "steps":
        return step_names(repository)
    if kind == "steps of run":
        return list(find_run(context.params["run_name"]).steps)
    run_name, separator, _ = incomplete.partition("/")
    if kind == "artifacts" and separator:
        return [f"{run_name}/{step}" for step in find_run(run_name).steps]
    runs = [LATEST, *repository.stores.metadata.read.run_names()[: -_LAST - 1 : -1]]
    return [f"{name}/" for name in runs] if kind == "artifacts" else runs
