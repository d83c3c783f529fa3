"""A step's code: itself, and every user function, class, constant, closure and default it can reach."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from zencache.digest import encode
from zencache.exceptions import UnfingerprintableError
from zencache.fingerprint.classbody import ClassBody, annotations_of, class_bodies, live_extras
from zencache.fingerprint.encoder import ATOMS, Encoder
from zencache.fingerprint.fields import defaults_of, fields_of, is_local, registered_in
from zencache.fingerprint.namespace import (
    MISSING,
    Variable,
    attribute_of_definition,
    attribute_of_module,
    cells_of,
    imported_module,
    users_builtin,
    variable,
)
from zencache.fingerprint.normal_form import Syntax
from zencache.fingerprint.ownership import is_user_code
from zencache.fingerprint.part import (
    PART_OF_ATTRIBUTE,
    PART_OF_ROOT,
    READERS,
    CodePart,
    Part,
    has_part,
    quoted_names,
    text_of,
)
from zencache.fingerprint.reading import checked_by_beartype, is_generated, read_function
from zencache.fingerprint.reference import by_name, is_named, refer_from_code, undecorated
from zencache.fingerprint.scope import GLOBAL, Reference
from zencache.fingerprint.source import has_changed_source

__all__ = ["Code", "Unit", "code_of", "is_user_code"]

_HINT = "Create it inside the step, or pass what it is made from as a parameter."
_IN_THE_MODULE_ITSELF = b"module attribute"  # `__name__` and the like must not count
_MODULE_ATTRIBUTES = frozenset(
    {"__name__", "__file__", "__path__", "__package__", "__spec__", "__loader__", "__cached__"}
    | {"__builtins__"}
)
_NOT_WITH_THE_MODULE = _MODULE_ATTRIBUTES | {"__doc__", "__annotations__", "__warningregistry__"}


@dataclass(frozen=True, slots=True)
class Unit:
    """One reachable piece of code.

    Args:
        label: for people, e.g. ``"mypkg.helpers.clean"``; never enters the hash.
        identity: its place in the graph of references and its qualified name inside its module, e.g.
            ``"3:Helper.clean"``; enters the hash beside the fingerprint.
        fingerprint: 64 hex digits, over what it says and the places of what it refers to.
        content: 64 hex digits, over what it says alone. A new helper moves the places of others; only
            the content shows which unit was edited.
        links: the positions, in :class:`Code`, of the units that it refers to.
    """

    label: str
    identity: str
    fingerprint: str
    content: str
    links: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """Everything that a function reaches.

    Args:
        units: the function itself, then what it reaches, depth first.
        untracked: sentences on what could not be followed.
    """

    units: tuple[Unit, ...]
    untracked: tuple[str, ...]


def code_of(
    function: Callable[..., Any] | type, *, extra: Sequence[Any] = (), with_defaults: bool = True
) -> Code:
    """The code that ``function``, and each of ``extra`` (functions, classes, modules), can reach.

    Args:
        function: where to start.
        extra: where to start as well.
        with_defaults: whether the values of the function's own defaults count; those of a step are
            parameters, which count by themselves. The code that they lead to counts in any case.

    Raises:
        UnfingerprintableError: a constant that the code uses has no faithful fingerprint.

    >>> [unit.identity for unit in code_of(lambda: 1).units]
    ['0:<lambda>']
    """
    graph = _Graph()
    start, *others = (undecorated(root) for root in (function, *extra))
    first = graph.root(start) if with_defaults else graph.called_with_all(start)
    return graph.walk([first, *map(graph.root, others)])


class _Node:
    """A unit while its graph is being walked: its links become places once every place is known."""

    __slots__ = ("describe", "index", "label", "links", "name", "parts", "target")

    def __init__(self, target: Any, label: str, name: str, describe: Callable[[_Node], None]):
        self.target = target
        self.label = label
        self.name = name
        self.describe = describe
        self.index = -1
        self.parts: list[bytes] = []
        self.links: dict[_Node, int] = {}

    def link(self, other: _Node) -> bytes:
        return b"@" + encode(self.links.setdefault(other, len(self.links)))

    def unit(self) -> Unit:
        said = hashlib.sha256(b"".join(self.parts))
        content = said.hexdigest()
        places = tuple(linked.index for linked in self.links)
        said.update(encode(list(places)))
        return Unit(self.label, f"{self.index}:{self.name}", said.hexdigest(), content, places)


class _Graph:
    """One walk along the references of live code.

    Recursion would be as deep as the user's longest chain of helpers, so nodes wait on a stack.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], _Node] = {}
        self._untracked: dict[str, None] = {}
        self._lenient: set[_Node] = set()
        self._read: set[Part] = set()  # what some unit reads of others that does not count as a rule

    def walk(self, roots: list[_Node]) -> Code:
        order: list[_Node] = []
        stack = roots[::-1]
        while stack:
            node = stack.pop()
            if node.index < 0:
                node.index = len(order)
                order.append(node)
                node.describe(node)
                stack.extend(reversed(node.links))
            if not stack and self._read:
                stack = [part for part in self._parts_that_are_read(order) if part.index < 0]
        return Code(tuple(node.unit() for node in order), tuple(self._untracked))

    def _parts_that_are_read(self, order: list[_Node]) -> list[_Node]:
        code = [node.target for node in order if isinstance(node.target, FunctionType | type | ModuleType)]
        return [
            self._part_node(CodePart(kind, target))
            for target in reversed(code)
            for kind in sorted(self._read)
            if has_part(target, kind)
        ]

    def called_with_all(self, root: Any) -> _Node:
        """A function that is given a value for each of its arguments.

        It is another node than the same function as other code reaches it, whose defaults do count.
        """
        if not (is_user_code(root) and isinstance(root, FunctionType)):
            return self.root(root)
        told = self._code_node(root)
        return self._node(("step", id(root)), root, told.label, told.name, self._describe_called_with_all)

    def root(self, root: Any) -> _Node:
        if isinstance(root, CodePart):
            return self._part_node(root)
        if is_user_code(root) and isinstance(root, FunctionType | type | ModuleType):
            return self._code_node(root)
        name = getattr(root, "__qualname__", type(root).__qualname__)
        module = getattr(root, "__module__", None) or type(root).__module__
        return self._constant_node(Variable(("root", id(root)), module, name, root))

    # -- nodes

    def _node(self, key: tuple[Any, ...], target: Any, label: str, name: str, describe: Any) -> _Node:
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = _Node(target, label, name, describe)
        return node

    def _code_node(self, target: Any) -> _Node:
        key = ("code", id(target))
        if isinstance(target, ModuleType):
            return self._node(key, target, target.__name__, "<module>", self._describe_module)
        name = target.__qualname__
        if isinstance(target, type):
            return self._node(key, target, f"{target.__module__}.{name}", name, self._describe_class)
        label = f"{target.__globals__.get('__name__')}.{name}"
        return self._node(key, target, label, name, self._describe_function)

    def _part_node(self, part: CodePart) -> _Node:
        of = self._code_node(part.target)
        label, name = f"{of.label} ({part.kind})", f"{of.name} ({part.kind})"
        return self._node((part.kind, id(part.target)), part, label, name, self._describe_part)

    def _constant_node(self, held: Variable) -> _Node:
        return self._node(held.key, held, f"{held.module}.{held.name}", held.name, self._describe_constant)

    # -- what each kind of unit says

    def _describe_function(self, node: _Node) -> None:
        checked = checked_by_beartype(node.target)
        if checked is not None:
            wrapped, how = checked
            node.parts.append(encode(("beartype", how)) + self._value(node, wrapped, node.name))
            if has_part(wrapped, Part.ANNOTATIONS):
                node.parts.append(node.link(self._part_node(CodePart(Part.ANNOTATIONS, wrapped))))
            return
        self._describe_text(node)
        node.parts += [b"default" + token for token in self._defaults(node)]
        self._describe_surroundings(node)

    def _describe_called_with_all(self, node: _Node) -> None:
        self._describe_text(node)
        self._defaults(node)  # links to the code that they hold; the values are the step's parameters
        self._describe_surroundings(node)

    def _defaults(self, node: _Node) -> list[bytes]:
        function: FunctionType = node.target
        return [
            self._value(node, default, f"a default of {node.name}")
            for default in (function.__defaults__, function.__kwdefaults__)
            if default
        ]

    def _describe_text(self, node: _Node) -> None:
        known = read_function(node.target)
        node.parts.append(known.syntax.digest)
        if not known.has_source:
            self._untracked[f"{node.label}: source not found; its compiled code counts instead"] = None
        self._say_dynamic(known.syntax, node)

    def _describe_surroundings(self, node: _Node) -> None:
        function: FunctionType = node.target
        cells = cells_of(function) if function.__closure__ else {}
        if "__class__" in cells:  # what a bare `super()` reads
            node.parts.append(self._variable(node, cells["__class__"], ()))
        for reference in read_function(function).syntax.references:
            node.parts.append(self._reference(node, reference, function.__globals__, cells))
        for name, value in sorted(function.__dict__.items()):
            if name == "__wrapped__":
                if value is not None:
                    node.parts.append(b"wraps" + self._value(node, value, f"what {node.name} wraps"))
            elif not (name.startswith("_") or name.endswith("__")):  # what frameworks note of a function
                self._held(node, name, value)

    def _describe_class(self, node: _Node) -> None:
        kind: type = node.target
        for parent in kind.__bases__:
            node.parts.append(node.link(self._code_node(parent)) if is_user_code(parent) else by_name(parent))
        if is_user_code(type(kind)):  # an installed one comes with a base or is written in the statement
            node.parts.append(node.link(self._code_node(type(kind))))
        bodies = class_bodies(kind)
        if not bodies and has_changed_source(kind):
            sentence = (
                f"{node.label}: its file has changed since it was imported; what it holds counts instead"
            )
            self._untracked[sentence] = None
        for body in bodies:
            self._syntax(node, body.syntax.frame, body)
            for name in body.names():
                self._attribute(node, name, body)
        held = defaults_of(kind)
        if not bodies or is_local(kind):
            held = (*annotations_of(kind), *fields_of(kind))
        for name, value in (*held, *registered_in(kind)):
            self._held(node, name, value)
        for name, value in live_extras(kind, bodies, generated=is_generated):
            self._held(node, name, value)

    def _held(self, node: _Node, name: str, value: Any) -> None:
        """What a class holds beside its statement: by its type alone where it has no faithful fingerprint."""
        node.parts.append(encode(name))
        try:
            node.parts.append(self._value(node, value, f"{node.name}.{name}"))
        except UnfingerprintableError:
            self._say_type_only(f"`{node.label}.{name}`")
            node.parts.append(b"type" + self._value(node, type(value), name))

    def _attribute(self, node: _Node, name: str, body: ClassBody) -> None:
        node.parts.append(encode(name))
        value = body.live(name)
        if value is not MISSING:
            node.parts.append(self._value(node, value, f"{node.name}.{name}"))
            return
        for syntax in body.syntax.written(name):
            self._syntax(node, syntax, body)
        hidden = body.hidden(name)
        if hidden is not MISSING:
            self._held(node, name, hidden)

    def _syntax(self, node: _Node, syntax: Syntax, body: ClassBody) -> None:
        node.parts.append(syntax.digest)
        self._say_dynamic(syntax, node)
        for reference in syntax.references:
            node.parts.append(self._reference(node, reference, body.module_globals, {}))

    def _describe_part(self, node: _Node) -> None:
        part: CodePart = node.target
        if part.kind is Part.SUBCLASSES:
            node.parts.append(self._value(node, type.__subclasses__(part.target), node.name))
            return
        if part.kind is not Part.ANNOTATIONS:
            node.parts.append(encode(text_of(part)))
            return
        for name, annotation in part.target.__annotations__.items():
            self._held(node, name, annotation)
            for reference in quoted_names(annotation):
                node.parts.append(self._reference(node, reference, part.target.__globals__, {}))

    def _describe_module(self, node: _Node) -> None:
        contents = vars(node.target)
        for name in sorted(contents):
            if name not in _NOT_WITH_THE_MODULE:
                held = variable(contents, name)
                node.parts.append(encode(name) + self._variable(node, held, (), lenient=True))

    def _describe_constant(self, node: _Node) -> None:
        held: Variable = node.target
        try:
            node.parts.append(self._value(node, held.value, held.name, held.module))
        except UnfingerprintableError:
            if node not in self._lenient:
                raise
            self._say_type_only(f"`{node.label}`")
            node.parts.append(by_name(type(held.value)))

    # -- references

    def _reference(
        self, node: _Node, reference: Reference, scope: dict[str, Any], cells: dict[str, Variable]
    ) -> bytes:
        if reference.level not in (None, GLOBAL):
            module, problem = imported_module(reference, scope)
            if problem:
                self._untracked[f"{problem} in {node.label}"] = None
            if module is None or not is_user_code(module):  # the same before and after it is imported
                self._note_reader(f"{reference.root}:{'.'.join(reference.chain)}")
                return encode(("name", f"{reference.root}:{'.'.join(reference.chain)}"))
            held = Variable(("module", id(module)), module.__name__, module.__name__, module)
            return self._variable(node, held, reference.chain, may_import=True)
        name = reference.root
        if name in cells and reference.level != GLOBAL:
            return self._variable(node, cells[name], reference.chain)
        if name in scope:
            if name in _MODULE_ATTRIBUTES:
                return _IN_THE_MODULE_ITSELF
            return self._variable(node, variable(scope, name), reference.chain)
        if name in PART_OF_ROOT:
            self._read.add(PART_OF_ROOT[name])
        return self._variable(node, users_builtin(name), reference.chain, lenient=True)

    def _variable(
        self,
        node: _Node,
        held: Variable,
        chain: tuple[str, ...],
        *,
        may_import: bool = False,
        lenient: bool = False,
    ) -> bytes:
        """What a variable holds, or what the attributes ``chain`` lead to through modules."""
        while chain and isinstance(held.value, ModuleType):
            if not is_user_code(held.value):
                self._note_reader(f"{held.value.__name__}:{'.'.join(chain)}")
                return encode(("name", f"{held.value.__name__}:{'.'.join(chain)}"))
            if chain[0] in _MODULE_ATTRIBUTES:
                return _IN_THE_MODULE_ITSELF
            if chain[0] == "__dict__":
                break
            held = attribute_of_module(held.value, chain[0], may_import=may_import)
            chain = chain[1:]
        value = undecorated(held.value)
        if value is MISSING:
            return b"builtin or missing"
        if is_named(value):
            token = self._value(node, value, held.name, held.module)
            if not is_user_code(value):
                self._note_reader(f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}")
            elif chain[:1] == ("__annotations__",) and has_part(value, Part.ANNOTATIONS):
                return token + node.link(self._part_node(CodePart(Part.ANNOTATIONS, value)))
            told = attribute_of_definition(value, chain)
            self._note_read(chain if told is MISSING else chain[1:])
            return token if told is MISSING else token + self._value(node, told, held.name, held.module)
        self._note_read(chain)
        constant = self._constant_node(held)
        if lenient:
            self._lenient.add(constant)
        return node.link(constant)

    def _value(self, node: _Node, value: Any, name: str, module: str | None = None) -> bytes:
        """A value where it stands; code in it is linked to, everything else is written out."""
        if type(value) in ATOMS:
            return encode(value)

        def link(target: Any) -> bytes:
            return node.link(self.root(target))

        place = module or node.label.removesuffix(f".{node.name}")

        def fail(culprit: Any) -> UnfingerprintableError:
            return _no_fingerprint(culprit, value, name, place)

        def note(owner: Any) -> None:
            how = "a method of" if isinstance(value, BuiltinFunctionType) else "which holds"
            self._say_type_only(f"`{place}.{name}`, {how} a `{type(owner).__qualname__}`")

        self._say_compiled(value)
        return Encoder(lambda item: refer_from_code(item, link), fail, note).token(value)

    def _note_reader(self, name: str) -> None:
        """An installed function that reads what does not count as a rule."""
        self._read |= READERS.get(name, frozenset())

    def _note_read(self, attributes: Iterable[str]) -> None:
        self._read |= {PART_OF_ATTRIBUTE[name] for name in attributes if name in PART_OF_ATTRIBUTE}

    # -- what to tell people

    def _say_dynamic(self, syntax: Syntax, node: _Node) -> None:
        for what in syntax.dynamic:
            self._untracked[f"{what} in {node.label}"] = None

    def _say_type_only(self, what: str) -> None:
        self._untracked[f"{what}: its value cannot be fingerprinted; only its type counts"] = None

    def _say_compiled(self, value: Any) -> None:
        module = value.__self__ if isinstance(value, BuiltinFunctionType) else None
        if isinstance(module, ModuleType) and is_user_code(module):
            label = f"{module.__name__}.{value.__qualname__}"
            self._untracked[f"{label}: a compiled extension; it counts by its name only"] = None


def _no_fingerprint(culprit: Any, value: Any, name: str, module: str) -> UnfingerprintableError:
    held = f"{type(culprit).__module__}.{type(culprit).__qualname__}"
    verb = "is" if culprit is value else "holds"
    return UnfingerprintableError(
        f"`{name}` in module `{module}` {verb} a `{held}`, which has no faithful fingerprint.",
        facts={"module": module, "variable": name, "type": held},
        hint=_HINT,
    )
