"""The README's commands say clearly where they can run and where not, before they install anything."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "with_venv.py"


@pytest.fixture(scope="module")
def with_venv():
    spec = importlib.util.spec_from_file_location("with_venv", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(with_venv):
    def make(**changes):
        bookworm = {
            "system": "Linux",
            "architecture": "x86_64",
            "implementation": "CPython",
            "python": (3, 11),
            "glibc": (2, 36),
        }
        return with_venv.Machine(**{**bookworm, **changes})

    return make


@pytest.fixture
def environment(with_venv, tmp_path):
    """A project folder whose `.venv` this script made, with nothing but a runnable file for a Python."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    environment = with_venv.Environment(tmp_path)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environment.write_stamp({"examples"}, is_ours=True)
    return environment


@pytest.mark.parametrize(
    ("python", "glibc"),
    [((3, 10), (2, 17)), ((3, 11), (2, 36)), ((3, 11), (2, 41)), ((3, 12), (2, 39)), ((3, 13), (2, 41))],
)
def test_machines_with_a_wheel_pass(with_venv, machine, python, glibc):
    with_venv.check_wheel(machine(python=python, glibc=glibc))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"python": (3, 9)}, "CPython 3.9, Linux x86_64, glibc 2.36"),
        ({"python": (3, 12)}, "CPython 3.12, Linux x86_64, glibc 2.36"),
        ({"python": (3, 13), "glibc": (2, 38)}, "CPython 3.13, Linux x86_64, glibc 2.38"),
        ({"python": (3, 14), "glibc": (2, 41)}, "CPython 3.14, Linux x86_64, glibc 2.41"),
        ({"glibc": (2, 12)}, "CPython 3.11, Linux x86_64, glibc 2.12"),
        ({"glibc": None}, "CPython 3.11, Linux x86_64, no glibc"),
        ({"architecture": "aarch64"}, "CPython 3.11, Linux aarch64, glibc 2.36"),
        ({"system": "Darwin", "architecture": "arm64", "glibc": None}, "CPython 3.11, Darwin arm64"),
        ({"system": "Windows", "architecture": "AMD64", "glibc": None}, "CPython 3.11, Windows AMD64"),
        ({"implementation": "PyPy"}, "PyPy 3.11, Linux x86_64, glibc 2.36"),
        ({"bits": 32}, "CPython 3.11 (32-bit), Linux x86_64, glibc 2.36"),
        (
            {"python": (3, 13), "glibc": (2, 41), "has_gil": False},
            "CPython 3.13 (free-threaded), Linux x86_64, glibc 2.41",
        ),
    ],
)
def test_other_machines_are_refused_with_what_was_found_and_what_is_needed(
    with_venv, machine, changes, found
):
    with pytest.raises(with_venv.Refused) as refusal:
        with_venv.check_wheel(machine(**changes))
    lines = str(refusal.value).splitlines()
    assert lines[0].startswith("zencache cannot be installed here")
    assert lines[1] == f"  found:  {found}"
    assert lines[2].startswith("  needed: Linux x86-64 with CPython 3.10 or 3.11")
    assert lines[3].startswith("  to do:")


def test_another_system_is_told_of_a_container(with_venv, machine):
    with pytest.raises(with_venv.Refused, match="docker run"):
        with_venv.check_wheel(machine(system="Darwin", architecture="arm64", glibc=None))


def test_another_python_version_is_told_of_the_suitable_one_that_is_there(with_venv, machine):
    with pytest.raises(with_venv.Refused, match=r"python3\.10 \.ci/with_venv\.py"):
        with_venv.check_wheel(machine(python=(3, 12)), suitable="python3.10")
    with pytest.raises(with_venv.Refused, match=r"install Python 3\.11"):
        with_venv.check_wheel(machine(python=(3, 12)))


def test_a_suitable_python_is_looked_for_on_the_path(with_venv, machine, monkeypatch):
    monkeypatch.setattr(with_venv, "starts", lambda name: name == "python3.10")
    assert with_venv.find_suitable(machine(python=(3, 14))) == "python3.10"
    assert with_venv.find_suitable(machine(python=(3, 10))) is None
    assert with_venv.find_suitable(machine(python=(3, 14), glibc=None)) is None


def test_a_python_that_is_there_but_does_not_run_is_not_proposed(with_venv, tmp_path, monkeypatch):
    placeholder = tmp_path / "python3.10"
    placeholder.write_text("#!/bin/sh\nexit 127\n")
    placeholder.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert not with_venv.starts("python3.10")
    assert not with_venv.starts("no-such-python")


def test_the_machine_that_runs_the_tests_has_a_wheel(with_venv):
    with_venv.check_wheel(with_venv.this_machine())


def test_a_missing_ensurepip_names_the_debian_package(with_venv):
    with pytest.raises(with_venv.Refused, match="apt install python3-venv"):
        with_venv.check_venv_module((3, 11), find=lambda name: None if name == "ensurepip" else object())


