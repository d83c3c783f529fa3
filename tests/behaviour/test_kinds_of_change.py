"""Kinds of change, one case each: exactly the steps that have to run again do, all others are cached.

Each case is a program of real files that runs in two processes, before and after an edit. The second one also
runs everything anew in an empty store: what the cached run gives must be the same. Plain scripts are forked off a
process that has imported zencache and nothing else; with ZENCACHE_TEST_PROCESSES=fresh they start from nothing, too.
"""
# ruff: noqa: E501  # the texts of modules, one case a line
# fmt: off

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, LifoQueue
from tempfile import mkdtemp

import pytest
from forking import ScriptServer

# -- programs

REPORT = """
import json
import os
from zencache import Repository

def outputs(run):
    return {
        name: {output: repr(artifact.read()) for output, artifact in view.outputs.items()}
        for name, view in run.steps.items()
    }

def report(bound):
    run = bound.run(**json.loads(os.environ.get("OPTIONS", "{}")))
    said = {"statuses": {name: view.status for name, view in run.steps.items()}, "values": outputs(run)}
    if "FRESH" in os.environ:
        empty = Repository(metadata="memory://fresh", artifacts="memory://fresh")
        said["fresh"] = outputs(bound.run(repository=empty))
    print(json.dumps(said))
"""

FLOW = """
from zencache import CachePolicy, pipeline, step
from report import report
HEAD

@step
def first() -> int:
    return 10

@step
def work(x: int) -> int:
    BODY

@step
def last(x: int) -> int:
    return x + 1

@pipeline
def flow():
    last(work(first()))

def main():
    report(flow())

if __name__ == "__main__":
    main()
"""

# What IPython does: every cell is compiled under a name of its own, which linecache knows.
KERNEL = """
import linecache
import os
import sys
import types

user = types.ModuleType("__main__")
sys.modules["__main__"] = user
with open("cells.py") as file:
    cells = file.read().split("# %%\\n")
for number, cell in enumerate(cells):
    name = sys.argv[1].format(pid=os.getpid(), number=number, hash=abs(hash(cell)))
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), vars(user))
"""

FLOWING = "first", "work", "last"
CHAIN = "work", "last"  # all that a change of what `work` gives concerns


def program(head: str = "", body: str = "helper(x)", /, **modules: str) -> dict[str, str]:
    """The three steps ``first -> work -> last``, with text before them and a body for ``work``."""
    written = body if "return" in body else f"return {body}"
    written = textwrap.indent(written, "    ").lstrip()
    return {
        "main.py": FLOW.replace("HEAD", head).replace("BODY", written),
        "report.py": REPORT,
        **{f"{name}.py": text for name, text in modules.items()},
    }


def helped(helper: str, body: str = "helper(x)", /) -> dict[str, str]:
    """As :func:`program`, with a module ``helpers`` that the main module takes everything from."""
    return program("from helpers import *", body, helpers=helper)


def policy(options: str, body: str = "x * 3", head: str = "", **modules: str) -> dict[str, str]:
    """As :func:`program`, with a cache policy for ``work``."""
    files = program(head, body, **modules)
    return main_with(files, "@step\ndef work", f"@step(cache_policy=CachePolicy({options}))\ndef work")


def main_with(files: Mapping[str, str], *changes: str) -> dict[str, str]:
    """A program with other text in its main module: ``old, new, old, new``."""
    text = files["main.py"]
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in\n{text}"
        text = text.replace(old, new)
    return {**files, "main.py": text}


def configured(config: str, head: str = "") -> dict[str, str]:
    """A program whose ``work`` has a config, whose class statement ends with ``config``."""
    statement = f"from zencache import BaseStepConfig\n{head}\nclass Config(BaseStepConfig):\n{config}"
    return main_with(program(statement, "config.n * x"), "work(x: int)", "work(x: int, config: Config)")


# -- edits

Edit = Callable[[Path], None]


def swap(old: str, new: str, file: str = "main.py") -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}:\n{text}"
        (folder / file).write_text(text.replace(old, new))

    return edit


def everywhere(old: str, new: str) -> Edit:
    """One name for another in all files, as a refactoring does."""

    def edit(folder: Path) -> None:
        changed = 0
        for path in folder.rglob("*.py"):
            text = path.read_text()
            changed += text.count(old)
            path.write_text(text.replace(old, new))
        assert changed

    return edit


def write(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)

    return edit


def move(old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / old).rename(folder / new)

    return edit


def touch(file: str) -> Edit:
    return lambda folder: os.utime(folder / file, (1_000_000_000, 1_000_000_000))


def rewrite_unnoticed(file: str, text: str) -> Edit:
    """Other content of the same size, with the modification time put back."""

    def edit(folder: Path) -> None:
        before = (folder / file).stat()
        assert before.st_size == len(text)
        (folder / file).write_text(text)
        os.utime(folder / file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return edit


def encode(file: str, encoding: str, newline: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        (folder / file).write_bytes(text.replace("\n", newline).encode(encoding))

    return edit


def wait(seconds: float) -> Edit:
    return lambda folder: time.sleep(seconds)


# -- cases


@dataclass(frozen=True)
class Way:
    """How a program is run."""

    arguments: tuple[str, ...] = ("main.py",)
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "project"  # relative to the folder that both stores lie in
    typed: str | None = None  # the file that is typed in

    @property
    def may_be_forked(self) -> bool:
        """Whether nothing of it happens before a script begins."""
        is_script = self.arguments[0].endswith(".py") and self.typed is None
        told_python = any(name.startswith("PYTHON") for name in self.environment)
        return is_script and not told_python and os.environ.get("ZENCACHE_TEST_PROCESSES") != "fresh"

    def run(self, root: Path, **more: str) -> dict[str, dict]:
        """What the program reports of its run; ``more`` joins its environment."""
        # Without bytecode: it is taken for up to date if size and second of the source are the same.
        environment = {**INHERITED, "PYTHONDONTWRITEBYTECODE": "1", **self.environment, **more}
        cwd = root / self.cwd
        if self.may_be_forked:
            with forking() as server:
                done = server.run(cwd, cwd / self.arguments[0], list(self.arguments[1:]), environment)
        else:
            done = subprocess.run(
                [sys.executable, *self.arguments],
                cwd=cwd,
                env=environment,
                input=(root / "project" / self.typed).read_text() if self.typed else "",
                capture_output=True,
                text=True,
                timeout=60,
            )
        assert '{"statuses"' in done.stdout, f"{done.stdout}\n{done.stderr}"
        report, _ = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index('{"statuses"'))
        return report


SERVERS: LifoQueue[ScriptServer] = LifoQueue()  # those that no thread uses now


@contextmanager
def forking() -> Iterator[ScriptServer]:
    """A server of this thread's own for as long as it needs one."""
    try:
        server = SERVERS.get_nowait()
    except Empty:
        server = ScriptServer(Path(mkdtemp(prefix="zencache-scripts-")))
    try:
        yield server
    finally:
        SERVERS.put(server)


_NOT_INHERITED = ("ZENCACHE_", "PYTHONPATH", "PYTHONHASHSEED", "OPTIONS")
# Now, and not in the threads that start processes: pytest changes the environment for each test.
INHERITED = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}


def env(**environment: str) -> Way:
    return Way(environment=environment)


def options(**given: object) -> Way:
    return Way(environment={"OPTIONS": json.dumps(given)})


AS_SCRIPT = Way()
IMPORTED = Way(("-c", "import main; main.main()"))
AS_MODULE = Way(("-m", "main"))


@dataclass(frozen=True)
class Case:
    """One kind of change.

    kind: what is changed, as a sentence.
    files: the program.
    edits: what is done to its folder between the two runs.
    runs: the steps that must run again; all others must be cached.
    before, after: how it is run.
    same: whether the results are the same as before, although steps run.
    stale: whether the policy asks for a result that a fresh run would not give.
    prepare: what is done before the first run.
    opt_in: whether it is left to the run of slow tests: variations of another case, and every second one of the
        others, so that the everyday run stays short.
    """

    kind: str
    files: Mapping[str, str]
    edits: tuple[Edit, ...]
    runs: tuple[str, ...]
    before: Way
    after: Way
    same: bool
    stale: bool
    prepare: Edit | None
    opt_in: bool

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        return [pytest.mark.slow] if self.opt_in else []


CASES: list[Case] = []


def case(
    kind: str,
    files: Mapping[str, str],
    *edits: Edit,
    runs: tuple[str, ...] = (),
    before: Way = AS_SCRIPT,
    after: Way | None = None,
    same: bool = False,
    stale: bool = False,
    prepare: Edit | None = None,
    opt_in: bool = False,
) -> None:
    """Add a case."""
    assert edits or after
    opt_in = opt_in or len(CASES) % 2 == 1
    CASES.append(Case(kind, files, edits, runs, before, after or before, same, stale, prepare, opt_in))


def counts(kind: str, files: Mapping[str, str], *edits: Edit, **more: object) -> None:
    """The edit changes what ``work`` gives."""
    case(kind, files, *edits, **{"runs": CHAIN, **more})  # type: ignore[arg-type]


def neutral(kind: str, files: Mapping[str, str], *edits: Edit, **more: object) -> None:
    """The edit changes no result: nothing runs."""
    case(kind, files, *edits, **more)  # type: ignore[arg-type]


# Code that counts

HELPER = "def helper(x):\n    return x * 3"
TRIPLED = swap("x * 3", "x * 4")
THERE = swap("x * 3", "x * 4", "helpers.py")

