"""Commands that check what is reused, and say what may be."""

from __future__ import annotations

import dataclasses
import sys

import click

from zencache.cli.completion import complete
from zencache.cli.find import find_run
from zencache.cli.group import FAILED, FINE, as_json, main, wrong_usage
from zencache.cli.tables import show_rows


@main.command()
@click.argument("run_name", metavar="[RUN]", default="latest", shell_complete=complete("runs"))
@click.option("--sample", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Share of steps.")
@as_json
def verify(run_name: str, sample: float, as_json: bool) -> None:
    """Check the objects of RUN against their digests, and execute its steps again to compare them."""
    from zencache.repository import Repository
    from zencache.verification import verify

    found = verify(find_run(run_name), repository=Repository(), sample=sample)
    rows = [dataclasses.asdict(row) for row in found]
    show_rows(as_json, rows, ("step", "verdict", "detail"), empty="The run has no outputs.")
    sys.exit(FINE if all(row.is_fine for row in found) else FAILED)


@main.command()
@click.argument("step", required=False, shell_complete=complete("steps"))
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
        wrong_usage("An edit is accepted for a reason: --reason TEXT.")
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
    show_rows(as_json, rows, ("step", "reason", "by", "when", "revoked"), empty="No edit is accepted.")
