"""What live code says: recalled if an earlier process has read the same, else read from its source.

What a definition says follows from the text, from the live code that one of the text's definitions must fit,
and from which decorators are zencache's. So an answer is remembered under a digest of the text (with this
Python and this zencache), under a proof of the live code, and together with what was asked of decorators; it
is taken only where all three are the same again. Nothing else is ever trusted: no time, no path, no name.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

from blake3 import blake3

from zencache import digest
from zencache.fingerprint import compiled, decorator, normal_form, part, proof, scope, source, syntax
from zencache.fingerprint.decorator import Decorators
from zencache.fingerprint.memory import Memory, Page
from zencache.fingerprint.normal_form import Syntax
from zencache.fingerprint.observation import has_changed
from zencache.fingerprint.ownership import file_of_function
from zencache.fingerprint.proof import proof_of_class, proof_of_code
from zencache.fingerprint.scope import Reference
from zencache.fingerprint.source import (
    Memo,
    Text,
    compiler_flags,
    files_of_class,
    globals_of_class,
    lock,
    text_of,
)
from zencache.fingerprint.syntax import ClassStatement, ClassSyntax, function_syntax, is_decorated

_FILE = "sources.jsonl"
_CLASSES = "classes"  # stands in the place of a proof: it depends on nothing but the text


def load_memory(folder: Path) -> None:
    """Know what earlier processes have remembered in a project's folder."""
    _memory.load(folder / _FILE)


def save_memory(folder: Path) -> None:
    """Remember in a project's folder what this process has read, if the folder is there."""
    _memory.save(folder / _FILE)


def function_syntaxes(function: FunctionType, decorators: Decorators) -> list[Syntax]:
    """What the definitions of a live function say.

    One as a rule, more if they cannot be told apart, none if it has no source (any more). None either if its
    file has changed since it was imported and has decorators above it: live code does not show theirs.
    """
    code = function.__code__
    file = file_of_function(function)
    with lock:
        text = text_of(file, function.__globals__)
        if text is None:
            return []
        if has_changed(file):
            nodes = text.source.functions(code) if text.source else []
            if any(is_decorated(node, decorators) for node in nodes):
                return []
        page = _page(text)
        proved = proof_of_code(code)
        told = _told(page.recall(proved), decorators) if proved else None
        if told is None:
            asked = _Asked(decorators)
            nodes = text.source.functions(code) if text.source else []
            told = tuple(function_syntax(node, asked) for node in nodes)
            if told and proved:
                answer = _answer(told, asked)
                page.learn(proved, lambda: answer)
        return list(told)


def class_syntaxes(kind: type, decorators: Decorators) -> list[ClassSyntax]:
    """What the statements of a live class say: one as a rule, more if they cannot be told apart, or none.

    None either if the file has changed since it was imported: the text that was is gone.
    """
    with lock:
        for file in files_of_class(kind):
            if has_changed(file):
                return []
            text = text_of(file, globals_of_class(kind))
            bodies = _bodies(text, kind, decorators) if text else None
            if bodies is not None:
                return [ClassSyntax(body.frame(), body.names, body.written) for body in bodies]
    return []


def _bodies(text: Text, kind: type, decorators: Decorators) -> list[_Body] | None:
    """The statements in a text that a live class can come from; None if its name is not there."""
    page = _page(text)
    if kind.__qualname__ not in _class_names(text, page):
        return None
    proved = proof_of_class(kind)

    def learn() -> None:
        if proved and bodies:
            page.learn(proved, lambda: [body.row() for body in bodies])

    def body(place: int, names: tuple[str, ...] | None, answers: dict[str, Any]) -> _Body:
        return _Body(text, (kind.__qualname__, place), names, answers, decorators, learn)

    bodies: list[_Body] = []
    rows = _rows(page.recall(proved)) if proved else None
    if rows is not None:
        bodies += [body(*row) for row in rows]
        return bodies
    bodies += [body(place, None, {}) for place in (text.source.class_places(kind) if text.source else ())]
    return bodies


def _class_names(text: Text, page: Page) -> list[str]:
    """The classes that a text has statements of: a class that a call has made has none."""
    recalled = page.recall(_CLASSES)
    if isinstance(recalled, list) and all(type(name) is str for name in recalled):
        return recalled
    names = list(text.source.classes) if text.source else []
    page.learn(_CLASSES, lambda: names)
    return names