counts("the body of a step is edited", program("", "x * 3"), TRIPLED)
counts("a helper in the same module is edited", program(HELPER), TRIPLED)
counts("a helper in another module is edited", helped(HELPER), THERE)
counts("a helper behind its module's name is edited", program("import helpers", "helpers.helper(x)", helpers=HELPER), THERE)
counts("a helper behind its module's alias is edited", program("import helpers as h", "h.helper(x)", helpers=HELPER), THERE)
counts("a helper imported under another name is edited", program("from helpers import helper as f", "f(x)", helpers=HELPER), THERE)
counts("a helper given another name in the module is edited", program("import helpers\nf = helpers.helper", "f(x)", helpers=HELPER), THERE, opt_in=True)
counts(
    "what a star import finds is changed by __all__",
    program("def scale(x): return x * 5\nfrom helpers import *", "scale(x)", helpers="__all__ = []\ndef scale(x): return x * 3"),
    swap("[]", "['scale']", "helpers.py"),
)
counts("a helper imported inside the step is edited", program("", "from helpers import helper\nreturn helper(x)", helpers=HELPER), THERE)
counts(
    "a helper in a submodule imported inside the step is edited",
    program("", "import lib.deep.tools\nreturn lib.deep.tools.helper(x)") | {"lib/__init__.py": "", "lib/deep/__init__.py": "", "lib/deep/tools.py": HELPER},
    swap("x * 3", "x * 4", "lib/deep/tools.py"),
)
counts(
    "a helper imported by a literal name is edited",
    program("import importlib", "tools = importlib.import_module('helpers')\nreturn tools.helper(x)", helpers=HELPER),
    THERE,
)
counts("a helper taken by getattr with a literal name is edited", program("import helpers", "getattr(helpers, 'helper')(x)", helpers=HELPER), THERE)
counts(
    "a helper that a package passes on is edited",
    program("from lib import helper") | {"lib/__init__.py": "from .tools import helper", "lib/tools.py": HELPER},
    swap("x * 3", "x * 4", "lib/tools.py"),
)
counts(
    "a helper in a namespace package is edited",
    program("from space.tools import helper") | {"space/tools.py": HELPER},
    swap("x * 3", "x * 4", "space/tools.py"),
)
counts(
    "a helper in an editable checkout elsewhere is edited",
    program("from mylib import helper") | {"checkout/src/mylib/__init__.py": HELPER},
    swap("x * 3", "x * 4", "checkout/src/mylib/__init__.py"),
    before=env(PYTHONPATH="checkout/src"),
)
counts(
    "a helper of a helper of a helper, three modules away, is edited",
    program("from a import f", "f(x)", a="import b\ndef f(x): return b.g(x)", b="from c import h as k\ndef g(x): return k(x)", c="def h(x): return x * 3"),
    swap("x * 3", "x * 4", "c.py"),
)
counts(
    "the far side of an import cycle is edited",
    program("import even", "int(even.even(x))", even="import odd\ndef even(n): return n == 0 or odd.odd(n - 1)", odd="import even\ndef odd(n): return n != 0 and even.even(n - 1)"),
    swap("n != 0 and", "n == 1 and not", "odd.py"),
)
counts(
    "a mutual recursion is edited",
    program("def down(n): return n if n < 3 else up(n - 5)\ndef up(n): return down(n + 1)", "down(x)"),
    swap("n + 1", "n + 2"),
)
counts("a function that shadows a builtin is added", helped("def other(): pass", "max(x, 3)"), write("helpers.py", "def max(*a): return sum(a)"))
counts("a later definition takes the name of a helper", program(HELPER), swap("return x * 3", "return x * 3\ndef helper(x):\n    return x * 4"))
counts("a flag selects another definition of a helper", program("FLAG = True\nif FLAG:\n    def helper(x): return x * 3\nelse:\n    def helper(x): return x * 4"), swap("FLAG = True", "FLAG = False"))
counts("a helper is replaced by another module's import", program("import helpers, patches", "helpers.helper(x)", helpers=HELPER, patches="import helpers\nhelpers.helper = lambda x: x * 5"), swap("x * 5", "x * 6", "patches.py"))
counts("a module's own __getattr__ is edited", program("import helpers", "helpers.anything", helpers="def __getattr__(name): return 30 if name == 'anything' else 0"), swap("30", "31", "helpers.py"))
counts("a helper whose module is passed on whole is edited", program("import helpers\ndef call(m, x): return m.helper(x)", "call(helpers, x)", helpers=HELPER), THERE)

counts("a nested function is edited", program("", "def inner(y):\n    return y * 3\nreturn inner(x)"), swap("y * 3", "y * 4"))
counts("a helper called from a nested lambda is edited", program(HELPER, "return (lambda: [helper(y) for y in [x]])()[0]"), TRIPLED)
counts("the value in a closure is changed", helped("def make(n):\n    def inner(x): return x * n\n    return inner\nhelper = make(3)"), swap("make(3)", "make(4)", "helpers.py"))
counts("the function in a closure is edited", helped("def made(f):\n    def inner(x): return f(x)\n    return inner\ndef scale(x): return x * 3\nhelper = made(scale)"), THERE)
counts("a lambda is edited", helped("helper = lambda x: x * 3"), THERE)
counts("one of two lambdas on a line is edited", helped("other, helper = lambda x: x, lambda x: x * 3"), THERE, opt_in=True)
counts("a lambda made in a loop keeps another value", helped("def make(n): return lambda x: x * n\nALL = [make(n) for n in (1, 3)]\nhelper = ALL[1]"), swap("(1, 3)", "(1, 4)", "helpers.py"), opt_in=True)
counts("a lambda that is a step's function is edited", main_with(program("calculate = lambda x: x * 3"), "@step\ndef work(x: int) -> int:\n    return helper(x)", "calculate.__annotations__ = {'x': int, 'return': int}\nwork = step(name='work')(calculate)"), TRIPLED)
counts("a generator helper is edited", helped("def each(x):\n    yield x * 3", "sum(each(x))"), THERE, opt_in=True)
counts("an async helper is edited", program("import asyncio\nasync def helper(x):\n    return x * 3", "asyncio.run(helper(x))"), TRIPLED)
counts("a helper used in a match statement's guard is edited", program("def big(x): return x > 5", "match x:\n    case y if big(y):\n        return 1\nreturn 2"), swap("x > 5", "x > 50"), opt_in=True)

counts("the default of a step's parameter is changed", main_with(program("", "x * n"), "work(x: int)", "work(x: int, n: int = 3)"), swap("n: int = 3", "n: int = 4"))
counts("the default of a helper is changed", helped("def helper(x, n=3): return x * n"), swap("n=3", "n=4", "helpers.py"))
counts("the keyword default of a helper is changed", helped("def helper(x, *, n=3): return x * n"), swap("n=3", "n=4", "helpers.py"), opt_in=True)
counts("the function that made a default is edited", helped("def make(): return 1 + 2\ndef helper(x, n=make()): return x * n"), swap("1 + 2", "2 + 2", "helpers.py"))

counts("a constant is changed", program("N = 3", "x * N"), swap("N = 3", "N = 4"))
counts("a constant of another module is changed", program("import helpers", "x * helpers.N", helpers="N = 3"), swap("N = 3", "N = 4", "helpers.py"))
counts("a constant deep in a container is changed", helped("N = {'a': [1, (2, {'b': 3})]}", "x * N['a'][1][1]['b']"), swap("'b': 3", "'b': 4", "helpers.py"))
counts("the order of a dict that is a constant is changed", program("N = {'a': 1, 'b': 2}", "x * list(N.values())[0]"), swap("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"))
counts("a constant is computed by an edited function", helped("def make(): return 3\nN = make()", "x * N"), swap("return 3", "return 4", "helpers.py"))
counts("a constant changes its type alone", program("N = 3", "int(f'{x}{N}'.replace('.', ''))"), swap("N = 3", "N = 3.0"))
counts("a constant read from a data file at import is changed", program("import json\nwith open('config.json') as file:\n    CONFIG = json.load(file)", "x * CONFIG['n']") | {"config.json": '{"n": 3}'}, swap("3", "4", "config.json"))
counts("a constant is set by another module", program("import helpers, settings", "x * helpers.N", helpers="N = 1", settings="import helpers\nhelpers.N = 3"), swap("N = 3", "N = 4", "settings.py"))
counts("a dataclass instance that is a constant is changed", helped("from dataclasses import dataclass\n@dataclass\nclass Options:\n    n: int\nOPTIONS = Options(3)", "x * OPTIONS.n"), swap("Options(3)", "Options(4)", "helpers.py"))
counts("a numpy array that is a constant is changed", program("import numpy as np\nN = np.arange(4)", "int(x * N[-1])"), swap("arange(4)", "arange(5)"))
counts("a compiled pattern that is a constant is changed", program("import re\nP = re.compile('1.')", "len(P.findall(str(x)))"), swap("'1.'", "'[01]'"))
counts("a path that is a constant is changed", program("from pathlib import Path\nP = Path('data') / 'a'", "len(str(P)) * x"), swap("'data'", "'other'"), opt_in=True)
counts("the tuple of types that isinstance takes is changed", program("KINDS = (int, str)", "int(isinstance(x, KINDS))"), swap("(int, str)", "(float, str)"), opt_in=True)
counts("a constant in a namespace object is changed", program("from types import SimpleNamespace\nN = SimpleNamespace(n=3)", "x * N.n"), swap("n=3", "n=4"), opt_in=True)

