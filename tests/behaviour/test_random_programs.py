"""Random edits of random programs: a cached run gives what a fresh run gives, and runs exactly what must.

A program is data that is written as modules. What a step is made from, through everything that it reaches,
follows from the data alone, so that the steps that have to run after an edit are known.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import importlib
import logging
import random
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from zencache import Repository
from zencache.events import WillExecute
from zencache.fingerprint import code, definition
from zencache.fingerprint.normal_form import Syntax
from zencache.testing import capture_events

OPERATORS = ("+", "-", "*", "|", "^")
STYLES = ("from", "from as", "import as", "star", "import", "inside")
SAYS_MODULE = ("import", "inside")  # the text of what uses a name says where it is from
EVERYDAY, THOROUGH = range(50), range(1000, 2000)


@dataclass
class Thing:
    """A constant, function, lambda, class or decorator of a module, or a step.

    ``uses`` are earlier things by number, each with the style in which it is imported.
    """

    kind: str
    name: str
    module: int
    numbers: list[int]
    operators: list[str]
    uses: dict[int, str] = field(default_factory=dict)
    decorator: int | None = None
    inputs: list[int] = field(default_factory=list)  # of a step: positions of steps before it


@dataclass
class Look:
    """How a program is written, which changes nothing."""

    order: int = 0
    comments: int = 0
    docstrings: int = 0
    annotations: int = 0
    spelling: int = 0
    pipeline: int = 0
    unused: int = 0
    modules: dict[int, str] = field(default_factory=dict)


@dataclass
class Program:
    things: list[Thing]
    steps: list[Thing]
    modules: int
    look: Look = field(default_factory=Look)

    # -- what it means

    def meaning(self, thing: Thing) -> object:
        """All that a thing's result can depend on, apart from what it is called with."""
        uses = [self.meaning(self.things[number]) for number in thing.uses]
        decorator = None if thing.decorator is None else self.meaning(self.things[thing.decorator])
        numbers = thing.numbers[1:] if thing.kind == "step" else thing.numbers  # the first is its parameter
        if thing.kind == "constant":
            numbers = numbers[:1]
        return thing.kind, thing.name, numbers, thing.operators, uses, decorator

    # -- how it is written

    def module_name(self, number: int) -> str:
        if number == self.modules:
            return "zc_main"
        return self.look.modules.get(number, f"zc_module_{number}")

    def files(self) -> dict[str, str]:
        return {f"{self.module_name(number)}.py": self.text(number) for number in range(self.modules + 1)}

    def text(self, module: int) -> str:
        """A module: imports, its things in some order, and in the main module the steps and the pipeline."""
        dice = random.Random(self.look.order * 1000 + module)
        things = [thing for thing in self.things if thing.module == module]
        # Decorators have to be there before what they decorate.
        early = [thing for thing in things if thing.kind == "decorator"]
        late = [thing for thing in things if thing.kind != "decorator"]
        steps = list(self.steps) if module == self.modules else []
        if self.look.order:
            dice.shuffle(late)
            dice.shuffle(steps)
        blocks = [*self.imports(module, [*things, *steps])]
        if self.look.unused:
            blocks.append(f"import textwrap\ndef unused_{self.look.unused}(): return {self.look.unused}")
        blocks += [self.definition(thing) for thing in (*early, *late, *steps)]
        if module == self.modules:
            blocks.append(self.wiring())
        if self.look.comments:
            blocks = [f"\n# {self.look.comments}\n\n{block}  # {self.look.comments}" for block in blocks]
        return "\n".join(blocks) + "\n"

    def imports(self, module: int, things: list[Thing]) -> list[str]:
        lines = {"from zencache import pipeline, step": None, "import functools": None}
        for thing in things:
            for number, style in self.used(thing):
                if self.things[number].module != module and style != "inside":
                    lines[self.import_line(number, style)] = None
        return list(lines)

    def used(self, thing: Thing) -> list[tuple[int, str]]:
        decorator = [] if thing.decorator is None else [(thing.decorator, "from")]
        return [*thing.uses.items(), *decorator]

    def import_line(self, number: int, style: str) -> str:
        target = self.things[number]
        module = self.module_name(target.module)
        return {
            "from": f"from {module} import {target.name}",
            "inside": f"from {module} import {target.name}",
            "from as": f"from {module} import {target.name} as other_{target.name}",
            "import as": f"import {module} as short_{target.module}",
            "star": f"from {module} import *",
            "import": f"import {module}",
        }[style]

    def use(self, thing: Thing, number: int, style: str) -> str:
        """An expression for a thing that is used."""
        target = self.things[number]
        name = target.name
        if target.module != thing.module:
            module = self.module_name(target.module)
            prefix = {"from as": "other_", "import as": f"short_{target.module}.", "import": f"{module}."}
            name = prefix.get(style, "") + name
        if target.kind == "constant":
            return f"{name}['n'][0]" if target.operators[0] in "+-" else name
        return f"{name}().scale(x)" if target.kind == "class" else f"{name}(x)"

    def expression(self, thing: Thing, start: str) -> str:
        used = [f" + {self.use(thing, number, style)}" for number, style in thing.uses.items()]
        return f"({start} {thing.operators[0]} {thing.numbers[-1]}{''.join(used)}) % 7"

    def definition(self, thing: Thing) -> str:
        return getattr(self, f"_{thing.kind}")(thing)

    def _constant(self, thing: Thing) -> str:
        value = str(thing.numbers[0])
        if self.look.spelling:
            value = f"{thing.numbers[0] - self.look.spelling} + {self.look.spelling}"
        return f"{thing.name} = " + (f"{{'n': [{value}]}}" if thing.operators[0] in "+-" else value)

    def _lambda(self, thing: Thing) -> str:
        return f"{thing.name} = lambda x: {self.expression(thing, 'x')}"

    def _decorator(self, thing: Thing) -> str:
        calculation = self.expression(thing, "f(x)")
        inside = f"def wrapper(x):\n        return {calculation}\n    return wrapper"
        return f"def {thing.name}(f):\n    @functools.wraps(f)\n    {inside}"

    def _function(self, thing: Thing, start: str = "x", indent: str = "", name: str = "") -> str:
        annotated = self.look.annotations and thing.decorator is None  # a decorator could read them
        kind = ("int", "float", "'int'")[self.look.annotations % 3]
        first = "self, x" if thing.kind == "class" else "x"
        parameters = f"{first}: {kind}" if annotated else first
        result = f" -> {kind}" if annotated else ""
        lines = [f"def {name or thing.name}({parameters}, n={thing.numbers[0]}){result}:"]
        lines += self.body(thing, start)
        if thing.decorator is not None:
            lines.insert(0, f"@{self.things[thing.decorator].name}")
        return "\n".join(indent + line for line in lines)

    def body(self, thing: Thing, start: str) -> list[str]:
        lines = [f"    '''Text {self.look.docstrings}.'''"] if self.look.docstrings else []
        for number, style in thing.uses.items():
            if style == "inside" and self.things[number].module != thing.module:
                lines.append("    " + self.import_line(number, style))
        local = "y: int" if self.look.annotations else "y"
        lines.append(f"    {local} = {start} + n")
        value = self.expression(thing, "y")
        return [*lines, f"    return ({value})" if self.look.spelling % 2 else f"    return {value}"]

    def _class(self, thing: Thing) -> str:
        attribute = f"class {thing.name}:\n    rate = {thing.numbers[1]}"
        return f"{attribute}\n{self._function(thing, 'x * self.rate', '    ', 'scale')}"

    def _step(self, thing: Thing) -> str:
        names = [f"a{number}" for number in range(len(thing.inputs))]
        parameters = ", ".join([*(f"{name}: int" for name in names), "n: int"])
        lines = [f"@step\ndef {thing.name}({parameters}) -> int:", f"    x = {' + '.join(['1', *names])}"]
        return "\n".join([*lines, *self.body(thing, "x")])

    def wiring(self) -> str:
        lines = [f"@pipeline(name='flow {self.look.pipeline}')\ndef flow():"]
        for number, thing in enumerate(self.steps):
            inputs = "".join(f"h{position}, " for position in thing.inputs)
            lines.append(f"    h{number} = {thing.name}({inputs}n={thing.numbers[0]})")
        return "\n".join(lines)


