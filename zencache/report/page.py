"""The picture of a run as one HTML file that needs nothing else: no server, no network, no other file."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zencache.exceptions import ConfigurationError, ZencacheError, error_text
from zencache.report.answers import Answers
from zencache.report.assets import written_page
from zencache.report.document import Document
from zencache.repository import Repository
from zencache.view import Run

_LARGEST = 256 << 20  # bytes of an object that is opened for its preview
_PREVIEW_TIME = 30.0  # seconds for all previews of a page
_PREVIEW_BYTES = 24 << 20  # characters of all previews of a page
_NEAR = 300  # artifacts of other runs on the page
_LINEAGE_TIME = 10.0  # seconds for all lineage graphs of a page
_LINEAGE_BYTES = 4 << 20  # characters of all lineage graphs of a page


def write_page(run: Run, path: str | os.PathLike[str], *, repository: Repository | None = None) -> Path:
    """Write the picture of a run as one HTML file; see :func:`page_of`.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    target = Path(path)
    text = page_of(run, repository=repository)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The page could not be written: {error.strerror or error}.",
            facts={"path": target},
            hint="Name a file in a folder that is there and can be written.",
        ) from error
    return target


def page_of(run: Run, *, repository: Repository | None = None) -> str:
    """The picture of a run: its graph, steps, artifacts with previews and lineage, and its history.

    Args:
        run: of any state; the page shows it as it is now.
        repository: a repository of the stores that the run is of; one is made unless given.

    Example::

        write_page(Repository().get_runs()[-1], "run.html")
    """
    stores = run.stores
    repository = repository or Repository.of(stores)
    collected = _Collection(Answers(repository, largest=_LARGEST))
    collected.collect(run)
    answers = {"run": run.name, "pipeline": run.pipeline, "answers": collected.answers}
    # Of everything on the page, so that nothing on the page can know it, and the same page twice is equal.
    nonce = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:32]
    return written_page(f"{run.name} · zencache", answers, nonce)


class _Collection:
    """The answers to all that can be asked on the page of one run."""

    def __init__(self, answers: Answers):
        self._answers = answers
        self.answers: list[dict[str, Any]] = []
        self._until = time.monotonic() + _PREVIEW_TIME
        self._room = _PREVIEW_BYTES

    def collect(self, run: Run) -> None:
        self._ask("project")
        told = self._ask("run", name=run.name)
        for step in told["steps"]:
            if step["status"] != "waiting":
                self._ask("step", run=run.name, name=step["name"])
        own = [artifact["id"] for artifact in told["artifacts"]]
        for id_ in own:
            self._about_artifact(id_)
        for id_ in sorted(self._near(own) - set(own), reverse=True)[:_NEAR]:
            self._about_artifact(id_)
        self._ask("history", pipeline=run.pipeline)
        if told["previous"]:
            self._ask("compare", a=told["previous"], b=run.name)

    def _near(self, own: Iterable[int]) -> set[int]:
        """What stands in the lineage of the run's artifacts, of which graphs are kept while there is room."""
        near: set[int] = set()
        until, room = time.monotonic() + _LINEAGE_TIME, _LINEAGE_BYTES
        for id_ in own:
            if time.monotonic() > until or room < 0:
                break
            told = self._ask("lineage", id=id_)
            near.update(artifact["id"] for artifact in told.get("artifacts", ()))
            room -= len(json.dumps(told))
        return near

    def _about_artifact(self, id_: int) -> None:
        told = self._ask("artifact", id=id_)
        if told.get("is_metric"):
            self._ask("metric", id=id_)
        if time.monotonic() > self._until or self._room <= 0:
            reason = "It was left out, so that the page does not become too large."
            self._keep("preview", {"id": id_}, {"kind": "none", "reason": reason, "state": "large"})
            return
        preview = self._ask("preview", id=id_)
        self._room -= len(json.dumps(preview))

    def _ask(self, question: str, **about: Any) -> Document:
        try:
            answer = self._answers.questions()[question](**about)
        except ZencacheError as error:
            answer = {"error": error_text(error)}
            if question == "run":
                raise
        self._keep(question, about, answer)
        return answer

    def _keep(self, question: str, about: dict[str, Any], answer: Document) -> None:
        self.answers.append({"question": question, "about": about, "answer": answer})