counts("a method is edited", helped("class Scaler:\n    def scale(self, x): return x * 3", "Scaler().scale(x)"), THERE)
counts("an inherited method is edited in another module", program("from base import Base\nclass Scaler(Base): pass", "Scaler().scale(x)", base="class Base:\n    def scale(self, x): return x * 3"), swap("x * 3", "x * 4", "base.py"))
counts("a class gets another base", program("from base import A, B\nclass Scaler(A): pass", "Scaler().n * x", base="class A: n = 1\nclass B: n = 2"), swap("Scaler(A)", "Scaler(B)"))
counts("the order of bases is changed", program("from base import A, B\nclass Scaler(A, B): pass", "Scaler().n * x", base="class A: n = 1\nclass B: n = 2"), swap("(A, B)", "(B, A)"), opt_in=True)
counts("an override is taken away", program("class A:\n    n = 3\nclass B(A):\n    m = 1\n    n = 4", "B.n * x"), swap("    n = 4\n", "\n"))
counts("a method that super() finds is edited", helped("class A:\n    def scale(self, x): return x * 3\nclass B(A):\n    def scale(self, x): return super().scale(x) + 1", "B().scale(x)"), THERE)
counts("a metaclass is edited", helped("class Meta(type):\n    def scale(cls, x): return x * 3\nclass Scaler(metaclass=Meta): pass", "Scaler.scale(x)"), THERE)
counts("__init_subclass__ of a base is edited", helped("class Base:\n    def __init_subclass__(cls): cls.n = 3\nclass Scaler(Base): pass", "Scaler.n * x"), swap("cls.n = 3", "cls.n = 4", "helpers.py"))
counts("a class decorator is edited", helped("def decorate(cls):\n    cls.n = 3\n    return cls\n@decorate\nclass Scaler: pass", "Scaler.n * x"), swap("cls.n = 3", "cls.n = 4", "helpers.py"))
counts("a property is edited", helped("class Scaler:\n    @property\n    def n(self): return 3", "Scaler().n * x"), swap("return 3", "return 4", "helpers.py"))
counts("a setter is edited", helped("class Scaler:\n    @property\n    def n(self): return self._n\n    @n.setter\n    def n(self, value): self._n = value * 3", "s = Scaler()\ns.n = x\nreturn s.n"), swap("value * 3", "value * 4", "helpers.py"))
counts("a cached property is edited", helped("import functools\nclass Scaler:\n    @functools.cached_property\n    def n(self): return 3", "Scaler().n * x"), swap("return 3", "return 4", "helpers.py"))
counts("a static method is edited", helped("class Scaler:\n    @staticmethod\n    def scale(x): return x * 3", "Scaler.scale(x)"), THERE)
counts("a class method is edited", helped("class Scaler:\n    @classmethod\n    def scale(cls, x): return x * 3", "Scaler.scale(x)"), THERE, opt_in=True)
counts("an operator's method is edited", helped("class Scaler:\n    def __matmul__(self, x): return x * 3", "Scaler() @ x"), THERE, opt_in=True)
counts("a class attribute is changed", helped("class Scaler:\n    n = 3", "Scaler.n * x"), swap("n = 3", "n = 4", "helpers.py"))
counts("a descriptor is edited", helped("class Three:\n    def __get__(self, instance, owner): return 3\nclass Scaler:\n    n = Three()", "Scaler().n * x"), swap("return 3", "return 4", "helpers.py"))
counts("the state of a callable instance is changed", helped("class Scaler:\n    def __init__(self, n): self.n = n\n    def __call__(self, x): return x * self.n\nhelper = Scaler(3)"), swap("Scaler(3)", "Scaler(4)", "helpers.py"))
counts("the class of a callable instance is edited", helped("class Scaler:\n    def __call__(self, x): return x * 3\nhelper = Scaler()"), THERE)
counts("a bound method's class is edited", helped("class Scaler:\n    def scale(self, x): return x * 3\nhelper = Scaler().scale"), THERE, opt_in=True)
counts("a class made by a function is edited", helped("def make():\n    class Scaler:\n        def scale(self, x): return x * 3\n    return Scaler\nScaler = make()", "Scaler().scale(x)"), THERE)
counts("a class made by type() gets another method", helped("def scale(self, x): return x * 3\nScaler = type('Scaler', (), {'scale': scale})", "Scaler().scale(x)"), THERE)
counts("an exception's attribute is changed", helped("class Problem(Exception):\n    code = 3\ndef helper(x):\n    try:\n        raise Problem\n    except Problem as problem:\n        return problem.code * x"), swap("code = 3", "code = 4", "helpers.py"), opt_in=True)
counts("__class_getitem__ is edited", helped("class Scaler:\n    def __class_getitem__(cls, x): return x * 3", "Scaler[x]"), THERE, opt_in=True)

counts("the default of a dataclass field is changed", helped("from dataclasses import dataclass\n@dataclass\nclass Options:\n    n: int = 3", "Options().n * x"), swap("n: int = 3", "n: int = 4", "helpers.py"))
counts("__post_init__ of a dataclass is edited", helped("from dataclasses import dataclass\n@dataclass\nclass Options:\n    n: int = 3\n    def __post_init__(self): self.n += 1", "Options().n * x"), swap("+= 1", "+= 2", "helpers.py"))
counts("a default factory is edited", helped("from dataclasses import dataclass, field\ndef make(): return [3]\n@dataclass\nclass Options:\n    n: list = field(default_factory=make)", "Options().n[0] * x"), swap("[3]", "[4]", "helpers.py"))
counts("the order of dataclass fields is changed", helped("from dataclasses import dataclass\n@dataclass\nclass Options:\n    a: int = 0\n    b: int = 0", "Options(1, 2).a * x"), swap("a: int = 0\n    b: int = 0", "b: int = 0\n    a: int = 0", "helpers.py"), opt_in=True)
counts("a default of a NamedTuple is changed", helped("from typing import NamedTuple\nclass Options(NamedTuple):\n    n: int = 3", "Options().n * x"), swap("n: int = 3", "n: int = 4", "helpers.py"), opt_in=True)
counts("the value of an enum's member is changed", helped("import enum\nclass Scale(enum.Enum):\n    SMALL = 3\n    LARGE = 30", "Scale.SMALL.value * x"), swap("SMALL = 3", "SMALL = 4", "helpers.py"))
counts("the method of an enum is edited", helped("import enum\nclass Scale(enum.Enum):\n    SMALL = 3\n    def of(self, x): return self.value * x", "Scale.SMALL.of(x)"), swap("self.value * x", "self.value + x", "helpers.py"))
counts("an enum's member that is a constant is exchanged", helped("import enum\nclass Scale(enum.Enum):\n    SMALL = 3\n    LARGE = 30\nCHOSEN = Scale.SMALL", "CHOSEN.value * x"), swap("Scale.SMALL", "Scale.LARGE", "helpers.py"), opt_in=True)
counts("the value of an enum's member that is a constant is changed", helped("import enum\nclass Scale(enum.Enum):\n    SMALL = 3\n    LARGE = 30\nCHOSEN = Scale.SMALL", "CHOSEN.value * x"), swap("SMALL = 3", "SMALL = 4", "helpers.py"), opt_in=True)
VALIDATED = "    n: int = 3\n    @pydantic.field_validator('n')\n    @classmethod\n    def check(cls, v): return scaled(v)\n    model_config = {'validate_default': True}\n"
counts("a pydantic model's validator is edited", program("import pydantic\ndef scaled(v): return v\nclass M(pydantic.BaseModel):\n" + VALIDATED.replace("scaled(v)", "v * 2"), "M(n=3).n * x"), swap("v * 2", "v * 3"))
counts("a pydantic model validator of a nested model is edited", program("import pydantic\nclass Inner(pydantic.BaseModel):\n    n: int = 3\n    @pydantic.model_validator(mode='after')\n    def check(self):\n        object.__setattr__(self, 'n', self.n + 1)\n        return self\nclass Outer(pydantic.BaseModel):\n    inner: Inner", "Outer(inner={'n': 3}).inner.n * x"), swap("self.n + 1", "self.n + 2"))
counts("a constraint of a pydantic field is changed", program("import pydantic\nclass M(pydantic.BaseModel):\n    n: int = pydantic.Field(3, gt=0)\ndef helper(x):\n    try:\n        return M(n=2).n\n    except pydantic.ValidationError:\n        return x"), swap("gt=0", "gt=2"))
counts("the default of a config's field is changed", configured("    n: int = 3"), swap("n: int = 3", "n: int = 4"))
counts("what a config's own validator calls is edited", configured(VALIDATED, "import pydantic\ndef scaled(v): return v * 2"), swap("v * 2", "v * 3"))
case("the validator of a config is edited to the same effect", configured(VALIDATED, "import pydantic\ndef scaled(v): return v * 2"), swap("v * 2", "v + v"), runs=("work",), same=True)
counts("a property of a config is edited", main_with(configured("    m: int = 1\n    @property\n    def n(self): return self.m * 3")), swap("self.m * 3", "self.m * 4"))
counts("a base of a config is edited", main_with(configured("    pass", "class Base(BaseStepConfig):\n    m: int = 1\n    def n(self): return self.m * 3"), "class Config(BaseStepConfig)", "class Config(Base)", "config.n * x", "config.n() * x"), swap("self.m * 3", "self.m * 4"))

counts("a function in a dict is edited", helped("def scale(x): return x * 3\nALL = {'scale': scale}", "ALL['scale'](x)"), THERE)
counts("a function that registers itself is edited", program("from registry import ALL\nimport plugins", "ALL['scale'](x)", registry="ALL = {}\ndef register(f):\n    ALL[f.__name__] = f\n    return f", plugins="from registry import register\n@register\ndef scale(x): return x * 3"), swap("x * 3", "x * 4", "plugins.py"))
counts("a function in a list of pairs is edited", helped("def scale(x): return x * 3\nALL = [('scale', (scale, 1))]", "ALL[0][1][0](x)"), THERE, opt_in=True)
counts("a function passed to map is edited", helped(HELPER, "sum(map(helper, [x]))"), THERE, opt_in=True)
counts("a function passed to a helper is edited", helped("def apply(f, x): return f(x)\ndef scale(x): return x * 3", "apply(scale, x)"), THERE)
counts("the function in a partial is edited", helped("import functools\ndef scale(n, x): return x * n\nhelper = functools.partial(scale, 3)"), swap("x * n", "x + n", "helpers.py"))
counts("the argument in a partial is changed", helped("import functools\ndef scale(n, x): return x * n\nhelper = functools.partial(scale, 3)"), swap("scale, 3", "scale, 4", "helpers.py"))
counts("the function in a partialmethod is edited", helped("import functools\nclass Scaler:\n    def scale(self, n, x): return x * n\n    thrice = functools.partialmethod(scale, 3)", "Scaler().thrice(x)"), swap("x * n", "x + n", "helpers.py"))
counts("the argument of a partialmethod is changed", helped("import functools\nclass Scaler:\n    def scale(self, n, x): return x * n\n    thrice = functools.partialmethod(scale, 3)", "Scaler().thrice(x)"), swap("scale, 3", "scale, 4", "helpers.py"))
counts("the factory of a defaultdict is edited", helped("from collections import defaultdict\ndef make(): return 3\nN = defaultdict(make)", "dict(N).get('n', N.default_factory()) * x"), swap("return 3", "return 4", "helpers.py"), opt_in=True)
counts("the key function of a sort is edited", helped("def key(x): return x % 10", "sorted([12, 21], key=key)[0] * x"), swap("x % 10", "x // 10", "helpers.py"))
WRAPS = "import functools\ndef scaled(n):\n    def decorate(f):\n        @functools.wraps(f)\n        def wrapper(x): return f(x) * n\n        return wrapper\n    return decorate\n@scaled(3)\ndef helper(x): return x + 5"
counts("a decorator that wraps is edited", helped(WRAPS), swap("f(x) * n", "f(x) - n", "helpers.py"))
counts("the argument of a decorator is changed", helped(WRAPS), swap("scaled(3)", "scaled(4)", "helpers.py"))
counts("a function below a decorator that wraps is edited", helped(WRAPS), swap("x + 5", "x + 6", "helpers.py"))
counts("a decorator is taken away", helped(WRAPS), swap("@scaled(3)\n", "", "helpers.py"))
counts("a decorator between @step and the function is edited", main_with(program("from helpers import scaled", "x + 5", helpers=WRAPS), "@step\ndef work", "@step\n@scaled(3)\ndef work"), swap("f(x) * n", "f(x) - n", "helpers.py"))
counts("a function below lru_cache is edited", helped("import functools\n@functools.lru_cache(None)\ndef helper(x): return x * 3"), THERE)
counts("a function below contextmanager is edited", helped("import contextlib\n@contextlib.contextmanager\ndef scale(x): yield x * 3", "with scale(x) as y:\n    return y"), THERE)
counts("an implementation of a singledispatch is edited", helped("import functools\n@functools.singledispatch\ndef helper(x): return 0\n@helper.register\ndef _(x: int): return x * 3"), THERE)
counts("an implementation of a singledispatchmethod is edited", helped("import functools\nclass Scaler:\n    @functools.singledispatchmethod\n    def scale(self, x): return 0\n    @scale.register\n    def _(self, x: int): return x * 3", "Scaler().scale(x)"), THERE)
counts("a function set as an attribute of a function is edited", helped("def scale(x): return x * 3\ndef helper(x): return helper.how(x)\nhelper.how = scale"), THERE)
counts("an installed function is exchanged for another", program("import math", "int(math.sqrt(x))"), swap("math.sqrt", "math.exp"))
counts("an installed function imported under one name is exchanged", program("from math import sqrt as f", "int(f(x))"), swap("sqrt as f", "exp as f"), opt_in=True)

