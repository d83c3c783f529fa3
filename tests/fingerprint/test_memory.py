"""What is remembered of sources is what would be read again: in every process and after every edit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_code import COUNTS, DOES_NOT_COUNT, GOLDEN, MADE

from zencache.fingerprint.memory import Memory

# Imports the packages that a list names, edits those that it says, and prints what each one's code is.
SCRIPT = """
import importlib, json, os, sys
from pathlib import Path

from zencache.exceptions import ZencacheError
from zencache.fingerprint import code_of, load_memory, observe, save_memory, source

read = []
class Source(source.Source):
    def __init__(self, text, filename):
        read.append(filename)
        super().__init__(text, filename)
source.Source = Source

def code(step):
    try:
        found = code_of(step)
    except ZencacheError as error:
        return str(error)
    return [[[u.label, u.identity, u.fingerprint, u.content] for u in found.units], found.untracked]

def edit(name):
    file, other = Path(name, "main.py"), Path(name, "other.txt")
    before, text = file.stat(), file.read_text()
    file.write_text(other.read_text())
    other.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

folder, editing, names = Path(sys.argv[1]), sys.argv[2], json.loads(Path("names.json").read_text())
load_memory(folder)
sys.path.insert(0, os.getcwd())
if editing == "before":
    any(edit(name) for name in names)
modules = {name: importlib.import_module(f"{name}.main") for name in names}
observe()
if editing == "after":
    any(edit(name) for name in names)
