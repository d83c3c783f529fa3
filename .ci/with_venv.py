"""Run a script or a module in this project's own virtual environment, which is made when it is missing.

    python3 .ci/with_venv.py [--extra NAME] SCRIPT [ARGUMENT ...]
    python3 .ci/with_venv.py [--extra NAME] -m MODULE [ARGUMENT ...]

The environment is `.venv` beside pyproject.toml, with this project installed editable and one of its
extras: `test` for `-m pytest`, else `examples`, unless --extra names another. The first call installs;
later ones start at once, until pyproject.toml changes. The exit code is the command's, or 2 when it was
not started. `test` also brings TFX's `ml-pipelines-sdk`, in a folder of its own, `.venv/tfx-sdk`, which
only the tests look into; if it cannot be had, they say that they skip what needs it.
"""

# Standard library only, and Python 3.8 syntax, so that an old Python gets a message and no traceback.
from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COVERS = {"test": {"test", "examples"}}  # `test` brings everything that `examples` does
# What ml-metadata's wheels ask for, by Python version.
OLDEST_GLIBC = {(3, 10): (2, 17), (3, 11): (2, 17), (3, 12): (2, 39), (3, 13): (2, 39)}
# What TFX's SDK needs to run a pipeline here, beyond what `test` brings. Not an extra of pyproject.toml: the
# SDK says that it is for Python before 3.11, and its own requirements would hold back those of `test`.
TFX_SDK = ["portpicker>=1.3.1,<2", "docker>=7,<8", "google-api-python-client>=1.8,<2", "httplib2<1"]
NEEDED = "Linux x86-64 with CPython 3.10 or 3.11 (glibc 2.17 or newer), or 3.12 or 3.13 (glibc 2.39 or newer)"


class Refused(Exception):
    """This script cannot go on; its text is the whole message for the user."""


class Machine(NamedTuple):
    """What decides whether ml-metadata, which zencache stands on, has a wheel."""

    system: str
    architecture: str
    implementation: str
    python: tuple[int, int]
    glibc: tuple[int, int] | None
    bits: int = 64
    has_gil: bool = True

    def __str__(self) -> str:
        python = f"{self.implementation} {dotted(self.python)}"
        if self.bits != 64:
            python += f" ({self.bits}-bit)"
        if not self.has_gil:
            python += " (free-threaded)"
        libc = [] if self.system != "Linux" else [f"glibc {dotted(self.glibc)}" if self.glibc else "no glibc"]
        return ", ".join([python, f"{self.system} {self.architecture}", *libc])


def dotted(version: tuple[int, int]) -> str:
    return "{}.{}".format(*version)


def this_machine() -> Machine:
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        implementation=platform.python_implementation(),
        python=sys.version_info[:2],
        glibc=find_glibc(),
        bits=64 if sys.maxsize > 2**32 else 32,
        has_gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
    )


