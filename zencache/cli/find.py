"""What a name typed on the command line means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zencache.cli.group import wrong_usage
from zencache.entity import LATEST
from zencache.exceptions import NotFoundError, nearest

if TYPE_CHECKING:
    from zencache.repository import Repository
    from zencache.view import ArtifactView, Run

_SHOWN = 5  # of what an ambiguous name may mean
_LISTED = 3000  # names that the one that was typed is compared with
_DIGITS = 18  # of the longest id that MLMD can have, nearly


def find_run(name: str) -> Run:
    """The run of a name, of an unambiguous beginning of one, or the latest."""
    from zencache.repository import Repository

    repository = Repository()
    names = repository.stores.metadata.read.run_names()
    if name == LATEST and names:
        return repository.get_run(names[-1])
    matches = [name] if name in names else [one for one in names if one.startswith(name)]
    if len(matches) > 1:
        shown = ", ".join(matches[-_SHOWN:])
        wrong_usage(f"{len(matches)} runs begin with `{name}`, among them {shown}. Give more of the name.")
    if names and not matches:
        raise NotFoundError(
            f"There is no run `{name}`.",
            facts={"metadata": repository.metadata_url},
            hint=nearest(name, [LATEST, *names]),
        )
    return repository.get_run(matches[0] if matches else name)


def find_artifact(repository: Repository, text: str) -> ArtifactView:
    """The artifact of an id, a digest or the beginning of one, a URI, or ``RUN/STEP[/OUTPUT]``.

    Artifacts of one content may be several: the last of them is meant.
    """
    from zencache.view import ArtifactView

    if text.isascii() and text.isdigit() and len(text) < _DIGITS:
        by_id = repository.stores.metadata.read.artifacts_by_id([int(text)])
        for artifact in by_id.values():
            return ArtifactView(repository.stores, artifact)
    run_name, separator, rest = text.partition("/")
    if separator and run_name and not run_name.endswith(":"):
        return _output_of(find_run(run_name), rest)
    known = repository.artifacts()
    for matches in (
        [one for one in known if one.uri == text],
        [one for one in known if text and _begins(one.digest, text)],
    ):
        contents = {one.digest for one in matches}
        if len(contents) > 1:
            _ambiguous(text, matches)
        if matches:
            return matches[-1]
    digests = [digest for one in known for digest in (one.digest, one.digest.partition(":")[2])]
    raise NotFoundError(
        f"There is no artifact `{text}`.",
        facts={"metadata": repository.metadata_url},
        hint=_named_by(repository, text, [*digests, *(one.uri for one in known)]),
    )


def _named_by(repository: Repository, text: str, known: Sequence[str]) -> str:
    """How an artifact is named, told by what was typed instead."""
    if text == LATEST or text in repository.stores.metadata.read.run_names():
        return f"An artifact of a run is `{text}/STEP` or `{text}/STEP/OUTPUT`."
    if text in step_names(repository):
        return f"The output of a step in a run is `latest/{text}`, or `RUN/{text}`."
    close = (nearest(text, known) or "") if len(known) < _LISTED else ""
    if close.startswith("Did you mean"):
        return close
    return "Name it RUN/STEP, RUN/STEP/OUTPUT, or by its id, digest or URI."


def _begins(digest: str, text: str) -> bool:
    return digest.startswith(text) or digest.partition(":")[2].startswith(text)


def _ambiguous(text: str, matches: Sequence[ArtifactView]) -> None:
    shown = ", ".join(f"{one.id} ({one.type} {one.digest[:20]}…)" for one in matches[-_SHOWN:])
    wrong_usage(
        f"{len(matches)} artifacts begin with `{text}`, among them {shown}. Give more of it, or an id."
    )


def _output_of(run: Run, rest: str) -> ArtifactView:
    """``STEP`` or ``STEP/OUTPUT`` of a run."""
    step_name, separator, output = rest.partition("/")
    step = run.steps[step_name]
    return step.outputs[output] if separator else step.output


def find_artifact_or_run(repository: Repository, text: str) -> ArtifactView | Run:
    """A run if its name, or an unambiguous beginning of it, is given; else an artifact."""
    names = repository.stores.metadata.read.run_names()
    if text == LATEST or any(name.startswith(text) for name in names):
        return find_run(text)
    try:
        return find_artifact(repository, text)
    except NotFoundError as error:
        if "/" in text:
            raise
        raise NotFoundError(
            f"There is no run and no artifact `{text}`.", facts=error.facts, hint=nearest(text, names)
        ) from error


def check_names(
    repository: Repository, *, type: str | None = None, pipeline: str | None = None, step: str | None = None
) -> None:
    """Offer the nearest names for one that nothing has."""
    if pipeline is not None:
        repository.get_pipeline(pipeline)
    for kind, name in (("type", type), ("step", step)):
        if name is None:
            continue
        known = type_names(repository) if kind == "type" else step_names(repository)
        if name not in known:
            noun = "artifact has the type" if kind == "type" else "execution is of a step"
            raise NotFoundError(
                f"No {noun} `{name}`.",
                facts={"metadata": repository.metadata_url},
                hint=nearest(name, known),
            )


def type_names(repository: Repository) -> list[str]:
    """The artifact types that are recorded."""
    return repository.stores.metadata.read.artifact_types()


def step_names(repository: Repository) -> list[str]:
    """The steps that are recorded."""
    return repository.stores.metadata.read.steps()
