"""The examples that come with zencache: in the checkout, or installed with the package."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from zencache.exceptions import ConfigurationError, NotFoundError, nearest

ALIASES = {"caching": "mnist_caching"}
INSTALL = 'pip install "zencache[examples]"'
_PULLED = "zencache_examples"


@dataclass(frozen=True, slots=True)
class Example:
    """A folder with a ``run.py``."""

    name: str
    folder: Path

    @property
    def about(self) -> str:
        """The first line of what its script says of itself."""
        text = ast.get_docstring(ast.parse((self.folder / "run.py").read_text(encoding="utf-8"))) or ""
        return text.partition("\n")[0]

    @property
    def missing(self) -> list[str]:
        """What its script, with the modules beside it, imports and finds not installed."""
        files = [self.folder / "run.py"]
        found: set[str] = set()
        for file in files:  # grows
            for name in _imported(file) - found:
                beside = self.folder / f"{name}.py"
                found.add(name)
                files += [beside] if beside.is_file() else []
        others = sorted(found - {file.stem for file in files})
        return [name for name in others if importlib.util.find_spec(name) is None]

    def run(self) -> int:
        """Run a copy of its script with this Python, in the working directory; returns the exit code.

        A copy, because code inside an installed package is nobody's to edit, and so is not followed.

        Raises:
            ConfigurationError: a package that it needs is not installed.
        """
        if missing := self.missing:
            raise ConfigurationError(
                "A package that the example needs is not installed.",
                facts={"missing": ", ".join(missing)},
                hint=INSTALL,
            )
        with tempfile.TemporaryDirectory(prefix="zencache-") as folder:
            copied = self._copy_to(Path(folder) / self.name)
            return subprocess.run([sys.executable, str(copied / "run.py")]).returncode

    def pull(self, name: str) -> Path:
        """Copy it into ``zencache_examples/<name>`` of the working directory.

        Raises:
            ConfigurationError: that folder exists.
        """
        target = Path(_PULLED) / name
        if target.exists():
            raise ConfigurationError(
                "The example has been pulled already.",
                facts={"folder": target.absolute()},
                hint=f"Remove it first: rm -r {target}",
            )
        return self._copy_to(target)

    def _copy_to(self, target: Path) -> Path:
        own_only = shutil.ignore_patterns("__pycache__", ".zencache")
        return Path(shutil.copytree(self.folder, target, ignore=own_only))


def _imported(file: Path) -> set[str]:
    """Top-level names of the modules that a file imports, at once or in a function that is called later."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in named}


def examples() -> dict[str, Example]:
    """Every example by its name."""
    package = Path(__file__).parent
    for place in (package / "_examples", package.parent / "examples"):
        if place.is_dir():
            folders = sorted(folder for folder in place.iterdir() if (folder / "run.py").is_file())
            return {folder.name: Example(folder.name, folder) for folder in folders}
    return {}


def find_example(name: str) -> Example:
    """An example by its name or its other name.

    Raises:
        NotFoundError: there is none.
    """
    known = examples()
    found = known.get(ALIASES.get(name, name))
    if found is None:
        raise NotFoundError(f"There is no example `{name}`.", hint=nearest(name, [*known, *ALIASES]))
    return found