class _Body:
    """One class statement: what is remembered of it, and for the rest its text."""

    def __init__(
        self,
        text: Text,
        place: tuple[str, int],
        names: tuple[str, ...] | None,
        answers: dict[str, Any],
        decorators: Decorators,
        learn: Callable[[], None],
    ):
        self._text = text
        self._place = place
        self._answers = answers
        self._decorators = decorators
        self._learn = learn
        self.names = self._statement.names if names is None else names

    @cached_property
    def _statement(self) -> ClassStatement:
        name, place = self._place
        assert self._text.source is not None
        return ClassStatement(self._text.source.classes[name][place])

    def frame(self) -> Syntax:
        (frame,) = self._said("", lambda decorators: (self._statement.frame(decorators),))
        return frame

    def written(self, name: str) -> tuple[Syntax, ...]:
        with lock:
            return self._said(name, lambda decorators: self._statement.written(name, decorators))

    def row(self) -> Any:
        answers = {name: answer for name, answer in list(self._answers.items()) if answer is not None}
        return [self._place[1], self.names, answers]

    def _said(self, name: str, write: Callable[[Decorators], tuple[Syntax, ...]]) -> tuple[Syntax, ...]:
        told = _told(self._answers.get(name), self._decorators)
        if told is None:
            asked = _Asked(self._decorators)
            told = write(asked)
            self._answers[name] = _answer(told, asked)
            self._learn()
        return told


class _Asked:
    """Notes what is asked of decorators, and whether the answers stay the same."""

    def __init__(self, decorators: Decorators):
        self._decorators = decorators
        self.answers: dict[tuple[str, tuple[str, ...]], int] = {}
        self.is_steady = True

    def __call__(self, root: str, chain: tuple[str, ...]) -> int:
        answer = self._decorators(root, chain)
        if self.answers.setdefault((root, chain), answer) != answer:
            self.is_steady = False
        return answer


# -- answers as JSON


def _answer(told: tuple[Syntax, ...], asked: _Asked) -> Any:
    """What is to be remembered; None if it cannot be."""
    if not asked.is_steady:
        return None
    rows = [
        (one.digest.hex(), [_row_of_reference(reference) for reference in one.references], one.dynamic)
        for one in told
    ]
    return rows, [(answer, root, *chain) for (root, chain), answer in asked.answers.items()]


def _told(answer: Any, decorators: Decorators) -> tuple[Syntax, ...] | None:
    """What was remembered, if it is an answer, and decorators are what they were then."""
    try:
        rows, asked = answer
        if not rows:
            return None
        for was, root, *chain in asked:
            if type(was) is not int or decorators(root, tuple(chain)) != was:
                return None
        return tuple(
            Syntax(
                bytes.fromhex(digest),
                tuple([_reference(row) for row in references]),
                tuple([_text(what) for what in dynamic]),
            )
            for digest, references, dynamic in rows
        )
    except (TypeError, ValueError):
        return None


def _row_of_reference(reference: Reference) -> Any:
    root, chain, level = reference
    return root if level is None and not chain else (level, root, *chain)


def _reference(row: Any) -> Reference:
    if type(row) is str:
        return Reference(row)
    level, root, *chain = row
    if level is not None and type(level) is not int:
        raise TypeError(level)
    return Reference(_text(root), tuple([_text(name) for name in chain]), level)


def _rows(rows: Any) -> list[tuple[int, tuple[str, ...], dict[str, Any]]] | None:
    """What was remembered of a class: place, names and answers of each of its statements."""
    try:
        found = [
            (place, tuple([_text(name) for name in names]), dict(answers)) for place, names, answers in rows
        ]
    except (TypeError, ValueError):
        return None
    return found if all(type(place) is int for place, _, _ in found) else None


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(value)
    return value


# -- what an answer depends on beside the text and the code


def _page(text: Text) -> Page:
    page = _pages.get(text)
    if page is None:
        page = _pages.put(text, _memory.page(_key(text)) if text.is_file and _scheme else Page())
    return page


def _key(text: Text) -> str:
    content = text.content if isinstance(text.content, bytes) else text.content.encode()
    flags = b"%d " % compiler_flags(text.filename)
    return blake3(_scheme + flags + content).hexdigest(16)


def _scheme_of_this_process() -> bytes:
    """How texts are read: by this Python with its options, and by these modules. Empty if that is not known.

    The modules are read here, while they are imported, so that it is the running ones that count.
    """
    hasher = blake3(sys.version.encode())
    hasher.update(marshal.dumps(compile("assert 1, lambda: 2", "", "exec", dont_inherit=True), 2))
    read_by = (digest, compiled, scope, decorator, normal_form, part, proof, source, syntax)
    for module in (*read_by, sys.modules[__name__]):
        spec = module.__spec__
        try:
            hasher.update(spec.loader.get_data(spec.origin))  # type: ignore[union-attr]
        except (AttributeError, OSError):
            return b""
    return hasher.digest()


_scheme = _scheme_of_this_process()
_memory = Memory()
_pages: Memo[Page] = Memo()