MATERIALIZED = """
from zencache import BaseMaterializer
from formats import written
class Count(int): pass
class CountMaterializer(BaseMaterializer):
    types = (Count,)
    def save(self, value, directory): (directory / "count").write_text(written(value))
    def load(self, directory, type): return Count((directory / "count").read_text())
"""
WRITTEN = "def written(value): return str(int(value))"
COUNTING = main_with(program(MATERIALIZED, "Count(x * 3)", formats=WRITTEN), "work(x: int) -> int", "work(x: int) -> Count", "last(x: int)", "last(x: Count)")
case("a materializer that writes an output is edited", COUNTING, swap("written(value))", "written(value) + ' ')"), runs=CHAIN, same=True)
case("what a materializer calls is edited", COUNTING, swap("str(int(value))", "f' {int(value)}'", "formats.py"), runs=CHAIN, same=True)
EXPLICIT = main_with(program("from zencache import BaseMaterializer\nclass Precise(BaseMaterializer):\n    def __init__(self, width=1): self.width = width\n    def save(self, value, directory): (directory / 'n').write_text(f'{value:{self.width}}')\n    def load(self, directory, type): return int((directory / 'n').read_text())", "x * 3"), "@step\ndef work", "@step(materializers=Precise(5))\ndef work")
case("the state of a step's materializer is changed", EXPLICIT, swap("Precise(5)", "Precise(6)"), runs=CHAIN, same=True)

# Code that counts and is easily overlooked

THREE = "class Three:\n    def __init__(self, n): self.n = n\n    def __get__(self, instance, owner): return self.n\n"
counts("a pattern whose match method is a helper is changed", program("import re\nfound = re.compile('1.').findall", "len(found(str(x)))"), swap("'1.'", "'[01]'"))
counts("an ordered dict whose get method is a helper is changed", program("from collections import OrderedDict\nget = OrderedDict(n=3).get", "get('n') * x"), swap("n=3", "n=4"), opt_in=True)
counts("an enum made by a call is changed", helped("import enum\nScale = enum.Enum('Scale', {'SMALL': 3})", "Scale.SMALL.value * x"), swap("'SMALL': 3", "'SMALL': 4", "helpers.py"))
counts("a pydantic model made by a call is changed", program("import pydantic\nM = pydantic.create_model('M', n=(int, 3))", "M().n * x"), swap("(int, 3)", "(int, 4)"))
counts("a named tuple made by a call is changed", helped("from collections import namedtuple\nT = namedtuple('T', 'n', defaults=[3])", "T().n * x"), swap("[3]", "[4]", "helpers.py"), opt_in=True)
counts("a dataclass made by a call is changed", helped("import dataclasses\nT = dataclasses.make_dataclass('T', [('n', int, 3)])", "T().n * x"), swap("int, 3", "int, 4", "helpers.py"))
counts("a pydantic model made by a function gets another default", program("import pydantic\ndef make(k):\n    class M(pydantic.BaseModel):\n        n: int = k\n    return M\nM = make(3)", "M().n * x"), swap("make(3)", "make(4)"))
counts("a dataclass made by a function gets another default factory", helped("from dataclasses import dataclass, field\ndef make(k):\n    @dataclass\n    class T:\n        n: int = field(default_factory=lambda: k)\n    return T\nT = make(3)", "T().n * x"), swap("make(3)", "make(4)", "helpers.py"), opt_in=True)
counts("a class made by a function gets another descriptor", helped(THREE + "def make(k):\n    class Scaler:\n        n = Three(k)\n    return Scaler\nScaler = make(3)", "Scaler().n * x"), swap("make(3)", "make(4)", "helpers.py"))
counts("a descriptor set on a class later is changed", helped(THREE + "class Scaler: pass\nScaler.n = Three(3)", "Scaler().n * x"), swap("Three(3)", "Three(4)", "helpers.py"))
counts("a partialmethod set on a class later is changed", helped("import functools\nclass Scaler:\n    def scale(self, n, x): return x * n\nScaler.thrice = functools.partialmethod(Scaler.scale, 3)", "Scaler().thrice(x)"), swap("scale, 3", "scale, 4", "helpers.py"), opt_in=True)
counts("an attribute set on a pydantic model later is changed", program("import pydantic\nclass M(pydantic.BaseModel): pass\nM.n = 3", "M.n * x"), swap("M.n = 3", "M.n = 4"))
counts("a type in a model's annotation is changed", program("import pydantic\nfrom typing import Annotated\ndef scaled(v): return v * 3\nScaled = Annotated[int, pydantic.AfterValidator(scaled)]\nclass M(pydantic.BaseModel):\n    n: Scaled", "M(n=x).n"), swap("v * 3", "v * 4"))
counts("a type in a model's quoted annotation is changed", program("import pydantic\nfrom typing import Annotated\ndef scaled(v): return v * 3\nScaled = Annotated[int, pydantic.AfterValidator(scaled)]\nclass M(pydantic.BaseModel):\n    n: 'Scaled'", "M(n=x).n"), swap("v * 3", "v * 4"))
counts("a type in a model's future annotation is changed", main_with(program("import pydantic\nfrom typing import Annotated\ndef scaled(v): return v * 3\nScaled = Annotated[int, pydantic.AfterValidator(scaled)]\nclass M(pydantic.BaseModel):\n    n: Scaled", "M(n=x).n"), "\nfrom zencache import CachePolicy", "from __future__ import annotations\nfrom zencache import CachePolicy"), swap("v * 3", "v * 4"))
counts("a value in a closure of an installed function is changed", program("import vendored\nhelper = vendored.scaled(3)") | {"env/site-packages/vendored.py": "def scaled(n):\n    def inner(x): return x * n\n    return inner"}, swap("scaled(3)", "scaled(4)"), before=env(PYTHONPATH="env/site-packages"))
counts("the argument of a local decorator named step is changed", program("", "def step(n): return lambda f: lambda x: f(x) * n\n@step(3)\ndef inner(x): return x\nreturn inner(x)"), swap("@step(3)", "@step(4)"))
counts("an annotation that a decorator named like a blind one reads is changed", program("from decorators import cache\n@cache\ndef helper(x: int): return x * 3", decorators="def cache(f): return lambda x: len(str(f(f.__annotations__['x'](x))))"), swap("helper(x: int)", "helper(x: float)"))
counts("an annotation that the step reads is changed", helped("def helper(x: int): return x", "len(str(helper.__annotations__['x'](x)))"), swap("x: int", "x: float", "helpers.py"))
counts("the docstring of the module that a step reads is edited", main_with(program("", "len(__doc__) * x"), "\nfrom zencache import CachePolicy", "'One.'\nfrom zencache import CachePolicy"), swap("One.", "Three."))
counts("a module attribute with underscores around it is changed", program("import helpers", "int(getattr(helpers, '__version__')) * x", helpers="__version__ = '3'"), swap("'3'", "'4'", "helpers.py"))
counts("a function put into builtins is edited", program("import patches", "scale(x)", patches="import builtins\ndef scale(x): return x * 3\nbuiltins.scale = scale"), swap("x * 3", "x * 4", "patches.py"))
counts("an attribute of a thread's own variables is changed", program("import threading\nLOCAL = threading.local()\nLOCAL.n = 3", "x * LOCAL.n"), swap("LOCAL.n = 3", "LOCAL.n = 4"))
counts("a constant that a model has taken over and that is bound again is changed", program("import pydantic\nN = 3\nclass M(pydantic.BaseModel):\n    n: int = N\nN = 0", "M().n * x"), swap("N = 3", "N = 4"))
ANYTHING = main_with(COUNTING, "work(x: int) -> Count", "work(x: int) -> Any", "from report", "from typing import Any\nfrom report")
case("a materializer that only the value's type selects is edited", ANYTHING, swap("written(value))", "written(value) + ' ')"), runs=CHAIN, same=True)

# Code that counts in ways that few programs have