found = {name: code(module.step) for name, module in modules.items()}
save_memory(folder)
print(json.dumps([found, len(read)]))
"""

BANK = {**COUNTS, **MADE, **DOES_NOT_COUNT, "golden": (GOLDEN, "* SCALE", "+ SCALE")}
Said = tuple[dict[str, Any], int]


@pytest.fixture
def process(run_script, project) -> Callable[..., Said]:
    """``process(memory, editing)``: what a process says of every package, and how many texts it read."""

    def process(memory: str, editing: str = "never") -> Said:
        (project / memory).mkdir(exist_ok=True)
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        found, read = json.loads(run_script(SCRIPT, memory, editing, env=environment).stdout.splitlines()[-1])
        if editing != "never":
            for name in json.loads((project / "names.json").read_text()):
                swap(project / name)
        return found, read

    return process


def write_bank(project: Path, cases: dict[str, tuple[str, str, str]]) -> dict[str, str]:
    """Packages whose ``main.py`` and its edited twin have one size; package -> case."""
    names = {f"bank_{place}": case for place, case in enumerate(cases)}
    for name, case in names.items():
        text, old, new = cases[case]
        text = text.replace("PKG", name)
        twins = [text, text.replace(old, new, 1)]
        width = max(len(twin.encode()) for twin in twins)
        (project / name).mkdir()
        for file, twin in zip(("main.py", "other.txt"), twins, strict=True):
            (project / name / file).write_text(twin + "\n#" + "-" * (width - len(twin.encode())))
    (project / "names.json").write_text(json.dumps(list(names)))
    return names


def swap(package: Path) -> None:
    (package / "main.py").rename(package / "swap.txt")
    (package / "other.txt").rename(package / "main.py")
    (package / "swap.txt").rename(package / "other.txt")


def test_what_is_recalled_is_what_is_read_whatever_is_edited_and_when(process, project):
    names = write_bank(project, BANK)
    fresh, read = process("none-1")
    assert read >= len(names)
    edited, _ = process("none-2", "before")
    late, _ = process("none-3", "after")
    for editing in ("never", "before"):
        process("all", editing)
    for editing, expected in (("never", fresh), ("before", edited)):
        assert process("all", editing) == (expected, 0), "everything was remembered, and nothing is read"
    assert process("all", "after")[0] == late, "edited after the import, at the same size and time"
    lent = [case for name, case in names.items() if case in {**COUNTS, **MADE} and late[name] == edited[name]]
    assert lent == [], "code that runs was never given the fingerprint of a text that it is not from"


def test_a_stale_bytecode_file_does_not_change_what_is_said(run_script, project):
    write_bank(project, {case: BANK[case] for case in ("its own body", "a helper", "golden")})
    os.utime(project, None)
    for folder in ("all", "none"):
        (project / folder).mkdir()

    def said(folder: str) -> Any:
        environment = {"PYTHONDONTWRITEBYTECODE": ""}
        return json.loads(run_script(SCRIPT, folder, "never", env=environment).stdout.splitlines()[-1])[0]

    before = said("all")
    for name in before:
        state = (project / name / "main.py").stat()
        swap(project / name)
        os.utime(project / name / "main.py", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert list(project.glob("bank_0/__pycache__/main.*.pyc")), "Python trusts it, and runs the old code"
    stale = said("all")
    assert stale == said("none")
    assert all(stale[name] != before[name] for name in before), "the file is not where the code is from"


@pytest.mark.parametrize(
    "old",
    ["return x + 1", "try:\n        f()\n        return g()\n    except E:\n        return 1"],
    ids=["a constant of another type", "what a try is around"],
)
def test_code_that_differs_in_what_bytecode_hardly_shows_is_told_apart(process, project, old):
    new = {
        "return x + 1": "return x + True",
    }.get(old, "try:\n        f()\n    except E:\n        return 1\n    else:\n        return g()")
    text = f"E = ValueError\ndef f(): pass\ndef g(): pass\ndef step(x=1):\n    {old}"
    write_bank(project, {"hidden": (text, text, "# moved\n" + text.replace(old, new))})
    late, edited = process("none-1", "after")[0], process("none-2", "before")[0]
    assert late["bank_0"] != edited["bank_0"]


def damage_line(memory: Path, change: Callable[[bytes], bytes]) -> None:
    memory.write_bytes(b"".join([change(line) for line in memory.read_bytes().splitlines(keepends=True)]))


def flipped(line: bytes) -> bytes:
    """A line with one digit of an answer changed, so that it is as well formed as before."""
    place = line.rindex(b'[[["') + 4
    return line[:place] + (b"1" if line[place : place + 1] != b"1" else b"2") + line[place + 1 :]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one digit": lambda memory: damage_line(memory, flipped),
    "keys exchanged": lambda memory: memory.write_bytes(exchanged(memory.read_bytes().splitlines())),
    "cut off": lambda memory: os.truncate(memory, memory.stat().st_size // 2),
    "empty": lambda memory: memory.write_bytes(b""),
    "binary": lambda memory: memory.write_bytes(random.Random(0).randbytes(10_000)),
    "deep": lambda memory: damage_line(memory, lambda line: checked(line, b"[" * 100_000)),
    "of another shape": lambda memory: damage_line(memory, lambda line: checked(line, b'{"a":1}')),
    "answers of another shape": lambda memory: damage_line(memory, reshaped),
    "a folder": lambda memory: (memory.unlink(), memory.mkdir()),
    "a pipe": lambda memory: (memory.unlink(), os.mkfifo(memory)),
    "huge": lambda memory: os.truncate(memory, 1 << 30),
}


def exchanged(lines: list[bytes]) -> bytes:
    """The answers of each line under the key of the next one."""
    pairs = zip(lines, [*lines[1:], lines[0]], strict=True)
    return b"".join([line[:2] + other[2:34] + line[34:] + b"\n" for line, other in pairs])


def checked(line: bytes, content: bytes) -> bytes:
    """A line whose checksum is right for whatever it holds."""
    from zencache.fingerprint.memory import _checksum

    return b'["%b","%b",%b]\n' % (line[2:34], _checksum(line[2:34], content), content)


def reshaped(line: bytes) -> bytes:
    shapes = [1, "x", [1], [[1], 2], [[["zz", [], []]], []], [[["00", [3], []]], []], {"a": 1}, [[], []]]
    content = {proof: shapes[place % len(shapes)] for place, proof in enumerate(json.loads(line)[2])}
    return checked(line, json.dumps(content).encode())


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_memory_is_as_good_as_none(process, project, name):
    write_bank(project, {case: BANK[case] for case in (*list(MADE)[:12], "its own body", "golden")})
    fresh, _ = process("all")
    DAMAGES[name](project / "all" / "sources.jsonl")
    again, read = process("all")
    assert again == fresh
    assert read > 0, "what is damaged is read again"


_NO_COLUMNS = pytest.param(
    {"PYTHONNODEBUGRANGES": "1"},
    marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no columns to leave out"),
)


@pytest.mark.parametrize("setting", [{"PYTHONOPTIMIZE": "1"}, _NO_COLUMNS], ids=str)
def test_a_python_that_compiles_otherwise_has_memories_of_its_own(run_script, project, setting):
    write_bank(project, {case: BANK[case] for case in ("its own body", "golden")})
    (project / "all").mkdir()

    def said(environment: dict[str, str]) -> Any:
        return json.loads(run_script(SCRIPT, "all", "never", env=environment).stdout.splitlines()[-1])

    ours, theirs = said({}), said(setting)
    assert theirs[1] > 0
    assert said({})[1] == said(setting)[1] == 0
    assert ours[0] == theirs[0]


def test_memories_of_another_python_or_another_zencache_are_not_taken(run_script, project):
    write_bank(project, {"golden": BANK["golden"]})
    (project / "all").mkdir()
    other_python = "import sys; sys.version += 'x'\n"
    other_zencache = (
        "from importlib.machinery import SourceFileLoader as Loader; get = Loader.get_data\n"
        "def changed(self, path): return get(self, path) + b' ' * path.endswith('normal_form.py')\n"
        "Loader.get_data = changed\n"
    )

    def read(script: str) -> int:
        return int(json.loads(run_script(script, "all", "never").stdout.splitlines()[-1])[1])

    assert [read(SCRIPT), read(SCRIPT)] == [1, 0]
    for other in (other_python, other_zencache):
        assert [read(other + SCRIPT), read(other + SCRIPT)] == [1, 0]
    assert read(SCRIPT) == 0, "all are kept side by side"


class TestTheFile:
    def test_it_does_not_grow_without_bound_and_keeps_what_was_used_last(self, tmp_path):
        file = tmp_path / "sources.jsonl"
        for round_ in range(9):
            memory = Memory()
            for place in range(100):
                memory.page(f"{round_:016}{place:016}").learn("proof", lambda: "x" * 10_000)
            memory.save(file)
        assert 3_000_000 < file.stat().st_size <= 4 << 20
        later = Memory()
        later.load(file)
        assert later.page(f"{8:016}{99:016}").recall("proof") == "x" * 10_000
        assert later.page(f"{0:016}{0:016}").recall("proof") is None

    def test_many_that_write_at_once_leave_a_whole_file(self, tmp_path):
        file = tmp_path / "sources.jsonl"
        lengths: set[int] = set()

        def write(writer: int) -> None:
            for place in range(20):
                memory = Memory()
                memory.page(f"{writer:016}{place:016}").learn("proof", lambda: "y" * 1000)
                memory.save(file)
                lengths.update(map(len, file.read_bytes().splitlines()))

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(lengths) == 1, "no line is torn"
        assert [path.name for path in tmp_path.iterdir()] == [file.name]

    def test_processes_that_write_at_once_agree(self, process, project, run_script):
        write_bank(project, {case: BANK[case] for case in ("its own body", "a helper", "golden")})
        expected, _ = process("none")
        (project / "all").mkdir()
        script = project / "racing.py"
        script.write_text(SCRIPT)
        command = [sys.executable, str(script), "all", "never"]
        running = [subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) for _ in range(4)]
        assert [json.loads(one.communicate()[0])[0] for one in running] == [expected] * 4
        assert process("all") == (expected, 0)

    def test_what_a_killed_process_was_writing_is_removed_later(self, tmp_path):
        file = tmp_path / "sources.jsonl"
        old, new = tmp_path / ".sources.jsonl.dead", tmp_path / ".sources.jsonl.busy"
        for partial in (old, new):
            partial.write_text("[")
        os.utime(old, (time.time() - 7200,) * 2)
        memory = Memory()
        memory.page("0" * 32).learn("proof", lambda: 1)
        memory.save(file)
        assert {path.name for path in tmp_path.iterdir()} == {file.name, new.name}

    @pytest.mark.parametrize("fails", ["write_bytes", "replace"])
    def test_a_folder_that_cannot_be_written_only_costs_time(self, tmp_path, monkeypatch, fails):
        def refuse(*_: Any) -> None:
            raise PermissionError(30, "Read-only file system")

        monkeypatch.setattr(*((Path, fails) if fails == "write_bytes" else (os, fails)), refuse)
        memory = Memory()
        memory.page("0" * 32).learn("proof", lambda: 1)
        memory.save(tmp_path / "sources.jsonl")
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_written_where_there_is_no_folder(self, tmp_path):
        memory = Memory()
        memory.page("0" * 32).learn("proof", lambda: 1)
        memory.save(tmp_path / "nowhere" / "sources.jsonl")
        assert list(tmp_path.iterdir()) == []
