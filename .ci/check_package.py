"""Build the sdist, and the wheel from it, and check both: what is in them, what they say, and that they work.

    python3 .ci/with_venv.py --extra release .ci/check_package.py            # beside the packages of .venv
    python3 .ci/with_venv.py --extra release .ci/check_package.py --clean    # wheel and sdist by pip, alone
    python3 .ci/with_venv.py --extra release .ci/check_package.py --extras   # each extra alone, then all

The first takes seconds and is what `.ci/run` does; the others download what a user would, the last one
several GB. `--extras tables beam` checks only those. Each extra has a program in `.ci/extras` that uses what
the extra brings; a program that starts with `# Without it` must also fail where the extra is missing, with
one message that names it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import venv
import zipfile
from email import message_from_string
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {file.stem: file for file in sorted((ROOT / ".ci" / "extras").glob("*.py"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
LICENSES = PROJECT["license-files"]
# What comes with the sdist beside the package and the examples, and what hatchling adds on its own.
SDIST_TOP = {"zencache", "examples", "docs", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"}
SDIST_TOP |= {".gitignore", *LICENSES}
NO_PROGRAM = {"all", "docs", "release", "test"}


class Failed(Exception):
    """The package is not as it has to be."""


def require(holds: object, what: str) -> None:
    if not holds:
        raise Failed(what)


def run(*command: str | Path, cwd: Path | None = None, code: int = 0) -> str:
    """What a command says on both streams; it has to end with this exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZENCACHE_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "TF_CPP_MIN_LOG_LEVEL": "2", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = " ".join(map(str, command))
    require(done.returncode == code, f"{done.stdout}\n{told}: exit code {done.returncode} instead of {code}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist of this checkout, and the wheel that is made of the sdist."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder / f"zencache-{VERSION}.tar.gz", folder / f"zencache-{VERSION}-py3-none-any.whl"


def check_contents(sdist: Path, wheel: Path) -> None:
    """Everything that belongs there, of what git knows, and nothing else."""
    tracked = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    package = {name for name in tracked if name.startswith("zencache/")}
    examples = {name for name in tracked if name.startswith("examples/")}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    info = f"zencache-{VERSION}.dist-info"
    expected = package | {f"zencache/_{name}" for name in examples}
    expected |= {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    expected |= {f"{info}/licenses/{name}" for name in LICENSES}
    require(inside == expected, f"the wheel: not expected, or missing: {sorted(inside ^ expected)}")
    require("zencache/py.typed" in inside, "the wheel has no py.typed")

    with tarfile.open(sdist) as archive:
        unpacked = {name.partition("/")[2] for name in archive.getnames()} - {""}
    require({name.partition("/")[0] for name in unpacked} == SDIST_TOP, f"the sdist: {sorted(unpacked)}")
    require(package | examples <= unpacked, f"the sdist lacks {sorted((package | examples) - unpacked)}")

    notices = zipfile.ZipFile(wheel).read(f"{info}/licenses/THIRD_PARTY_NOTICES.md").decode()
    vendored = [Path(name).name for name in package if name.startswith("zencache/report/static/vendor/")]
    for script in vendored:
        if script.endswith((".js", ".css")):
            require(f"`{script}`" in notices, f"THIRD_PARTY_NOTICES.md does not name {script}")


def check_metadata(sdist: Path, wheel: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    text = zipfile.ZipFile(wheel).read(f"zencache-{VERSION}.dist-info/METADATA").decode()
    said = message_from_string(text)
    require(said["Version"] == VERSION, f"the version is {said['Version']}")
    require(said["License-Expression"] == PROJECT["license"], "the license is not the project's")
    require(set(said.get_all("License-File")) == set(LICENSES), "the license files are others")
    page = str(said.get_payload())
    require("```python" in page and "pip install" in page, "the README of the package lacks its beginning")
    astray = [link for link in re.findall(r"\]\(([^)]*)\)", page) if not link.startswith("https://")]
    require(not astray, f"the README of the package links what is not there: {astray}")
    offered = set(said.get_all("Provides-Extra"))
    others = offered ^ NO_PROGRAM ^ PROGRAMS.keys()
    require(not others, f"an extra without a program, or a program without an extra: {sorted(others)}")


class Environment:
    """A virtual environment with nothing in it, to install into."""

    def __init__(self, folder: Path, with_pip: bool = False):
        venv.create(folder, with_pip=with_pip)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "pyproject.toml").touch()

    def install_beside_these_packages(self, wheel: Path) -> None:
        """Not this checkout, which an editable install names in a .pth of its own that is not followed."""
        site = self.folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
        (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        run(*pip, "--python", self.python, "install", "--quiet", "--ignore-installed", "--no-deps", wheel)

    def install_by_pip(self, archive: Path) -> None:
        run(self.python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", archive)
        run(self.python, "-m", "pip", "check")

    def install_by_uv(self, requirement: str) -> None:
        uv = [sys.executable, "-m", "uv", "pip"]
        run(*uv, "install", "--quiet", "--python", self.python, requirement)
        run(*uv, "check", "--python", self.python)

    def zencache(self, *arguments: str, code: int = 0) -> str:
        return run(self.folder / "bin" / "zencache", *arguments, cwd=self.project, code=code)

    def program(self, file: Path, *arguments: str, code: int = 0) -> str:
        copied = shutil.copy(file, self.project / "program.py")  # `azure.py` would hide azure
        return run(self.python, copied, *arguments, cwd=self.project, code=code)


def check_that_it_works(environment: Environment) -> None:
    """A pipeline and the commands, with the installed package and nothing of the checkout."""
    where = run(
        environment.python, "-c", "import zencache; print(zencache.__file__)", cwd=environment.project
    )
    require(where.startswith(str(environment.folder)), f"zencache was imported from {where}")
    require(VERSION in environment.zencache("--version"), "zencache --version says another version")
    require("lineage" in environment.zencache("--help"), "zencache --help lacks commands")
    first = environment.program(ROOT / ".ci" / "smoke.py")
    require("completed completed completed" in first, f"the first run: {first}")
    second = environment.program(ROOT / ".ci" / "smoke.py")
    require("cached cached cached" in second, f"the second run: {second}")
    require("training" in environment.zencache("runs"), "zencache runs lacks the run")
    require("cytoscape" in environment.zencache("export", "latest", "--format", "html"), "the page is empty")
    listed = environment.zencache("example", "list")
    require("mnist_caching" in listed, f"the examples: {listed}")
    require("taxi" in listed, f"the examples: {listed}")
    environment.zencache("example", "pull", "caching")
    pulled = environment.project / "zencache_examples" / "caching"
    own = {file.name for file in (ROOT / "examples" / "mnist_caching").iterdir() if file.is_file()}
    require({file.name for file in pulled.iterdir()} == own, f"pulled: {sorted(pulled.iterdir())}")


def check_extras(wheel: Path, names: list[str], folder: Path) -> None:
    """Each extra's program with that extra only, and without it; with `all`, the programs of all."""
    core = Environment(folder / "core")
    core.install_by_uv(str(wheel))
    for name in names or [*PROGRAMS, "all"]:
        began = time.perf_counter()
        environment = Environment(folder / name)
        environment.install_by_uv(f"zencache[{name}] @ {wheel.as_uri()}")
        for extra in PROGRAMS if name == "all" else [name]:
            environment.program(PROGRAMS[extra])
        if name in PROGRAMS and PROGRAMS[name].read_text(encoding="utf-8").startswith("# Without it"):
            check_without(name, environment, core)
        shutil.rmtree(environment.folder)
        seconds = time.perf_counter() - began
        print(f"zencache[{name}]: installs alone, and what it enables works ({seconds:.0f} s)", flush=True)


def check_without(name: str, environment: Environment, core: Environment) -> None:
    """Where the extra is missing, its program ends with one message that names it."""
    recorded = environment.project / ".zencache"  # with it, and now read without it
    if recorded.is_dir():
        shutil.copytree(recorded, core.project / ".zencache", dirs_exist_ok=True)
    said = core.program(PROGRAMS[name], "without", code=1)
    require(f"zencache[{name}]" in said, f"without {name}, nothing names it: {said}")
    require("Traceback" not in said, f"without {name}: {said}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument(
        "--into", type=Path, metavar="FOLDER", help="keep what is built, instead of what is there"
    )
    parser.add_argument("--extras", nargs="*", metavar="NAME")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="zencache-package-") as scratch:
        folder = Path(scratch)
        try:
            built = options.into or folder / "dist"
            sdist, wheel = build(built.resolve())
            check_contents(sdist, wheel)
            check_metadata(sdist, wheel)
            beside = Environment(folder / "beside")
            beside.install_beside_these_packages(wheel)
            check_that_it_works(beside)
            print(f"{sdist.name}, and {wheel.name} made of it: what belongs there, and it works", flush=True)
            for archive in (wheel, sdist) if options.clean else ():
                environment = Environment(folder / f"clean{archive.suffix}", with_pip=True)
                environment.install_by_pip(archive)
                check_that_it_works(environment)
                print(f"{archive.name}: installed by pip, alone, and works", flush=True)
            if options.extras is not None:
                check_extras(wheel, options.extras, folder)
        except Failed as failed:
            print(f"The package is not right: {failed}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