counts("the __set_name__ of a descriptor is edited", helped("class D:\n    def __set_name__(self, owner, name): owner.n = 3\nclass S:\n    d = D()", "S.n * x"), swap("owner.n = 3", "owner.n = 4", "helpers.py"), opt_in=True)
counts("an implementation of a singledispatch in another module is edited", program("from helpers import helper\nimport impls", "helper(x)", helpers="import functools\n@functools.singledispatch\ndef helper(x): return 0", impls="from helpers import helper\n@helper.register\ndef _(x: int): return x * 3"), swap("x * 3","x * 4","impls.py"), opt_in=True)
counts("a class decorator of another module is edited", program("from deco import add\n@add\nclass S: pass", "S().f(x)", deco="def add(c):\n    c.f = lambda self, x: x * 3\n    return c"), swap("x * 3","x * 4","deco.py"), opt_in=True)
counts("__match_args__ are changed", helped("class P:\n    __match_args__ = ('a', 'b')\n    def __init__(self): self.a, self.b = 3, 4", "match P():\n    case P(n):\n        return n * x"), swap("'a', 'b'","'b', 'a'", "helpers.py"), opt_in=True)
counts("the other name of an enum's member is given another value", helped("import enum\nclass E(enum.Enum):\n    A = 3\n    B = 4\n    C = 3", "E.C.value * x"), swap("C = 3","C = 4", "helpers.py"), opt_in=True)
counts("a default of a NamedTuple that is bound again is changed", helped("from typing import NamedTuple\nN = 3\nclass T(NamedTuple):\n    n: int = N\nN = 0", "T().n * x"), swap("N = 3","N = 4", "helpers.py"))
counts("a default of a dataclass with slots that is bound again is changed", helped("from dataclasses import dataclass\nN = 3\n@dataclass(slots=True)\nclass T:\n    n: int = N\nN = 0", "T().n * x"), swap("N = 3","N = 4", "helpers.py"), opt_in=True)
counts("a constraint of a field that is bound again is changed", program("import pydantic\nN = 0\nclass M(pydantic.BaseModel):\n    n: int = pydantic.Field(3, gt=N)\nN = 0\ndef helper(x):\n    try:\n        return M(n=2).n\n    except pydantic.ValidationError:\n        return x"), swap("N = 0\nclass","N = 2\nclass"), opt_in=True)
counts("a helper taken by attrgetter is edited", program("import operator, helpers", "operator.attrgetter('helper')(helpers)(x)", helpers=HELPER), THERE, opt_in=True)
counts("a class is registered as a subclass of an abstract one", helped("import abc\nclass A(abc.ABC): pass\nclass B: pass\nA.register(B)", "int(isinstance(B(), A)) + x"), swap("A.register(B)","pass", "helpers.py"))
counts("a function in a ChainMap is edited", helped("from collections import ChainMap\ndef f(x): return x * 3\nM = ChainMap({}, {'f': f})", "M['f'](x)"), THERE, opt_in=True)
counts("a method that another module sets is edited", program("import helpers, patch", "helpers.S().f(x)", helpers="class S:\n    def f(self, x): return x", patch="import helpers\ndef f(self, x): return x * 3\nhelpers.S.f = f"), swap("x * 3","x * 4","patch.py"), opt_in=True)
counts("a module that is tried first inside a step appears", program("", "try:\n    from fast import helper\nexcept ImportError:\n    from helpers import helper\nreturn helper(x)", helpers=HELPER), write("fast.py","def helper(x): return x * 4"))
counts("a module imported under the same name as another is edited", program("", "if x < 100:\n    from a import helper\nelse:\n    from b import helper\nreturn helper(x)", a="def helper(x): return x * 3", b="def helper(x): return 1"), swap("x * 3","x * 4","a.py"), opt_in=True)
counts("a type that bounds a type variable is changed", helped("import pydantic\nfrom typing import Generic, TypeVar, Annotated\ndef v(n): return n * 3\nS = Annotated[int, pydantic.AfterValidator(v)]\nT = TypeVar('T', bound=S)\nclass M(pydantic.BaseModel, Generic[T]):\n    n: T", "M(n=x).n"), swap("n * 3","n * 4", "helpers.py"))
counts("the class below a NewType is edited", helped("from typing import NewType\nclass B:\n    n = 3\nU = NewType('U', B)", "U.__supertype__.n * x"), swap("n = 3","n = 4", "helpers.py"), opt_in=True)
counts("an alias generator of a pydantic model is edited", helped("import pydantic\ndef g(n): return n + 'a'\nclass M(pydantic.BaseModel):\n    model_config = {'alias_generator': g}\n    n: int = 3", "len(list(M().model_dump(by_alias=True))[0]) * x"), swap("+ 'a'","+ 'bb'", "helpers.py"), opt_in=True)
counts("the order of a pydantic model's validators is changed", helped("import pydantic\nclass M(pydantic.BaseModel):\n    n: int\n    @pydantic.field_validator('n')\n    def a(cls, v): return v + 1\n    @pydantic.field_validator('n')\n    def b(cls, v): return v * 3", "M(n=x).n"), write("helpers.py", "import pydantic\nclass M(pydantic.BaseModel):\n    n: int\n    @pydantic.field_validator('n')\n    def b(cls, v): return v * 3\n    @pydantic.field_validator('n')\n    def a(cls, v): return v + 1"))
counts("the default of a config inside a config is changed", main_with(program("from zencache import BaseStepConfig\nimport pydantic\nclass In(pydantic.BaseModel):\n    n: int = 3\nclass Config(BaseStepConfig):\n    i: In = In()", "config.i.n * x"), "work(x: int)", "work(x: int, config: Config)"), swap("n: int = 3","n: int = 4"), opt_in=True)
counts("a key of a TypedDict is added", helped("from typing import TypedDict\nclass T(TypedDict):\n    a: int", "len(T.__annotations__) * x"), swap("a: int","a: int\n    b: int", "helpers.py"), opt_in=True)
counts("a method of a runtime Protocol gets another name", helped("from typing import Protocol, runtime_checkable\n@runtime_checkable\nclass P(Protocol):\n    def f(self): ...\nclass S:\n    def f(self): pass", "int(isinstance(S(), P)) + x"), swap("def f(self): ...","def g(self): ...", "helpers.py"), opt_in=True)
counts("a helper taken from a module's __dict__ is edited", program("import helpers", "helpers.__dict__['helper'](x)", helpers=HELPER), THERE, opt_in=True)
counts("a helper of a module taken from sys.modules is edited", program("import sys, helpers", "sys.modules['helpers'].helper(x)", helpers=HELPER), THERE, opt_in=True)
counts("a helper taken from globals by a literal name is edited", program(HELPER, "globals()['helper'](x)"), TRIPLED, opt_in=True)
counts("a subclass that only __subclasses__ finds is edited", program("from helpers import B\nimport more", "B.__subclasses__()[0].n * x", helpers="class B: n = 0", more="from helpers import B\nclass C(B): n = 3"), swap("n = 3","n = 4","more.py"))
counts("a class that get_type_hints finds in a future annotation is edited", helped("from __future__ import annotations\nfrom typing import get_type_hints\nclass A: n = 3\ndef f(a: A): pass\ndef helper(x): return get_type_hints(f)['a'].n * x"), swap("n = 3","n = 4", "helpers.py"), opt_in=True)
counts("an annotation that inspect.signature reads is changed", helped("def f(a: int): pass\ndef helper(x):\n    from inspect import signature\n    return len(str(signature(f).parameters['a'].annotation(1))) * x"), swap("a: int","a: float", "helpers.py"))
counts("a comment in source that a step reads is added", helped("import inspect\ndef f(x): return 1\ndef helper(x): return len(inspect.getsource(f)) * x"), swap("return 1","return 1  # one", "helpers.py"), opt_in=True)
counts("a docstring that inspect.getdoc reads is edited", helped("import inspect\ndef f(x):\n    '''One.'''\ndef helper(x): return len(inspect.getdoc(f)) * x"), swap("One.","Three.", "helpers.py"), opt_in=True)
counts("a docstring that a helper reads of its argument is edited", helped("def f(x):\n    '''One.'''\ndef d(g): return len(g.__doc__)\ndef helper(x): return d(f) * x"), swap("One.","Three.", "helpers.py"), opt_in=True)
counts("an annotation that an installed wrapper reads is changed", helped("import pydantic\ndef f(x: int): return x\ng = pydantic.validate_call(f)\ndef helper(x): return len(str(g('10')))"), swap("x: int","x: float", "helpers.py"), opt_in=True)
counts("the order of methods that vars reads is changed", helped("class S:\n    def f(self): return 3\n    def g(self): return 4\ndef helper(x): return [v for k, v in vars(S).items() if k in 'fg'][0](0) * x"), write("helpers.py", "class S:\n    def g(self): return 4\n    def f(self): return 3\ndef helper(x): return [v for k, v in vars(S).items() if k in 'fg'][0](0) * x"))
counts("the order of methods that __init_subclass__ notes is changed", helped("class B:\n    def __init_subclass__(cls): cls.first = [k for k in vars(cls) if k in 'fg'][0]\nclass S(B):\n    def f(self): return 3\n    def g(self): return 4", "ord(S.first) * x"), write("helpers.py", "class B:\n    def __init_subclass__(cls): cls.first = [k for k in vars(cls) if k in 'fg'][0]\nclass S(B):\n    def g(self): return 4\n    def f(self): return 3"), opt_in=True)
counts("the default of a context variable is changed", program("import contextvars\nV = contextvars.ContextVar('v', default=3)", "V.get() * x"), swap("default=3","default=4"), opt_in=True)
counts("a property of a user's kind of module is edited", program("import sys, types\nclass M(types.ModuleType):\n    @property\n    def n(self): return 3\nm = M('m')", "m.n * x"), swap("return 3","return 4"), opt_in=True)
counts("an attribute that __getstate__ leaves out is changed", helped("class S:\n    def __init__(self, n): self.n = n\n    def __getstate__(self): return {}\nV = S(3)", "V.n * x"), swap("S(3)","S(4)", "helpers.py"))
counts("an attribute that __reduce__ leaves out is changed", helped("class S:\n    def __init__(self, n): self.n = n\n    def __reduce__(self): return (S, (0,))\nV = S(3)", "V.n * x"), swap("S(3)","S(4)", "helpers.py"), opt_in=True)
counts("an attribute of an instance that is pickled by name is changed", helped("class S:\n    def __init__(self, n): self.n = n\n    def __reduce__(self): return 'V'\nV = S(3)", "V.n * x"), swap("S(3)","S(4)", "helpers.py"), opt_in=True)
counts("the code that a function was given is edited", helped("def other(x): return x * 3\ndef helper(x): return 0\nhelper.__code__ = other.__code__"), THERE, opt_in=True)
counts("a class that exec made is edited", program("scope = {}\nexec('class S:\\n    n = 3', scope)\nS = scope['S']", "S.n * x"), swap("n = 3","n = 4"), opt_in=True)
counts("a user's kind of path is edited", helped("from pathlib import PurePosixPath\nclass P(PurePosixPath):\n    def f(self): return 3\nV = P('a')", "V.f() * x"), swap("return 3","return 4", "helpers.py"), opt_in=True)
counts("the metadata of a numpy dtype is changed", program("import numpy as np\nD = np.dtype('i4', metadata={'n': 3})", "D.metadata['n'] * x"), swap("'n': 3","'n': 4"), opt_in=True)
counts("a constant put into builtins is changed", program("import patches", "x * N", patches="import builtins\nbuiltins.N = 3"), swap("N = 3","N = 4","patches.py"), opt_in=True)

# The pipeline and its steps

