"""What the source files of a step said is known to the next process; no result depends on whether it is."""

FLOW = """
import time
from zencache import Repository, pipeline, step
from zencache.fingerprint import source

read = []
class Source(source.Source):
    def __init__(self, text, filename):
        read.append(filename)
        super().__init__(text, filename)
source.Source = Source

import helpers

@step
def make() -> int:
    return helpers.number()

@pipeline
def making():
    make()
"""
RUN = "\nprint(making().run().steps['make'].status, len(read))"
HELPERS = "class Numbers:\n    first = 1\n\n\ndef number():\n    return Numbers.first\n"


def test_a_process_reads_no_source_that_an_earlier_one_has_read(project, run_script):
    (project / "helpers.py").write_text(HELPERS)
    assert run_script(FLOW + RUN).stdout.split() == ["completed", "2"]
    assert run_script(FLOW + RUN).stdout.split() == ["cached", "0"]


def test_only_a_file_that_was_edited_is_read_again(project, run_script):
    (project / "helpers.py").write_text(HELPERS)
    run_script(FLOW + RUN)
    (project / "helpers.py").write_text(HELPERS.replace("Numbers.first", "Numbers.first + 1"))
    assert run_script(FLOW + RUN).stdout.split() == ["completed", "1"]
    (project / "helpers.py").write_text("# of numbers\n" + HELPERS)
    assert run_script(FLOW + RUN).stdout.split() == ["cached", "1"]
    (project / "helpers.py").write_text(HELPERS)
    assert run_script(FLOW + RUN).stdout.split() == ["cached", "0"], "both texts are known"


def test_without_its_memory_a_step_is_still_cached(project, run_script):
    (project / "helpers.py").write_text(HELPERS)
    run_script(FLOW + RUN)
    (project / ".zencache" / "sources.jsonl").unlink()
    assert run_script(FLOW + RUN).stdout.split() == ["cached", "2"]


def test_binding_and_planning_write_nothing(project, run_script):
    (project / "helpers.py").write_text(HELPERS)
    run_script(FLOW + "\nmaking().plan()")
    assert not (project / ".zencache").exists()
    run_script(FLOW + RUN)
    memory = project / ".zencache" / "sources.jsonl"
    memory.unlink()
    run_script(FLOW + "\nmaking().plan()")
    assert not memory.exists()


def test_a_memory_that_cannot_be_written_fails_no_run(project, run_script):
    (project / "helpers.py").write_text(HELPERS)
    (project / ".zencache" / "sources.jsonl" / "in the way").mkdir(parents=True)
    assert run_script(FLOW + RUN).stdout.split() == ["completed", "2"]
    assert run_script(FLOW + RUN).stdout.split() == ["cached", "2"]
    assert [path.name for path in (project / ".zencache").glob(".sources*")] == []
