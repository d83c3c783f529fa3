"""Run tests with the lowest, or with the highest, versions of the dependencies that pyproject.toml allows.

    python3 .ci/with_venv.py --extra release .ci/check_versions.py lowest
    python3 .ci/with_venv.py --extra release .ci/check_versions.py highest --python 3.13 tests/contracts

What is not an option goes to pytest; without it, these are the tests of the contracts, the materializers and
the behaviour. `lowest` takes the oldest release of each direct dependency that its own bound and the others'
allow, and of what those depend on the newest that fits, as uv resolves it. `highest` takes what a fresh
installation gets. The environment is made in a temporary folder, or in the one that `--into` names, where a
second call finds it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CORE = ["tests/contracts", "tests/materializer", "tests/behaviour"]


def test_tools() -> list[str]:
    """What the extra `test` brings for the tests themselves, in any version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = project["optional-dependencies"]["test"]
    return [one.partition(">=")[0] for one in needed if not one.startswith("zencache[")]


def uv(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], cwd=ROOT, check=True)


def install(which: str, python: str, folder: Path) -> Path:
    """The Python of the environment in this folder, made if it is not there."""
    made = folder / which / "bin" / "python"
    if made.exists():
        return made
    versions = folder / f"{which}.txt"
    resolution = "lowest-direct" if which == "lowest" else "highest"
    resolved = ["--quiet", "--resolution", resolution, "--python", python, "--extra", "all"]
    uv("pip", "compile", *resolved, "pyproject.toml", "--output-file", versions)
    uv("venv", "--quiet", "--python", python, folder / which)
    into = ["--quiet", "--python", made]
    uv("pip", "install", *into, "--constraints", versions, "--editable", f"{ROOT}[all]", *test_tools())
    uv("pip", "check", *into)
    return made


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("which", choices=["lowest", "highest"])
    parser.add_argument("--python", default=sys.executable, help="this one, unless another is named")
    parser.add_argument("--into", type=Path, help="a folder that keeps the environment")
    options, tests = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory(prefix="zencache-versions-") as scratch:
        try:
            python = install(options.which, options.python, (options.into or Path(scratch)).resolve())
        except subprocess.CalledProcessError as error:
            print(f"uv said no: {error}", file=sys.stderr)
            return 2
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        # anyio's plugin may be older than pytest, and no test uses it.
        pytest = [str(python), "-m", "pytest", "-p", "no:anyio"]
        return subprocess.run([*pytest, *(tests or CORE)], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
