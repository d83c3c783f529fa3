"""What all benchmarks share: the lines that a run logs cost what they cost a user, and are not shown."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _log_lines_are_written_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handlers of pytest would format and keep each line, which no user pays for."""
    with open(os.devnull, "w") as nowhere:
        monkeypatch.setattr(logging.getLogger("zencache"), "propagate", False)
        monkeypatch.setattr(sys, "stderr", nowhere)
        yield