def find_glibc() -> tuple[int, int] | None:
    """The version of the C library, or None where it is not glibc (Alpine's musl, another system)."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        major, minor = version.split(".")[:2]
        return (int(major), int(minor)) if name == "glibc" else None
    except (AttributeError, ValueError, OSError):
        return None


def check_wheel(machine: Machine, suitable: str | None = None) -> None:
    """Raise Refused unless ml-metadata has a wheel for `machine`; `suitable` names a Python that would do."""
    oldest = OLDEST_GLIBC.get(machine.python)
    is_linux = machine.system == "Linux" and machine.architecture in ("x86_64", "AMD64")
    is_cpython = machine.implementation == "CPython" and machine.bits == 64 and machine.has_gil
    if is_linux and is_cpython and oldest and machine.glibc and machine.glibc >= oldest:
        return
    if not is_linux or not machine.glibc or machine.glibc < (2, 17):
        remedy = (
            "use such a machine, or a container, from the project's folder:\n"
            '    docker run --rm -it --platform linux/amd64 -v "$PWD":/zencache -w /zencache python:3.11 bash'
        )
    elif suitable:
        remedy = f"use the other Python that is here:\n    {suitable} .ci/with_venv.py ..."
    else:
        remedy = "install Python 3.11 (or 3.10) and run this with it:\n    python3.11 .ci/with_venv.py ..."
    raise Refused(
        "zencache cannot be installed here: ml-metadata, on which it stands, has no wheel for this Python.\n"
        f"  found:  {machine}\n"
        f"  needed: {NEEDED}\n"
        f"  to do:  {remedy}"
    )


def find_suitable(machine: Machine) -> str | None:
    """The name of another Python on PATH for which ml-metadata has a wheel here."""
    for python, oldest in reversed(list(OLDEST_GLIBC.items())):  # the newest first
        name = f"python{dotted(python)}"
        if python != machine.python and machine.glibc and machine.glibc >= oldest and starts(name):
            return name
    return None


def starts(python: str) -> bool:
    """Whether this command is there and runs; a version manager's placeholder is there and does not."""
    return bool(shutil.which(python)) and subprocess.run([python, "-V"], capture_output=True).returncode == 0


def check_venv_module(
    python: tuple[int, int], find: Callable[[str], object] = importlib.util.find_spec
) -> None:
    """Debian and Ubuntu ship Python without what `python -m venv` needs."""
    if find("venv") is None or find("ensurepip") is None:
        raise Refused(
            "This Python cannot make a virtual environment: its venv or ensurepip module is not installed.\n"
            f"  found:  {sys.executable}\n"
            "  to do:  on Debian and Ubuntu, apt install python3-venv\n"
            f"          (python{dotted(python)}-venv if this is not the system's own Python 3)"
        )


def split_command(arguments: list[str]) -> tuple[str, list[str]]:
    """The extra to install, and the command to run with the environment's Python."""
    extra = None
    command = list(arguments)
    if command[:1] == ["--extra"]:
        extra, command = "".join(command[1:2]), command[2:]
    elif command and command[0].startswith("--extra="):
        extra, command = command[0][len("--extra=") :], command[1:]
    if extra == "" or not command or command == ["-m"]:
        raise Refused((__doc__ or "").strip())
    if command[0] != "-m" and not Path(command[0]).is_file():
        raise Refused(f"There is no script {command[0]} in {os.getcwd()}.")
    return extra or ("test" if command[:2] == ["-m", "pytest"] else "examples"), command


