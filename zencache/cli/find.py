"""What a name typed on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zencache.cli.group import wrong_usage

if TYPE_CHECKING:
    from zencache.view import Run


def find_run(name: str) -> Run:
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
        wrong_usage(f"{len(matches)} runs begin with `{name}`, among them {shown}. Give more of the name.")
    return matches[0] if matches else repository.get_run(name)