counts("a parameter given in the pipeline is changed", main_with(program("", "x * n"), "work(x: int)", "work(x: int, n: int)", "work(first())", "work(first(), n=3)"), swap("n=3", "n=4"))
counts("a function given as a parameter is edited", main_with(helped(HELPER, "f(x)"), "work(x: int)", "work(x: int, f: object)", "work(first())", "work(first(), f=helper)"), THERE)
counts("the default of a pipeline's parameter is changed", main_with(program("", "x * n"), "work(x: int)", "work(x: int, n: int)", "work(first())", "work(first(), n=n)", "def flow()", "def flow(n=3)"), swap("flow(n=3)", "flow(n=4)"))
counts("a step takes another output", main_with(program("", "x * 3"), "first() -> int", "first() -> Output(a=int, b=int)", "return 10", "return 10, 20", "last(work(first()))", "a, b = first()\n    last(work(a))", "import CachePolicy,", "import Output,"), swap("work(a)", "work(b)"))
case("a step is wired past another", program("", "x * 3"), swap("last(work(first()))", "x = first()\n    work(x)\n    last(x)"), runs=("last",))
case("a step gets another name", program("", "x * 3"), swap("@step\ndef work", "@step(name='other')\ndef work"), runs=("other",))
case("an output gets another name", main_with(program("from zencache import Output", "x * 3"), "work(x: int) -> int", "work(x: int) -> Output(a=int)"), swap("a=int", "b=int"), runs=("work",))
case("the declared type of an input is changed", program("", "x * 3"), swap("last(x: int)", "last(x: object)"), runs=("last",), same=True)
case("a step is added", program("", "x * 3"), swap("last(work(first()))", "last(work(first()))\n    last(x=5)"), runs=("last_2",))
case("one of two independent steps is edited", main_with(program("", "x * 3"), "last(work(first()))", "x = first()\n    work(x)\n    last(x)"), TRIPLED, runs=("work",))
case("a step that runs anew and gives the same cuts off what is below it", program("", "x * 3"), swap("x * 3", "x + x + x"), runs=("work",), same=True)
case("the first step is edited", program("", "x * 3"), swap("return 10", "return 11"), runs=FLOWING)

# Code that does not count

DOCUMENTED = "class Scaler:\n    n = 3\n    def scale(self, x): return x * self.n"
neutral("comments are added", helped(HELPER), swap("return x * 3", "# thrice\n    return x * 3  # 3", "helpers.py"), swap("return helper(x)", "return helper(x)  # work"))
neutral("docstrings are added to a step, a helper and a module", helped(HELPER), swap("def helper(x):", "'''Module.'''\ndef helper(x):\n    '''Scale.'''", "helpers.py"), swap("def work(x: int) -> int:", "def work(x: int) -> int:\n    '''Work.'''"))
neutral("docstrings are added to a class and a method", helped(DOCUMENTED, "Scaler().scale(x)"), write("helpers.py", "class Scaler:\n    '''Scales.'''\n    n = 3\n    def scale(self, x):\n        '''Thrice.'''\n        return x * self.n"))
neutral("a docstring is edited", helped("def helper(x):\n    '''One.'''\n    return x * 3"), swap("One.", "Two.", "helpers.py"))
neutral("everything is formatted anew", helped("def helper(x): return sum([x * 3, 'ab' != \"c\"])"), write("helpers.py", "def helper(\n    x,\n):\n    return sum(\n        [\n            (x * 3),\n            'a' 'b' != 'c',\n        ]\n    )\n"))
neutral("lines move", helped(HELPER), swap("def helper", "\n\n\n\ndef helper", "helpers.py"), swap("@step\ndef first", "\n\n\n\n@step\ndef first"))
neutral("a helper is annotated", helped("def helper(x, *rest, n=3):\n    y = x * n\n    return y"), write("helpers.py", "def helper(x: 'int', *rest: int, n: int = 3) -> int:\n    y: int = x * n\n    return y"))
neutral("a nested function is annotated", program("", "def inner(y):\n    return y * 3\nreturn inner(x)"), swap("inner(y):", "inner(y: int) -> int:"))
neutral("annotations become text for the future", helped(HELPER), swap("\nfrom zencache import CachePolicy", "from __future__ import annotations\nfrom zencache import CachePolicy"))
neutral("definitions change their order", helped("N = 3\ndef a(x): return x * N\ndef b(x): return x + 1\nclass C:\n    n = 1\ndef helper(x): return a(x) + b(x) + C.n"), write("helpers.py", "class C:\n    n = 1\ndef helper(x): return a(x) + b(x) + C.n\ndef b(x): return x + 1\ndef a(x): return x * N\nN = 3\n"))
neutral("steps change their order in the module", program("", "x * 3"), swap("@step\ndef first() -> int:\n    return 10\n", ""), swap("@pipeline\n", "@step\ndef first() -> int:\n    return 10\n\n@pipeline\n"))
neutral("the set that is a constant is written in another order", program("N = {'a', 'b', 'c'}", "len(N) * x"), swap("{'a', 'b', 'c'}", "{'c', 'a', 'b'}"))
neutral("a constant is spelled in another way", helped("N = 3000\nRATE = 0.5", "int(x * N * RATE)"), write("helpers.py", "N = 3 * 1_000\nRATE = 1 / 2"))
neutral("an import, a function and a class that nothing uses are added", helped(HELPER), swap("def helper", "import json\nOTHER = object()\nclass Other: pass\ndef unused(): return OTHER\ndef helper", "helpers.py"))
neutral("something else in the module of a helper is edited", helped("def other(x): return x + 1\n" + HELPER), swap("x + 1", "x + 2", "helpers.py"))
neutral("something else in a module that is used by name is edited", program("import helpers", "helpers.helper(x)", helpers="N = 1\n" + HELPER), swap("N = 1", "N = 2", "helpers.py"))
neutral("zencache's decorators get arguments", program("", "x * 3"), swap("@step\ndef work", "@step(enable_cache=True, cache_policy=CachePolicy(expires_in='7d'))\ndef work"), swap("@pipeline", "@pipeline(enable_cache=True, name='other')"))
neutral("zencache's decorators are imported under other names", program("", "x * 3"), swap("@step\ndef work", "@zc.step\ndef work"), swap("@step\ndef last", "@cached\ndef last"), swap("from report", "import zencache as zc\nfrom zencache import step as cached\nfrom report"))
neutral("the pipeline gets another name", program("", "x * 3"), everywhere("flow", "other_flow"))
SLOTS = main_with(program("", "x * 3"), "def flow()", "def flow(source, middle, sink)", "last(work(first()))", "sink(middle(source()))", "report(flow())", "report(flow(source=first(), middle=work(), sink=last()))")
neutral("the slots of a pipeline get other names", SLOTS, everywhere("middle", "centre"))
neutral("steps are wired by keyword", program("", "x * 3"), swap("last(work(first()))", "origin = first()\n    result = work(x=origin)\n    last(x=result)"))
neutral("independent steps are wired in another order", main_with(program("", "x * 3"), "last(work(first()))", "last(x=1)\n    work(x=1)"), swap("last(x=1)\n    work(x=1)", "work(x=1)\n    last(x=1)"))
neutral("a default is given explicitly", main_with(program("", "x * n"), "work(x: int)", "work(x: int, n: int = 3)"), swap("work(first())", "work(first(), n=3)"))
neutral("a helper moves to another module", program("from helpers import helper", helpers="N = 3\ndef helper(x): return x * N"), write("moved.py", "N = 3\ndef helper(x): return x * N"), write("helpers.py", "from moved import helper"))
neutral("a helper and its class move from the main module to another", program("N = 3\nclass Scaler:\n    def scale(self, x): return x * N\ndef helper(x): return Scaler().scale(x)"), write("moved.py", "N = 3\nclass Scaler:\n    def scale(self, x): return x * N\ndef helper(x): return Scaler().scale(x)"), swap("N = 3\nclass Scaler:\n    def scale(self, x): return x * N\ndef helper(x): return Scaler().scale(x)", "from moved import helper"))
neutral("an import style of the module changes, not of the step", program("from helpers import helper", helpers=HELPER), swap("from helpers import helper", "import helpers\nhelper = helpers.helper"))
neutral("the module of a helper gets another name", helped(HELPER), move("helpers.py", "tools.py"), swap("from helpers", "from tools"))
case("the module of a class that is an output gets another name", main_with(program("from shapes import Count", "Count(x * 3)", shapes="from dataclasses import dataclass\n@dataclass\nclass Count:\n    n: int"), "work(x: int) -> int", "work(x: int) -> Count", "last(x: int)", "last(x: Count)", "x + 1", "x.n + 1"), move("shapes.py", "forms.py"), swap("from shapes", "from forms"), runs=("work",), same=True)
neutral("the module of the steps gets another name", program("", "x * 3"), move("main.py", "other.py"), after=Way(("other.py",)))
neutral("the package of the program gets another name", {"report.py": REPORT, "app/__init__.py": "", "app/main.py": program("from .helpers import helper\nfrom app import helpers")["main.py"], "app/helpers.py": HELPER}, move("app", "renamed"), swap("from app", "from renamed", "renamed/main.py"), before=Way(("-m", "app.main")), after=Way(("-m", "renamed.main")))
neutral("the folder of the project gets another name", helped(HELPER), lambda folder: shutil.copytree(folder, folder.parent / "elsewhere") and None, after=Way(cwd="elsewhere"))
neutral("the files get another time", helped(HELPER), touch("main.py"), touch("helpers.py"))
neutral("the files get other line ends and an encoding mark", helped("def helper(x):\n    text = '''a\nb'''\n    return len(text) * x"), encode("main.py", "utf-8-sig", "\r\n"), encode("helpers.py", "utf-8", "\r\n"))
neutral("the name of a logger changes", program("import logging\nlog = logging.getLogger('a')", "log.debug('x')\nreturn x * 3"), swap("'a'", "'b'"))
neutral("a type that only a type checker imports is exchanged", program("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from json import JSONDecoder as T\ndef helper(x: 'T'): return x * 3"), swap("JSONDecoder", "JSONEncoder"))
neutral("a test that follows the program is added", helped(HELPER), write("test_main.py", "from main import work\ndef test(): assert work.entrypoint(1) == 3"))

