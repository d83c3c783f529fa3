"""Commands for bad data: what came of it, and keeping it from being reused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zencache.cli.find import find_artifact
from zencache.cli.group import as_json, main, wrong_usage
from zencache.cli.json_output import echo_json
from zencache.cli.tables import print_table, show_rows

if TYPE_CHECKING:
    from zencache.entity import Quarantine
    from zencache.view import ArtifactView


@main.command()
@click.argument("artifact")
@as_json
def impact(artifact: str, as_json: bool) -> None:
    """Tell what would be tainted if ARTIFACT is bad: see `zencache lineage` for what names one."""
    from zencache.repository import Repository

    repository = Repository()
    start = find_artifact(repository, artifact)
    found = repository.impact(start)
    artifacts = [_facts(one) for one in found.artifacts[::-1]]
    if as_json:
        told = {
            "artifact": _facts(start),
            "same_content": [_facts(one) for one in found.same],
            "artifacts": artifacts,
            "steps": [f"{step.run.name}/{step.name}" for step in found.steps],
            "runs": [run.name for run in found.runs],
            "pipelines": list(found.pipelines),
        }
        echo_json(told)
        return
    what = f"Artifact {start.id} ({start.type}{_again(len(found.same))})"
    where = f"{len(found.runs)} runs of {', '.join(found.pipelines) or 'no pipeline'}"
    click.echo(f"{what}: {len(found.artifacts)} artifacts came of it, in {where}.")
    if artifacts:
        print_table(artifacts, ("id", "type", "made by", "run", "digest"))
        click.echo(f'To keep them from being reused: zencache quarantine {start.id} --reason "..."')


@main.command()
@click.argument("artifact", required=False)
@click.option("--reason", help="What is wrong with it.")
@click.option("--lift", is_flag=True, help="Take the quarantine of ARTIFACT back.")
@as_json
def quarantine(artifact: str | None, reason: str | None, lift: bool, as_json: bool) -> None:
    """Let nothing be reused that came of ARTIFACT; without ARTIFACT, list what is quarantined."""
    from zencache.repository import Repository

    repository = Repository()
    if artifact is None:
        if reason or lift:
            wrong_usage("Name the artifact: zencache quarantine ARTIFACT ...")
        found = repository.quarantines()
    elif lift:
        found = [repository.lift_quarantine(find_artifact(repository, artifact))]
    elif reason is None:
        wrong_usage("Content is quarantined for a reason: --reason TEXT.")
    else:
        found = [repository.quarantine(find_artifact(repository, artifact), reason)]
    show_rows(
        as_json,
        [_quarantine_facts(one) for one in found[::-1]],
        ("digest", "reason", "by", "when", "lifted"),
        empty="Nothing is quarantined.",
    )


def _again(same: int) -> str:
    return f", made {same} times" if same > 1 else ""


def _facts(artifact: ArtifactView) -> dict[str, Any]:
    maker = artifact.producer_step
    return {
        "id": artifact.id,
        "type": artifact.type,
        "made by": maker.name if maker else "",
        "run": maker.run.name if maker else "",
        "digest": artifact.digest,
        "uri": artifact.uri,
    }


def _quarantine_facts(one: Quarantine) -> dict[str, Any]:
    return {
        "digest": one.digest,
        "reason": one.reason,
        "by": one.by,
        "when": one.when.isoformat(timespec="seconds"),
        "lifted": one.is_lifted,
    }