# -- random programs and edits


def random_program(dice: random.Random) -> Program:
    modules = dice.randint(1, 3)
    homes = sorted(dice.randint(0, modules) for _ in range(dice.randint(4, 9)))
    things: list[Thing] = []
    for number, home in enumerate(homes):
        kind = dice.choice(("constant", "constant", "function", "function", "lambda", "class", "decorator"))
        thing = Thing(kind, f"{kind}_{number}", home, numbers(dice), [dice.choice(OPERATORS)])
        decorators = [n for n, other in enumerate(things) if other.kind == "decorator"]
        if kind == "function" and decorators and dice.random() < 0.5:
            thing.decorator = dice.choice(decorators)
        if kind != "constant":
            thing.uses = random_uses(dice, things, thing)
        things.append(thing)
    steps: list[Thing] = []
    for position in range(dice.randint(2, 5)):
        thing = Thing("step", f"step_{position}", modules, numbers(dice), [dice.choice(OPERATORS)])
        thing.inputs = sorted(dice.sample(range(position), min(position, dice.randint(0, 2))))
        thing.uses = random_uses(dice, things, thing)
        steps.append(thing)
    return Program(things, steps, modules)


def numbers(dice: random.Random) -> list[int]:
    return [dice.randint(0, 9) for _ in range(3)]


