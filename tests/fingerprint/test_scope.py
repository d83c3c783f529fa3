"""Every global that a function's compiled code loads is a name that its source is found to refer to.

The interpreter is the oracle: it is asked about each function of the standard library.
"""

import ast
import builtins
import dis
import sys
import sysconfig
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from zencache.fingerprint.decorator import OTHER
from zencache.fingerprint.scope import GLOBAL, READ_ATTRIBUTES, Scopes
from zencache.fingerprint.syntax import function_syntax

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
EVERYDAY = ("argparse.py", "ast.py", "inspect.py", "typing.py", "unittest/mock.py", "asyncio/base_events.py")
OF_CLASS_BODIES = {"__name__", "__module__", "__qualname__", "__annotations__", "__class__"}
NOT_OF_IT = {"site-packages", "test", "tests", "idlelib"}


@pytest.mark.parametrize("name", EVERYDAY)
def test_no_global_of_a_module_is_missed(name):
    functions, missed, surplus = compare(LIBRARY / name)
    assert functions > 50
    assert missed == []
    assert len(surplus) <= functions / 100


@pytest.mark.slow
def test_no_global_of_the_standard_library_is_missed():
    total = 0
    extra = 0
    for file in sorted(LIBRARY.rglob("*.py")):
        if NOT_OF_IT.intersection(file.relative_to(LIBRARY).parts):
            continue
        functions, missed, surplus = compare(file)
        assert missed == [], file
        total += functions
        extra += len(surplus)
    assert total > 5_000
    assert extra <= total / 100


def compare(file: Path) -> tuple[int, list[str], list[str]]:
    """How many functions a file has, what they load and was not found, and what was found and they do not."""
    try:
        text = file.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compiled = compile(ast.fix_missing_locations(Unannotated().visit(ast.parse(text))), file, "exec")
    except (SyntaxError, UnicodeDecodeError):  # a file about wrong files
        return 0, [], []
    codes = defaultdict(list)
    for code in inside(compiled):
        codes[code.co_name, code.co_firstlineno].append(code)
    functions = 0
    missed: list[str] = []
    surplus: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        line = min([decorator.lineno for decorator in node.decorator_list] + [node.lineno])
        match codes[node.name, line]:
            case [code]:
                loaded = loads(code)
            case _:
                continue
        references = function_syntax(node, lambda root, chain: OTHER).references
        found = {reference.root for reference in references if reference.level in (None, GLOBAL)}
        functions += 1
        place = f"{file}:{node.lineno} {node.name}"
        missed += [f"{place}: {name}" for name in loaded - found - OF_CLASS_BODIES if not is_mangled(name)]
        known = loaded | beside_the_code(node) | set(vars(builtins)) | set(READ_ATTRIBUTES.values())
        surplus += [f"{place}: {name}" for name in found - known]
    return functions, missed, surplus


class Unannotated(ast.NodeTransformer):
    """Takes away the annotations of functions and locals, which do not count."""

    def __init__(self) -> None:
        self._around: list[type] = []

    def generic_visit(self, node: ast.AST) -> ast.AST:
        self._around.append(type(node))
        super().generic_visit(node)
        self._around.pop()
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        place = next((kind for kind in reversed(self._around) if kind in DEFINITIONS), ast.Module)
        self.generic_visit(node)
        if place in (ast.ClassDef, ast.Module) or node.value is None:
            return node
        return ast.copy_location(ast.Assign([node.target], node.value), node)


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from inside(constant)


def loads(code: CodeType) -> set[str]:
    """The globals that code loads, and the variables of functions around it."""
    found = set(code.co_freevars)
    for part in (code, *inside(code)):
        bound = set()  # by a class body, until then
        for step in dis.get_instructions(part):
            if step.opname == "STORE_NAME":
                bound.add(step.argval)
            elif step.opname == "LOAD_GLOBAL" or (step.opname == "LOAD_NAME" and step.argval not in bound):
                found.add(step.argval)
    return found


def beside_the_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names that count and are in other code, or that are only set: decorators, annotations, `global`."""
    found = {name.id for each in node.decorator_list for name in ast.walk(each) if isinstance(name, ast.Name)}
    for part in ast.walk(node):
        if isinstance(part, ast.Global):
            found.update(part.names)
        elif isinstance(part, ast.ClassDef):  # what a class body binds and reads
            found |= {
                name.id for each in part.body for name in ast.walk(each) if isinstance(name, ast.Name)
            } | {each.name for each in part.body if isinstance(each, DEFINITIONS)}
        for annotation in (getattr(part, "annotation", None), getattr(part, "returns", None)):
            if annotation is not None:
                names = ast.walk(annotation)
                found |= {getattr(name, "id", None) or str(getattr(name, "value", "")) for name in names}
    return found


def is_mangled(name: str) -> bool:
    """A private name of a class, which the compiler writes with the name of the class before it."""
    return name.startswith("_") and "__" in name[1:]


def test_the_oracle_tells_what_is_missed(tmp_path, monkeypatch):
    file = tmp_path / "module.py"
    file.write_text("def f():\n    class A:\n        x = x\n    return A\n")
    assert compare(file) == (1, [], [])
    monkeypatch.setattr(Scopes, "load", lambda scopes, reference: None)
    assert compare(file) == (1, [f"{file}:1 f: x"], [])


if sys.version_info < (3, 11):  # a code object's first line is another one there
    pytestmark = pytest.mark.skip(reason="compares by the lines of code objects as Python 3.11 counts them")