@pytest.mark.parametrize(
    ("arguments", "extra", "command"),
    [
        (["-m", "pytest", "-x"], "test", ["-m", "pytest", "-x"]),
        (["-m", "zencache"], "examples", ["-m", "zencache"]),
        ([str(SCRIPT), "--extra"], "examples", [str(SCRIPT), "--extra"]),
        (["--extra", "test", "-m", "mypy"], "test", ["-m", "mypy"]),
        (["--extra=all", str(SCRIPT)], "all", [str(SCRIPT)]),
    ],
)
def test_what_runs_decides_what_is_installed(with_venv, arguments, extra, command):
    assert with_venv.split_command(arguments) == (extra, command)


@pytest.mark.parametrize("arguments", [[], ["-m"], ["--extra"], ["--extra", "test"], ["no/such/script.py"]])
def test_a_wrong_command_is_refused_before_anything_is_installed(with_venv, arguments, capsys):
    assert with_venv.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "SCRIPT" in shown.err or "no/such/script.py" in shown.err


def test_an_unsuitable_machine_gets_one_message_and_exit_code_2(with_venv, machine, monkeypatch, capsys):
    monkeypatch.setattr(with_venv, "this_machine", lambda: machine(python=(3, 9)))
    monkeypatch.setattr(with_venv.Environment, "installed", lambda self: set())
    assert with_venv.main(["-m", "pytest"]) == 2
    assert capsys.readouterr().err.count("zencache cannot be installed here") == 1


def test_what_the_stamp_says_is_installed_until_pyproject_changes(environment):
    assert environment.installed() == {"examples"}
    environment.write_stamp({"test"}, is_ours=True)
    assert environment.installed() == {"test", "examples"}
    (environment.root / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert environment.installed() == set()


def test_an_environment_without_a_python_or_a_readable_stamp_counts_as_empty(environment):
    environment.python.unlink()
    assert environment.installed() == set()
    environment.python.symlink_to(sys.executable)
    environment.stamp_file.write_text("{")
    assert environment.installed() == set()


def test_an_unusable_environment_of_somebody_else_is_left_alone(with_venv, environment):
    environment.stamp_file.unlink()
    environment.python.unlink()
    with pytest.raises(with_venv.Refused, match="was not made by this script"):
        environment.make()
    assert environment.folder.is_dir()


def test_an_unusable_environment_of_this_script_is_made_anew(with_venv, environment, monkeypatch):
    environment.python.unlink()
    commands = []
    monkeypatch.setattr(with_venv, "run_or_refuse", lambda command, failure: commands.append(command))
    environment.make()
    assert commands == [[sys.executable, "-m", "venv", str(environment.folder)]]
    assert environment.stamp()["made_by_this_script"] is True
    assert environment.installed() == set()


def test_a_failing_installation_shows_everything_that_was_written(with_venv):
    script = "import sys; print('first'); print('second', file=sys.stderr); sys.exit(3)"
    with pytest.raises(with_venv.Refused) as refusal:
        with_venv.run_or_refuse([sys.executable, "-u", "-c", script], "It failed")
    assert str(refusal.value).startswith("first\nsecond\n\nIt failed (exit code 3): ")


@pytest.fixture
def pip(with_venv, environment, monkeypatch):
    """The command lines that an installation runs; nothing is installed."""
    commands = []
    monkeypatch.setattr(with_venv, "run_or_refuse", lambda command, failure: commands.append(command))
    return commands


def test_the_tests_get_the_tfx_sdk_of_the_installed_ml_metadata_in_a_folder_of_its_own(environment, pip):
    environment.python.unlink()
    environment.python.write_text("#!/bin/sh\necho 1.21.0\n")
    environment.python.chmod(0o755)
    environment.install("test")
    _, sdk = pip
    assert "ml-pipelines-sdk==1.21.*" in sdk
    assert sdk[sdk.index("--target") + 1] == str(environment.folder / "tfx-sdk")
    assert {"--no-deps", "--ignore-requires-python"} < set(sdk)
    assert environment.installed() == {"test", "examples"}


def test_only_the_tests_get_the_tfx_sdk(environment, pip):
    environment.install("examples")
    assert len(pip) == 1


def test_without_the_tfx_sdk_the_environment_is_usable_and_says_what_is_skipped(
    with_venv, environment, monkeypatch, capsys
):
    def fail_for_the_sdk(command, failure):
        if "--target" in command:
            raise with_venv.Refused("no matching distribution")

    monkeypatch.setattr(with_venv, "run_or_refuse", fail_for_the_sdk)
    environment.install("test")
    assert environment.installed() == {"test", "examples"}
    shown = capsys.readouterr().err
    assert "no matching distribution" in shown
    assert "tests with the real TFX will be skipped" in shown