neutral("methods change their order", helped("class Scaler:\n    def scale(self, x): return self.shift(x) * 3\n    def shift(self, x): return x + 1", "Scaler().scale(x)"), write("helpers.py", "class Scaler:\n    def shift(self, x): return x + 1\n    def scale(self, x): return self.shift(x) * 3"))
neutral("a property and its setter are annotated", helped("class S:\n    @property\n    def n(self): return self._n\n    @n.setter\n    def n(self, v): self._n = v", "s = S()\ns.n = x\nreturn s.n"), swap("def n(self): ","def n(self) -> int: ", "helpers.py"), swap("n(self, v)","n(self, v: int) -> None", "helpers.py"))
neutral("a wrapper below functools.wraps is annotated", helped(WRAPS), swap("def wrapper(x):","def wrapper(x: int) -> int:", "helpers.py"), opt_in=True)
neutral("zencache's decorator that a function imports gets arguments", {"report.py": REPORT, "main.py": "from report import report\ndef build():\n    from zencache import pipeline, step\n    @step\n    def first() -> int: return 10\n    @step\n    def work(x: int) -> int: return x * 3\n    @step\n    def last(x: int) -> int: return x + 1\n    @pipeline\n    def flow(): last(work(first()))\n    return flow()\nreport(build())\n"}, swap("@step\n    def work","@step(enable_cache=True)\n    def work"))
neutral("an instance that leaves its lock out of its state is the same", helped("import threading\nclass S:\n    def __init__(self, n): self.n = n; self.lock = threading.Lock(); self.cache = {}\n    def __getstate__(self): return {'n': self.n}\nV = S(3)", "V.n * x"), after=AS_SCRIPT, opt_in=True)
neutral("overloads for a type checker are added", helped("class Scaler:\n    def scale(self, x): return x * 3\ndef helper(x): return Scaler().scale(x)"), write("helpers.py", "from typing import overload\nclass Scaler:\n    @overload\n    def scale(self, x: int): ...\n    @overload\n    def scale(self, x: str): ...\n    def scale(self, x): return x * 3\n@overload\ndef helper(x: int): ...\n@overload\ndef helper(x: str): ...\ndef helper(x): return Scaler().scale(x)"))
neutral("annotations of a dataclass become text for the future", helped("from dataclasses import dataclass\n@dataclass\nclass Options:\n    n: int = 3", "Options().n * x"), swap("from dataclasses", "from __future__ import annotations\nfrom dataclasses", "helpers.py"))
MANY = "".join(f"def f{n}(x): return x + {n}\n" for n in range(60)) + "ALL = {" + ", ".join(f"f{n}" for n in range(60)) + "}"
neutral("a set of functions is iterated in another order", helped(MANY, "sum(f(x) for f in ALL)"), swap("def f50(", "PADDING = [[n] for n in range(333)]\ndef f50(", "helpers.py"), swap("def f10(", "MORE = [[n] for n in range(77)]\ndef f10(", "helpers.py"))
neutral("a set of instances is the same under another seed of hashes", helped("import enum\nfrom dataclasses import dataclass\nclass E(enum.Enum):\n    A = 'a'\n    B = 'b'\n    C = 'c'\n@dataclass(frozen=True)\nclass P:\n    n: str\nALL = {E.A, E.B, E.C, P('a'), P('b'), ('c', E.A), (1, 'd'), None, 2.5}", "len(ALL) * x"), before=env(PYTHONHASHSEED="1"), after=env(PYTHONHASHSEED="2"))

SETS = main_with(program("from helpers import helper\nNAMES = {'a', 'b', 'c'}\nDEEP = {frozenset({'x', 'y'}): {1, 'z'}}", "helper(x) + len(NAMES) + len(DEEP) + len(names)", helpers="ALL = frozenset({'p', 'q', 'r'})\ndef helper(x, all={'s', 't', 'u'}): return x in ALL or x in {'v', 'w'} or x in all"), "work(x: int)", "work(x: int, names: set)", "work(first())", "work(first(), names={'k', 'l', 'm'})")
neutral("the seed of hashes is another one", SETS, before=env(PYTHONHASHSEED="1"), after=env(PYTHONHASHSEED="2"))
neutral("the seed of hashes is random", SETS, before=env(PYTHONHASHSEED="0"), after=env(PYTHONHASHSEED="random"), opt_in=True)
neutral("a script whose class is an output is imported instead", COUNTING, after=IMPORTED)
neutral("a script is imported instead", SETS, after=IMPORTED)
neutral("a module that was imported runs as a script", COUNTING, before=IMPORTED, after=AS_SCRIPT)
neutral("a script runs as a module", COUNTING, after=AS_MODULE)
neutral("a module of a package runs as a script", {"report.py": REPORT, "app/__init__.py": "", "app/main.py": program("from app.helpers import helper")["main.py"], "app/helpers.py": HELPER}, before=Way(("-m", "app.main")), after=Way(("app/main.py",), {"PYTHONPATH": "."}))
neutral("a module is imported under another path", {"report.py": REPORT, "src/app/__init__.py": "", "src/app/main.py": program("from .helpers import helper")["main.py"], "src/app/helpers.py": HELPER}, before=Way(("-m", "app.main"), {"PYTHONPATH": "src"}), after=Way(("-m", "src.app.main")))
neutral("the working directory is another one", helped(HELPER), write("below/note.txt", ""), before=AS_SCRIPT, after=Way(("../main.py",), cwd="project/below"))
ELSEWHERE = """
import os, platform, socket, sys
from collections import namedtuple
Version = namedtuple("Version", "major minor micro releaselevel serial")
sys.version_info = Version(*sys.version_info[:2], sys.version_info[2] + 1, "final", 0)
sys.hexversion += 1 << 8
platform.python_version = lambda: ".".join(map(str, sys.version_info[:3]))
socket.gethostname = platform.node = lambda: "elsewhere"
os.getlogin = lambda: "somebody"
os.cpu_count = lambda: 77
"""
neutral("it runs on another machine with a patch release of Python", SETS, write("elsewhere/sitecustomize.py", ELSEWHERE), after=env(PYTHONPATH="elsewhere", HOME="/nowhere", USER="somebody", TZ="Asia/Tokyo", LANG="C", LC_ALL="C"))
neutral("an option of the interpreter is another one", helped(HELPER), after=Way(("-X", "utf8", "-W", "ignore", "-s", "main.py")), opt_in=True)

# Code that has no file

CELLS = {"kernel.py": KERNEL, "report.py": REPORT, "cells.py": "# %%\ndef helper(x):\n    return x * 3\n# %%\nclass Plain:\n    n = 1\n# %%" + program("", "helper(x) * Plain.n")["main.py"]}
NOTEBOOK = Way(("kernel.py", "<ipython-input-{number}-{hash:x}>"))
IPYKERNEL = Way(("kernel.py", "/tmp/ipykernel_{pid}/{hash}.py"))
counts("a helper in a notebook is edited", CELLS, swap("x * 3", "x * 4", "cells.py"), before=NOTEBOOK)
counts("a helper in a notebook is edited in a new cell", CELLS, swap("# %%\nclass Plain", "# %%\ndef helper(x):\n    return x * 4\n# %%\nclass Plain", "cells.py"), before=IPYKERNEL)
counts("a class in a notebook is edited", CELLS, swap("n = 1", "n = 2", "cells.py"), before=IPYKERNEL)
counts("a class without methods in a notebook is edited in a new cell", CELLS, swap("# %%\nfrom zencache", "# %%\nclass Plain:\n    n = 2\n# %%\nfrom zencache", "cells.py"), before=NOTEBOOK)
neutral("a notebook is executed again", CELLS, before=NOTEBOOK, after=NOTEBOOK)
neutral("cells of a notebook are executed twice, moved and commented", CELLS, swap("# %%\ndef helper(x):\n    return x * 3\n", "# %%\nimport json\n# %%\ndef helper(x):\n    return x * 3\n# %%\ndef helper(x):\n    # thrice\n    return (x * 3)\n", "cells.py"), before=IPYKERNEL)
neutral("a notebook becomes a script", CELLS, write("main.py", CELLS["cells.py"]), before=NOTEBOOK, after=AS_SCRIPT)
TYPED = Way(("-i", "-q"), typed="main.py")
counts("what was typed into an interpreter is typed with another helper", program("def helper(x):\n    return x * 3\n"), TRIPLED, before=TYPED)
neutral("the same is typed into an interpreter again", program("def helper(x):\n    return x * 3\n"), before=TYPED, after=TYPED)
EXECUTED = "scope = {}\nexec('def helper(x): return x * 3', scope)\nhelper = scope['helper']"
counts("code that exec made is edited", program(EXECUTED), TRIPLED)
neutral("code that exec made gets a comment", program(EXECUTED), swap("x * 3'", "x * 3  # thrice'"))

# Policies

INSTALLED = {"env/site-packages/vendored.py": HELPER, "env/site-packages/vendored-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: vendored\nVersion: 1.0\n"}
PACKAGES = env(PYTHONPATH="env/site-packages")
UPGRADE = swap("Version: 1.0", "Version: 1.1", "env/site-packages/vendored-1.0.dist-info/METADATA")
VENDORED = swap("x * 3", "x * 4", "env/site-packages/vendored.py")
neutral("an installed package is upgraded that nobody asked for", program("from vendored import helper") | INSTALLED, UPGRADE, VENDORED, before=PACKAGES, stale=True)
counts("a package that a policy names is upgraded", policy("package_dependencies=['vendored']", "helper(x)", "from vendored import helper") | INSTALLED, UPGRADE, VENDORED, before=PACKAGES)
neutral("a package that a policy names is installed again", policy("package_dependencies='vendored'", "helper(x)", "from vendored import helper") | INSTALLED, touch("env/site-packages/vendored-1.0.dist-info/METADATA"), before=PACKAGES)

