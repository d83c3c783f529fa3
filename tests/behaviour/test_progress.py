"""On a terminal a long step shows that it runs; elsewhere nothing but the log lines is written."""

import os
import pty
import re
import subprocess
import sys

import pytest

SLOW = """
import sys, time
from zencache import pipeline, step

@step
def quick() -> int:
    return 1

@step
def slow(x: int) -> int:
    sys.stdout.write("bar: 50%")      # a progress bar of its own, with no end of line yet
    sys.stdout.flush()
    time.sleep(1.6)
    print("\\rbar: 100%")
    time.sleep(2.0)
    print("the last line of the step")
    return x

@pipeline
def waiting():
    slow(quick())

waiting().run()
"""
STATUS = re.compile(r"slow \d+s, 1 of 2 steps done")


def on_a_terminal(source, folder):
    """What a script writes when stdout and stderr are one terminal."""
    (folder / "slow.py").write_text(source)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "slow.py"], cwd=folder, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0, written.decode()
    return written.decode()


def test_a_long_step_shows_a_status_line_that_disturbs_no_other_output(project):
    written = on_a_terminal(SLOW, project)
    assert STATUS.search(written)
    between = written[written.index("bar: 50%") : written.index("bar: 100%")]
    assert not STATUS.search(between), "it was painted into the step's own progress bar"
    assert "\x1b[2Kthe last line of the step" in written, "the line is wiped before anything else is written"
    assert written.rstrip().endswith("saved 0.0s).")


def test_without_a_terminal_there_are_only_the_lines_of_the_log(run_script):
    done = run_script(SLOW)
    assert not STATUS.search(done.stdout + done.stderr)
    assert "\x1b" not in done.stdout + done.stderr
    assert "Step `slow` has finished in " in done.stderr


PARALLEL = """
import time
from concurrent.futures import ThreadPoolExecutor
from zencache import pipeline, step

@step
def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@pipeline
def waiting():
    for seconds in (2.0, 2.1, 2.2):
        sleep(seconds)

with ThreadPoolExecutor(3) as executor:
    waiting().run(executor=executor)
"""


@pytest.mark.slow
def test_of_several_running_steps_it_names_the_first_and_counts_the_others(project):
    assert re.search(r"sleep \d+s and 2 more, 0 of 3 steps done", on_a_terminal(PARALLEL, project))