class Environment:
    """`.venv`, and the stamp in it: which extras, from which pyproject.toml, by which Python."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp_file = self.folder / "zencache-venv.json"

    def wanted(self, extras: set[str], is_ours: bool) -> dict[str, object]:
        return {
            "pyproject": hashlib.sha256((self.root / "pyproject.toml").read_bytes()).hexdigest(),
            "root": str(self.root),
            "python": dotted(sys.version_info[:2]),
            "extras": sorted(extras),
            "made_by_this_script": is_ours,
        }

    def stamp(self) -> dict[str, Any]:
        try:
            stamp = json.loads(self.stamp_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def write_stamp(self, extras: set[str], is_ours: bool) -> None:
        text = json.dumps(self.wanted(extras, is_ours), indent=1)
        self.stamp_file.write_text(text + "\n", encoding="utf-8")

    def installed(self) -> set[str]:
        """The extras that are there for this very pyproject.toml, folder and Python."""
        stamp = self.stamp()
        extras = set(stamp.get("extras", ()))
        is_current = stamp == self.wanted(extras, stamp.get("made_by_this_script", False))
        if not is_current or not os.access(self.python, os.X_OK):
            return set()
        return set().union(*(COVERS.get(extra, {extra}) for extra in extras))

    def is_usable(self) -> bool:
        """Whether its Python starts, has pip and is the version that runs this script."""
        code = "import sys, pip; print('{}.{}'.format(*sys.version_info[:2]))"
        try:
            done = subprocess.run([str(self.python), "-c", code], capture_output=True)
        except OSError:
            return False
        return done.returncode == 0 and done.stdout.decode().strip() == dotted(sys.version_info[:2])

    def make(self) -> None:
        """Make it anew unless what is there is usable; remove only what this script made."""
        stamp = self.stamp()
        is_ours = bool(stamp.get("made_by_this_script"))
        was_moved = is_ours and stamp.get("root") != str(self.root)
        if os.path.lexists(self.folder):
            if self.is_usable() and not was_moved:
                return
            if not is_ours:
                raise Refused(
                    f"{self.folder} is there, was not made by this script and cannot be used: its Python\n"
                    "does not start, has no pip, or is not the version that runs this script,"
                    f" {dotted(sys.version_info[:2])}.\n"
                    "  to do:  remove or rename that folder, or run this with its Python, then try again"
                )
            say(f"Making {self.folder} anew: it belongs to another Python or folder, or is broken.")
            shutil.rmtree(self.folder)
        check_venv_module(sys.version_info[:2])
        self.folder.mkdir()
        self.write_stamp(set(), is_ours=True)  # first, so that an interrupted start is known as ours
        run_or_refuse([sys.executable, "-m", "venv", str(self.folder)], "Python made no virtual environment")

    def install(self, extra: str) -> None:
        say(f"Installing zencache[{extra}] into {self.folder}: about 2 GB, a minute or more, only this once.")
        is_ours = bool(self.stamp().get("made_by_this_script"))
        others = set(self.stamp().get("extras", ())) if self.installed() else set()
        self.write_stamp(set(), is_ours)  # while pip works, nothing counts as installed
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run_or_refuse([*pip, "-e", f"{self.root}[{extra}]"], "pip did not install the packages")
        if extra == "test":
            self.install_tfx_sdk(pip)
        self.write_stamp(others | {extra}, is_ours)
        say("Installed.")


    def install_tfx_sdk(self, pip: list[str]) -> None:
        """TFX's SDK of the installed ml-metadata's version, beside the packages and not among them."""
        code = "from importlib.metadata import version; print(version('ml-metadata'))"
        try:
            done = subprocess.run([str(self.python), "-c", code], capture_output=True)
            minor = ".".join(done.stdout.decode().split(".")[:2])
            target = ["--target", str(self.folder / "tfx-sdk"), "--upgrade"]
            flags = ["--no-deps", "--ignore-requires-python"]
            sdk = f"ml-pipelines-sdk=={minor}.*"
            run_or_refuse([*pip, *target, *flags, sdk, *TFX_SDK], "pip did not install the TFX SDK")
        except (Refused, OSError) as refusal:
            say(f"{refusal}\nGoing on: the tests with the real TFX will be skipped.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_or_refuse(command: list[str], failure: str) -> None:
    """Run quietly; a failure shows all that the command wrote."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        output = done.stdout.decode(errors="replace").rstrip()
        raise Refused(f"{output}\n\n{failure} (exit code {done.returncode}): {' '.join(command)}")


def prepare(environment: Environment, extra: str) -> None:
    import fcntl  # not on Windows, where check_wheel has refused before

    with open(environment.root / "pyproject.toml", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two terminals may start at once
        if extra not in environment.installed():
            environment.make()
            environment.install(extra)


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        print((__doc__ or "").strip())
        return 0
    environment = Environment()
    try:
        extra, command = split_command(arguments)
        if extra not in environment.installed():
            machine = this_machine()
            check_wheel(machine, find_suitable(machine))
            prepare(environment, extra)
    except (Refused, OSError) as refusal:
        say(str(refusal))
        return 2
    except KeyboardInterrupt:
        say("Interrupted; the next call goes on from here.")
        return 130
    python = str(environment.python)
    return os.execv(python, [python, *command])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