WITH_N = "work(x: int)", "work(x: int, n: int = 1)", "work(first())", "work(first(), n=3)"
case("an ignored parameter is changed", main_with(policy("ignored_inputs=['n']", "x * n"), *WITH_N), swap("n=3", "n=4"), stale=True)
case("an input that is ignored is changed", policy("ignored_inputs='x'"), swap("return 10", "return 11"), runs=("first",), stale=True)
case("another parameter than the ignored one is changed", main_with(policy("ignored_inputs=['m']", "x * n"), "work(x: int)", "work(x: int, m: int = 1, n: int = 3)"), swap("n: int = 3", "n: int = 4"), runs=CHAIN, opt_in=True)
case("a parameter is changed where no parameters count", main_with(policy("include_parameters=False", "x * n"), *WITH_N), swap("n=3", "n=4"), stale=True)
case("an input is changed where no parameters count", main_with(policy("include_parameters=False", "x * n"), *WITH_N), swap("return 10", "return 11"), runs=FLOWING)
case("code is edited where no code counts", policy("include_code=False", "helper(x)", HELPER), TRIPLED, stale=True)
case("a parameter is changed where no code counts", main_with(policy("include_code=False", "x * n"), *WITH_N), swap("n=3", "n=4"), runs=CHAIN, opt_in=True)
counts("a file that a policy names is edited", policy("file_dependencies=['n.txt']", "int(open('n.txt').read()) * x") | {"n.txt": "3"}, write("n.txt", "4"))
neutral("a file that a policy names gets another time", policy("file_dependencies='n.txt'", "int(open('n.txt').read()) * x") | {"n.txt": "3"}, touch("n.txt"))
neutral("a file that no policy names is edited", program("", "int(open('n.txt').read()) * x") | {"n.txt": "3"}, write("n.txt", "4"), stale=True)
GLOB = policy("file_dependencies='data/*.txt'", "x * sum(int(p.read_text()) for p in Path('data').iterdir())", "from pathlib import Path") | {"data/a.txt": "3"}
counts("a file joins the glob of a policy", GLOB, write("data/b.txt", "4"))
neutral("a file that does not fit the glob of a policy is added", main_with(GLOB, "iterdir()", "glob('*.txt')"), write("data/b.csv", "4"))
counts("a source dependency that a computed name hides is edited", policy("source_dependencies=[helpers.helper]", "getattr(helpers_by()[0], 'hel' + 'per')(x)", "import helpers\ndef helpers_by(): return [__import__('hel' + 'pers')]", helpers=HELPER), THERE)
neutral("what a computed name hides and no policy names is edited", program("def helpers_by(): return [__import__('hel' + 'pers')]", "getattr(helpers_by()[0], 'helper')(x)", helpers=HELPER), THERE, stale=True)
counts("a module that is a source dependency is edited", policy("source_dependencies=helpers", "getattr(__import__('hel' + 'pers'), 'hel' + 'per')(x)", "import helpers", helpers=HELPER), THERE)
neutral("a module that is a source dependency gets a comment", policy("source_dependencies=helpers", "x * 3", "import helpers", helpers=HELPER), swap("return x", "# thrice\n    return x", "helpers.py"), opt_in=True)
case("what cache_func returns is changed", policy("cache_func=asked", "x * 3", "def asked():\n    with open('n.txt') as file:\n        return file.read()") | {"n.txt": "3"}, write("n.txt", "4"), runs=("work",), same=True)
neutral("cache_func is edited and returns the same", policy("cache_func=asked", "x * 3", "def asked():\n    return 3"), swap("return 3", "return 1 + 2"))
case("a cache_version is given", program("", "x * 3"), swap("@step\ndef work", "@step(cache_version='2')\ndef work"), runs=("work",), same=True)
case("a cache_version is raised", main_with(program("", "x * 3"), "@step\ndef work", "@step(cache_version='2')\ndef work"), swap("'2'", "'3'"), runs=("work",), same=True, opt_in=True)
case("an entry has expired", policy("expires_in='0.2s'"), wait(0.3), runs=("work",), same=True)
neutral("an entry has not expired", policy("expires_in='1h'"), wait(0.01))
neutral("a policy gets a longer expiry", policy("expires_in='1h'"), swap("'1h'", "'7d'"), opt_in=True)
neutral("the options of a policy are written in another order", main_with(policy("file_dependencies=['n.txt', 'main.py'], ignored_inputs=['n', 'm']"), "work(x: int)", "work(x: int, n: int = 1, m: int = 1)", "['n.txt', 'main.py']", "['n.txt', 'm.txt']") | {"n.txt": "3", "m.txt": "3"}, swap("file_dependencies=['n.txt', 'm.txt'], ignored_inputs=['n', 'm']", "ignored_inputs=('m', 'n'), file_dependencies=('m.txt', 'n.txt')"))
case("a policy is the pipeline's", main_with(program("", "x * n"), "@pipeline", "@pipeline(cache_policy=CachePolicy(ignored_inputs=['n']))", *WITH_N), swap("n=3", "n=4"), stale=True)
case("a step's own policy goes before the pipeline's", main_with(policy("expires_in='7d'", "x * n"), "@pipeline", "@pipeline(cache_policy=CachePolicy(ignored_inputs=['n']))", *WITH_N), swap("n=3", "n=4"), runs=CHAIN)
neutral("a policy moves from the pipeline to its steps", main_with(program("", "x * n"), *WITH_N, "@pipeline", "@pipeline(cache_policy=CachePolicy(ignored_inputs=['n']))"), swap("@pipeline(cache_policy=CachePolicy(ignored_inputs=['n']))", "@pipeline"), swap("@step\ndef work", "@step(cache_policy=CachePolicy(ignored_inputs=['n']))\ndef work"))

# Files outside

EXTERNAL = main_with(program("from pathlib import Path\nfrom zencache import ExternalFile", "x * sum(int(p.read_text()) for p in files)"), "work(x: int)", "work(x: int, files: list[Path])", "work(first())", "work(first(), files=ExternalFile('data/*.txt'))") | {"data/a.txt": "3"}
SINGLE = main_with(EXTERNAL, "files: list[Path]", "file: Path", "sum(int(p.read_text()) for p in files)", "int(file.read_text())", "files=ExternalFile('data/*.txt')", "file=ExternalFile('data/a.txt')")
counts("an external file is edited", SINGLE, write("data/a.txt", "4"))
counts("an external file is rewritten with its old size and time", SINGLE, rewrite_unnoticed("data/a.txt", "4"), prepare=wait(2.1))
neutral("an external file gets another time", SINGLE, touch("data/a.txt"))
neutral("an external file gets another name", SINGLE, move("data/a.txt", "data/b.txt"), swap("data/a.txt", "data/b.txt"))
neutral("an external file moves to another folder", SINGLE, move("data/a.txt", "other/a.txt"), swap("data/a.txt", "other/a.txt"))
neutral("an external file is exchanged for a copy of it", SINGLE, lambda folder: shutil.copy(folder / "data/a.txt", folder / "data/c.txt") and None, move("data/c.txt", "data/a.txt"))
counts("a file joins the glob of an external file", EXTERNAL, write("data/b.txt", "4"))
case("a file of a glob gets another name", EXTERNAL, move("data/a.txt", "data/b.txt"), runs=("work",), same=True)
neutral("the files of a glob move to another folder", EXTERNAL, move("data", "other"), swap("data/*.txt", "other/*.txt"), opt_in=True)
neutral("a file that does not fit the glob of an external file is added", EXTERNAL, write("data/b.csv", "4"))
counts("a value given to an input is changed", main_with(program("", "x * sum(numbers)"), "work(x: int)", "work(x: int, numbers: list)", "work(first())", "work(first(), numbers=[1, 2])"), swap("[1, 2]", "[1, 3]"))
neutral("a value given to an input is spelled in another way", main_with(program("", "x * sum(numbers)"), "work(x: int)", "work(x: int, numbers: list)", "work(first())", "work(first(), numbers=[1, 2])"), swap("[1, 2]", "list(range(1, 3))"), opt_in=True)

# Who decides

PLAIN = program("", "x * 3")
neutral("nothing is changed", PLAIN, after=AS_SCRIPT)
case("the environment switches the cache off", PLAIN, after=env(ZENCACHE_ENABLE_CACHE="0"), runs=FLOWING, same=True)
neutral("the environment switches the cache on", PLAIN, before=env(ZENCACHE_ENABLE_CACHE="0"), after=env(ZENCACHE_ENABLE_CACHE="1"))
case("the environment is weaker than a step", main_with(PLAIN, "@step\ndef work", "@step(enable_cache=True)\ndef work"), after=env(ZENCACHE_ENABLE_CACHE="0"), runs=("first", "last"), same=True)
case("the run switches the cache off", PLAIN, after=options(enable_cache=False), runs=FLOWING, same=True)
case("the pipeline switches the cache off", PLAIN, swap("@pipeline", "@pipeline(enable_cache=False)"), runs=FLOWING, same=True)
case("a step switches the cache off", PLAIN, swap("@step\ndef work", "@step(enable_cache=False)\ndef work"), runs=("work",), same=True)
case("one step is refreshed", PLAIN, after=options(refresh=["work"]), runs=("work",), same=True)
case("a step and all below it are refreshed", PLAIN, after=options(refresh=["work+"]), runs=CHAIN, same=True)
case("everything is refreshed", PLAIN, after=options(refresh=True), runs=FLOWING, same=True)
case("a step without outputs runs every time", main_with(PLAIN, "last(x: int) -> int:\n    return x + 1", "last(x: int) -> None:\n    print(x)"), after=AS_SCRIPT, runs=("last",), same=True)


# -- the test


@dataclass(frozen=True)
class Outcome:
    before: dict[str, dict]
    after: dict[str, dict]


def beginning(case: Case) -> str:
    """The same for cases whose first process does the same."""
    return repr((case.files, case.before, case.prepare))


def first_run(case: Case, root: Path) -> tuple[Path, dict[str, dict]]:
    """The folder of a program that has run, and what it gave."""
    (root / "pyproject.toml").write_text("[project]\n")
    for name, text in case.files.items():
        write(name, text)(root / "project")
    if case.prepare:
        case.prepare(root / "project")
    return root, case.before.run(root)


def outcome(case: Case, ran: Future[tuple[Path, dict[str, dict]]], root: Path) -> Outcome:
    """What a program that ran gives after its edit. Cases that begin alike share their first process."""
    origin, before = ran.result()
    if case.prepare:
        root = origin
    else:
        shutil.copytree(origin, root, dirs_exist_ok=True)
    for edit in case.edits:
        edit(root / "project")
    return Outcome(before, case.after.run(root, FRESH="1"))


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """The outcome of each selected case by its kind. Processes are what takes time, so they run side by side."""
    wanted = [
        item.callspec.params["case"]
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    ]
    running: dict[str, Future[Outcome]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        ran: dict[str, Future[tuple[Path, dict[str, dict]]]] = {}
        for case in wanted:  # in the order of the tests, so that none waits for the processes of others
            name = beginning(case)
            if name not in ran:
                ran[name] = threads.submit(first_run, case, tmp_path_factory.mktemp("begin"))
            root = tmp_path_factory.mktemp("case")
            running[case.kind] = threads.submit(outcome, case, ran[name], root)
        yield running
        for waiting in (*ran.values(), *running.values()):
            waiting.cancel()
    while not SERVERS.empty():
        server = SERVERS.get()
        server.close()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.kind, marks=case.marks)
        for case in CASES
    ],
)
def test_exactly_what_has_to_run_runs(case, outcomes):
    outcome = outcomes[case.kind].result()
    assert set(outcome.before["statuses"].values()) == {"completed"}
    ran = {name for name, status in outcome.after["statuses"].items() if status == "completed"}
    assert ran == set(case.runs)
    assert {*outcome.after["statuses"].values()} <= {"completed", "cached"}
    # Nothing is stale, but where a policy asks for it; and the edit does what the case says.
    assert (outcome.after["values"] != outcome.after["fresh"]) is case.stale
    assert (outcome.after["values"] != outcome.before["values"]) is (bool(case.runs) and not case.same)


def test_there_are_as_many_kinds_as_promised():
    kinds = [case.kind for case in CASES]
    assert len(set(kinds)) == len(kinds)
    assert len([case for case in CASES if not case.opt_in]) >= 60