def random_uses(dice: random.Random, things: list[Thing], thing: Thing) -> dict[int, str]:
    """One to three earlier things; imports inside need a body that can hold them."""
    usable = [number for number, other in enumerate(things) if other.kind != "decorator"]
    styles = STYLES if thing.kind in ("function", "class", "step") else STYLES[:-1]
    chosen = dice.sample(usable, min(len(usable), dice.randint(1, 3)))
    return {number: dice.choice(styles) for number in sorted(chosen)}


def semantic_edit(dice: random.Random, program: Program) -> str:
    """Change a number or an operator somewhere, whether or not anything reaches it."""
    thing = dice.choice([*program.things, *program.steps])
    if thing.kind != "constant" and dice.random() < 0.4:
        thing.operators[0] = dice.choice(OPERATORS)
        return f"operator of {thing.name}"
    place = 0 if thing.kind == "constant" else dice.choice((0, -1, *([1] if thing.kind == "class" else ())))
    if thing.kind in ("lambda", "decorator"):
        place = -1
    thing.numbers[place] = dice.randint(0, 9)
    return f"number {place} of {thing.name}"


def neutral_edit(dice: random.Random, program: Program) -> str:
    """Write the program in another way."""
    look = program.look
    what = dice.choice([each.name for each in dataclasses.fields(Look)])
    if what != "modules":
        setattr(look, what, dice.randint(1, 1000))
        return what
    said = {
        program.things[number].module
        for thing in (*program.things, *program.steps)
        for number, style in thing.uses.items()
        if style in SAYS_MODULE and program.things[number].module != thing.module
    }
    for number in range(program.modules):
        if number not in said:
            look.modules[number] = f"zc_renamed_{number}_{dice.randint(1, 1000)}"
    return what


# -- the property


class Folders:
    """Each version of a program in a folder of its own, imported anew: nothing is left of the one before."""

    def __init__(self, root, monkeypatch):
        self._root = root
        self._count = 0
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.setattr(sys, "path", list(sys.path))

    def bound(self, program: Program):
        forget_modules()
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir()
        for name, text in program.files().items():
            (folder / name).write_text(text)
        sys.path[:] = [str(folder), *(path for path in sys.path if not path.startswith(str(self._root)))]
        importlib.invalidate_caches()
        return importlib.import_module("zc_main").flow()


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.startswith("zc_")]:
        del sys.modules[name]


@pytest.fixture
def folders(project, monkeypatch):
    yield Folders(project, monkeypatch)
    forget_modules()


def memory_repository() -> Repository:
    return Repository(metadata=f"memory://{uuid.uuid4().hex}", artifacts=f"memory://{uuid.uuid4().hex}")


def values(run) -> dict[str, int]:
    return {name: view.output.read() for name, view in run.steps.items()}


