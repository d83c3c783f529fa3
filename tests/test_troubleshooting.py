"""docs/troubleshooting.md has a heading for every error class, and a row for every message in the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import zencache
from zencache import exceptions
from zencache.exceptions import StepFailed, ZencacheError, error_text

PACKAGE = Path(zencache.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TREES = [
    ast.parse(file.read_text(encoding="utf-8"))
    for file in PACKAGE.rglob("*.py")
    if "_examples" not in file.parts  # the examples, which a wheel has there
]
HEADED = [
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, ZencacheError) and kind.__module__ == exceptions.__name__
]
# Helpers that make the error, and its heading. What they are given first is the message.
MAKERS = {"refuse": "DeclarationError"}
# Messages that are put together from parts, as people see them.
COMPOSED = {
    ("ArtifactMissing", "An artifact is missing: …"),
    ("ArtifactDamaged", "An artifact is damaged: …"),
}


def classes() -> dict[str, str]:
    """Name of each error class, wherever it is defined, and the heading that its errors point to."""
    found = {kind.__name__: kind.__name__ for kind in HEADED}
    derived = [
        (node.name, [base.id for base in node.bases if isinstance(base, ast.Name)])
        for tree in TREES
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    while more := {
        name: found[next(base for base in bases if base in found)]
        for name, bases in derived
        if name not in found and found.keys() & set(bases)
    }:
        found |= more
    return found


def texts(node: ast.expr, scope: ast.AST) -> list[str]:
    """What a message may be, with `…` for what is only known when it is raised."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(p.value if isinstance(p, ast.Constant) else "…" for p in parts)]
        case ast.BinOp(left=left, right=right):
            return [a + b for a in texts(left, scope) for b in texts(right, scope)]
        case ast.IfExp(body=one, orelse=other):
            return [*texts(one, scope), *texts(other, scope)]
        case ast.Name(id=name):
            return [
                text
                for assigned in ast.walk(scope)
                if isinstance(assigned, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == name for target in assigned.targets)
                for text in texts(assigned.value, scope)
            ]
    return []  # the message of another error, which is found where that one is made


def plain(text: str) -> str:
    """A message as the page and the code both have it, whatever is put around its parts."""
    return re.sub(r"…[.…]*$", "…", " ".join(re.sub(r"[`\\]", "", text).split()))


def messages_in_the_code() -> set[tuple[str, str]]:
    """``(heading, message)`` of every error that the package can raise."""
    headings = {**classes(), **MAKERS}
    found = set(COMPOSED)
    for tree in TREES:
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
            if name in headings:
                within = [f for f in functions if f.lineno <= call.lineno <= (f.end_lineno or 0)]
                scope = max(within, key=lambda f: f.lineno, default=tree)
                found |= {(headings[name], plain(text)) for text in texts(call.args[0], scope)}
    return {(heading, message) for heading, message in found if message.strip("… ")}


def messages_on_the_page() -> set[tuple[str, str]]:
    found = set()
    sections = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    for heading, section in zip(sections[::2], sections[1::2], strict=True):
        if heading in {kind.__name__ for kind in HEADED}:
            rows = re.findall(r"^\| (.+?) \| .*\|$", section, flags=re.MULTILINE)
            found |= {(heading, plain(row)) for row in rows if row not in ("message", "---")}
    return found


@pytest.mark.parametrize("kind", HEADED, ids=lambda kind: kind.__name__)
def test_the_pointer_of_an_error_is_a_heading_of_the_page(kind):
    if kind is StepFailed:
        error = StepFailed("Step `a` failed.", step="a", failures={"a": ValueError()})
    else:
        error = kind("It is odd.", hint="Make it even.")
    page, _, anchor = str(error).splitlines()[-1].removeprefix("  docs: ").partition("#")
    assert page == "troubleshooting"
    assert anchor in [heading.lower() for heading in re.findall(r"^#+ (\w+)$", PAGE, flags=re.MULTILINE)]


def test_every_message_in_the_code_has_its_row_on_the_page():
    missing = messages_in_the_code() - messages_on_the_page()
    assert not missing, "docs/troubleshooting.md lacks:\n" + "\n".join(
        f"## {heading}\n| {message} | |" for heading, message in sorted(missing)
    )


def test_every_row_of_the_page_is_a_message_in_the_code():
    assert messages_on_the_page() - messages_in_the_code() == set()


def test_an_error_of_ones_own_points_to_the_class_that_it_derives_from():
    class Mine(exceptions.NotFoundError):
        pass

    assert str(Mine("It is gone.")) == "It is gone.\n  docs: troubleshooting#notfounderror"


def test_a_failed_step_points_to_what_it_failed_with():
    cause = exceptions.OutputError("It returned too much.", hint="Return less.")
    error = StepFailed(f"Step `a` failed: {error_text(cause)}", step="a", failures={"a": cause})
    assert str(error).splitlines() == [
        "Step `a` failed: OutputError: It returned too much.",
        "  hint: Return less.",
        "  docs: troubleshooting#outputerror",
    ]
