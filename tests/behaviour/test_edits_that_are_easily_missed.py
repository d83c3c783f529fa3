"""Edits that change a result in ways that a key can miss: the step runs, and gives what a fresh run gives."""

import json
from pathlib import Path

import pytest

MAIN = """
import json, sys
from pathlib import Path
from zencache import *
HEAD

@pipeline
def flow():
    WIRE

def values(run):
    return {n: {o: repr(a.read()) for o, a in s.outputs.items()} for n, s in run.steps.items()}

if __name__ == "__main__":
    run = flow().run()
    fresh = flow().run(repository=Repository(metadata="memory://fresh", artifacts="memory://fresh"))
    print(json.dumps([{n: s.status for n, s in run.steps.items()}, values(run), values(fresh)]))
"""


def program(head, wire):
    return MAIN.replace("HEAD", head).replace("WIRE", wire)


# ruff: noqa: E501  # the texts of modules
# name: head, wiring, what is replaced by what
CASES = {
    "the order of outputs": (
        "@step\ndef work() -> Output(a=int, b=int): return 1, 2",
        "work()",
        ("a=int, b=int", "b=int, a=int"),
    ),
    "the order of the fields of a named tuple": (
        "from typing import NamedTuple\nclass Two(NamedTuple):\n    a: int\n    b: int\n"
        "@step\ndef work() -> Two: return 1, 2",
        "work()",
        ("    a: int\n    b: int", "    b: int\n    a: int"),
    ),
    "a method of a class that the annotation does not name": (
        "from dataclasses import dataclass\n@dataclass\nclass Base:\n    n: int = 1\n"
        "@dataclass\nclass Sub(Base):\n    def size(self): return self.n + 1\n"
        "@step\ndef make() -> Base: return Sub()\n@step\ndef work(x: Base) -> int: return x.size()",
        "work(make())",
        ("self.n + 1", "self.n + 2"),
    ),
    "the same without an annotation": (
        "from dataclasses import dataclass\n@dataclass\nclass Sub:\n    n: int = 1\n"
        "    def size(self): return self.n + 1\n"
        "@step\ndef make() -> Sub: return Sub()\n@step\ndef work(x) -> int: return x.size()",
        "work(make())",
        ("self.n + 1", "self.n + 2"),
    ),
    "what a materializer is configured with, for the step that loads": (
        "class Box:\n    def __init__(self, n): self.n = n\n    def __repr__(self): return str(self.n)\nclass Times(BaseMaterializer):\n"
        "    def __init__(self, k): self.k = k\n"
        "    def save(self, value, directory): (directory / 'n').write_text(str(value.n))\n"
        "    def load(self, directory, type): return Box(self.k * int((directory / 'n').read_text()))\n"
        "@step(materializers=Times(k=2))\ndef make() -> Box: return Box(5)\n"
        "@step\ndef work(x: Box) -> int: return x.n",
        "work(make())",
        ("k=2", "k=3"),
    ),
    "a module that `sys.modules` gives": (
        "import plug\n@step\ndef work() -> int: return sys.modules.get('plug').N",
        "work()",
        ("N = 1", "N = 2"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_edit_is_seen(project: Path, run_script, case):
    head, wire, (old, new) = CASES[case]
    (project / "plug.py").write_text("N = 1\n")
    text = program(head, wire)
    assert (old in text) != (old in "N = 1\n")
    before, again = (json.loads(run_script(text).stdout) for _ in range(2))
    assert set(again[0].values()) == {"cached"}
    assert before[1] == before[2] == again[1]
    (project / "plug.py").write_text("N = 1\n".replace(old, new))
    statuses, cached, fresh = json.loads(run_script(text.replace(old, new)).stdout)
    assert cached == fresh != before[1]
    assert statuses["work"] == "completed"


@pytest.mark.parametrize("names", [["a.txt", "b.txt"], ["b.txt", "a.txt"]])
def test_which_file_holds_what_counts(project: Path, run_script, names):
    """The content of two files is swapped."""
    head = (
        f"@step(cache_policy=CachePolicy(file_dependencies={names!r}))\n"
        "def work() -> str: return Path('a.txt').read_text() + Path('b.txt').read_text()"
    )
    text = program(head, "work()")
    for a, b in (("1", "2"), ("2", "1")):
        (project / "a.txt").write_text(a)
        (project / "b.txt").write_text(b)
        statuses, cached, fresh = json.loads(run_script(text).stdout)
        assert statuses == {"work": "completed"}
        assert cached == fresh


def test_files_behind_a_link_in_an_external_folder_count(project: Path, run_script):
    head = "@step\ndef work(x: Path) -> str: return ''.join(p.read_text() for p in sorted(x.glob('*/*')) if p.is_file())"
    text = program(head, "work(ExternalFile('data'))")
    (project / "elsewhere").mkdir()
    (project / "data").mkdir()
    (project / "data" / "link").symlink_to(project / "elsewhere")
    (project / "elsewhere" / "loop").symlink_to(project / "data")
    for content in "ab":
        (project / "elsewhere" / "x.txt").write_text(content)
        statuses, cached, fresh = json.loads(run_script(text).stdout)
        assert statuses == {"work": "completed"}
        assert cached == fresh


def test_an_empty_folder_in_an_external_folder_counts(project: Path, run_script):
    head = "import os\n@step\ndef work(x: Path) -> list: return sorted(os.listdir(x))"
    text = program(head, "work(ExternalFile('data'))")
    (project / "data" / "cats").mkdir(parents=True)
    (project / "data" / "cats" / "1.txt").write_text("a")
    for folder in ("dogs", "mice"):
        (project / "data" / folder).mkdir()
        statuses, cached, fresh = json.loads(run_script(text).stdout)
        assert statuses == {"work": "completed"}
        assert cached == fresh