def check(seed: int, folders: Folders, edits: int = 5) -> None:
    dice = random.Random(seed)
    program = random_program(dice)
    shared = memory_repository()
    seen: set[str] = set()
    done = ["nothing"]
    for round_number in range(edits + 1):
        before = copy.deepcopy(program)
        if round_number:
            neutral = dice.random() < 0.5
            edit = neutral_edit if neutral else semantic_edit
            done.append(edit(dice, program))
            meant = [program.meaning(step) for step in program.steps]
            if neutral:
                assert meant == [before.meaning(step) for step in before.steps]
        bound = folders.bound(program)
        with capture_events() as happened:
            cached = values(bound.run(repository=shared))
        fresh = values(bound.run(repository=memory_repository()))
        ran = [event.step for event in happened if isinstance(event, WillExecute)]
        told = f"seed {seed}, after the edits {done}:\n" + "\n".join(
            f"--- {name}\n{text}" for name, text in program.files().items()
        )
        assert cached == fresh, f"stale: {told}"

        # Exactly the new combinations of code, parameter and inputs run.
        must = []
        for thing in program.steps:
            inputs = [fresh[program.steps[position].name] for position in thing.inputs]
            combination = repr((program.meaning(thing), thing.numbers[0], inputs))
            if combination not in seen:
                must.append(thing.name)
            seen.add(combination)
        assert ran == must, f"ran {ran}, had to run {must}: {told}"


@pytest.mark.parametrize("seed", EVERYDAY)
def test_a_cached_run_gives_what_a_fresh_run_gives_and_runs_exactly_what_must(seed, folders):
    check(seed, folders)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", THOROUGH[::100])
def test_a_cached_run_gives_what_a_fresh_run_gives_for_100_more_programs(project, first):
    """In a process of its own: what so many modules leave behind would slow down those that follow."""
    done = subprocess.run(
        [sys.executable, __file__, str(first), str(first + 100)], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout == "100 programs checked\n"


# -- the property finds what it is there to find


def _ignore_constants(monkeypatch):
    monkeypatch.setattr(code._Graph, "_describe_constant", lambda graph, node: None)


def _ignore_references(monkeypatch):
    monkeypatch.setattr(code._Graph, "_reference", lambda *arguments: b"")


def _ignore_defaults(monkeypatch):
    describe = code._Graph._describe_function

    def without_defaults(graph, node):
        function = node.target
        defaults, function.__defaults__ = function.__defaults__, None
        try:
            describe(graph, node)
        finally:
            function.__defaults__ = defaults

    monkeypatch.setattr(code._Graph, "_describe_function", without_defaults)


def _count_lines(monkeypatch):
    function_syntax = definition.function_syntax

    def with_lines(node, drop) -> Syntax:
        syntax = function_syntax(node, drop)
        digest = hashlib.sha256(syntax.digest + str(node.lineno).encode()).digest()
        return dataclasses.replace(syntax, digest=digest)

    monkeypatch.setattr(definition, "function_syntax", with_lines)
    monkeypatch.setattr(definition, "_scheme", b"")  # so that nothing wrong is remembered


@pytest.mark.parametrize(
    ("make_wrong", "said"),
    [
        (_ignore_constants, "stale"),
        pytest.param(_ignore_references, "stale", marks=pytest.mark.slow),
        pytest.param(_ignore_defaults, "stale", marks=pytest.mark.slow),
        (_count_lines, "had to run"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_wrong_fingerprint_is_caught(make_wrong, said, folders, monkeypatch):
    make_wrong(monkeypatch)
    found = []
    for seed in EVERYDAY:
        try:
            check(seed, folders)
        except AssertionError as error:
            found.append(str(error))
            if said in found[-1].partition(":")[0]:
                break
    assert found
    assert said in found[-1].partition(":")[0]


def check_all(seeds: range) -> None:
    """Check programs in this process, which has the folder of a project as its working directory."""
    logging.getLogger("zencache").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as monkeypatch:
        folders = Folders(Path.cwd(), monkeypatch)
        for seed in seeds:
            check(seed, folders)
    print(f"{len(seeds)} programs checked")


if __name__ == "__main__":
    check_all(range(int(sys.argv[1]), int(sys.argv[2])))
