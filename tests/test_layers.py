"""Arrows point only downward: a module imports none that stands below it in this list, not even late."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "zencache"
LAYERS = [
    # L0
    ["redaction"],
    ["exceptions"],
    ["digest"],
    ["owner"],
    ["visible"],
    ["quantity"],
    ["permission"],
    ["class_annotation"],
    # L1
    ["policy"],
    ["entity"],
    ["signing"],
    ["events"],
    ["environment"],
    ["settings"],
    # L2
    ["reference"],
    ["fingerprint"],
    ["materializer"],
    ["artifact_store"],
    ["metadata"],
    ["resource"],
    # L3
    ["declaration"],
    ["artifact_value"],
    ["intake"],
    ["condition"],
    ["key"],
    ["drawing"],
    ["lineage"],
    ["taint"],
    ["transfer"],
    ["provenance"],
    ["cache"],
    ["lease"],
    ["stores"],
    ["tenant"],
    # L4
    ["binding"],
    ["output"],
    ["call"],
    ["body"],
    ["reproduction"],
    ["wiring"],
    ["step_function"],
    ["workers"],
    ["scheduler"],
    ["travel"],
    ["local_workers"],
    ["executors"],
    ["options"],
    ["given"],
    ["recovery"],
    ["upstream"],
    ["hit"],
    ["attempt"],
    ["execution"],
    # L5
    ["why"],
    ["artifact_view"],
    ["view"],
    ["statistics"],
    ["project"],
    ["quarantine"],
    ["pin"],
    ["removal"],
    ["gc"],
    ["purge"],
    ["doctor"],
    ["exchange"],
    ["plan"],
    ["invocation"],
    ["log"],
    ["progress"],
    # L6
    ["origin"],
    ["notation"],
    ["definition"],
    ["pipeline_function"],
    ["training"],
    ["recording"],
    ["pipeline_view"],
    # L7
    ["typed_argument"],
    ["loading"],
    ["repository"],
    ["testing"],
    ["examples"],
    ["verification"],
    ["acceptance"],
    ["tfx"],
    ["report"],
    ["server"],
    ["cli"],
    ["__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def room_of(module: str) -> str:
    """The part of a dotted module name that stands in the list; empty for the package's own face."""
    return module.split(".")[1] if "." in module else ""


def imports_of(file: Path) -> set[str]:
    """The rooms of zencache that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {room_of(alias.name) for alias in node.names if alias.name.split(".")[0] == "zencache"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "zencache":
            found |= {room_of(node.module)} if "." in node.module else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_above_it(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in RANK, f"{room} has no place in the list of layers"
    upward = {other for other in imports_of(file) - {room} if RANK.get(other, -1) >= RANK[room]}
    assert not upward, f"{room} imports {sorted(upward)}, which stand beside or below it"


def test_protobuf_stops_at_the_metadata_package() -> None:
    users = {
        file.relative_to(PACKAGE).parts[0]
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("ml_metadata", "google.protobuf"))
    }
    assert users == {"metadata", "server"}


def test_the_check_sees_an_upward_import(tmp_path: Path) -> None:
    file = tmp_path / "digest.py"
    file.write_text("def late():\n    from zencache import cache\n    from zencache.view import Run\n")
    assert imports_of(file) == {"cache", "view"}
