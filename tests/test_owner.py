"""A process is taken for dead only where that is certain."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zencache.owner import Owner, this_process

JUDGE = """
import sys
from zencache.owner import Owner, this_process
print(Owner.parse(sys.argv[1]).is_dead, this_process() == Owner.parse(sys.argv[1]))
"""


def judged(owner: Owner, *before: str) -> str:
    """What another process says of an owner: whether it is dead, and whether it is itself."""
    command = [*before, sys.executable, "-c", JUDGE, str(owner)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def ended() -> Owner:
    """A process of this machine that has ended."""
    script = "from zencache.owner import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    owner = Owner.parse(done.stdout.strip())
    assert owner is not None
    return owner


def test_one_that_lives_and_one_that_has_ended():
    assert judged(this_process()) == "False False"
    assert not this_process().is_dead
    assert ended().is_dead


def test_one_that_got_the_id_of_another():
    assert Owner(this_process().host, os.getpid(), "12").is_dead


def test_one_on_another_machine():
    assert not Owner("lab-2.3f2a9c11-4026531836", 2**22 + 1, "12").is_dead


def test_one_in_another_container_of_the_same_name():
    """As two containers that were given the same host name see each other's notes in a shared folder."""
    enter = ["unshare", "--pid", "--fork", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*enter, "true"], capture_output=True).returncode:
        pytest.skip("this process may not make a pid namespace")
    assert judged(this_process(), *enter) == "False False"
    assert judged(ended(), *enter) == "False False"


def test_one_of_another_user_whose_processes_are_hidden(monkeypatch):
    real, hidden = Path.read_text, this_process()

    def read_text(self, *args, **options):
        if self.parent == Path("/proc", str(os.getpid())):
            raise FileNotFoundError(self)
        return real(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert not hidden.is_dead
