"""``import zencache`` and the help of the command line load nothing that is slow to load."""

import os
import sys
from pathlib import Path

import pytest

HEAVY = ["tensorflow", "keras", "apache_beam", "pandas", "grpc", "ml_metadata", "numpy", "pyarrow", "fsspec"]
HEAVY += ["starlette", "uvicorn", "zencache.report"]

LOADED = f"""
import sys
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
"""


def test_importing_zencache_loads_no_heavy_package(run_script):
    assert run_script("import zencache\n" + LOADED).stdout.split() == []


def test_declaring_and_binding_a_pipeline_loads_no_heavy_package(run_script):
    source = """
from zencache import BaseStepConfig, Output, Repository, pipeline, step

class Config(BaseStepConfig):
    epochs: int = 1

@step
def make(config: Config) -> Output(a=int, b=list[str]):
    return config.epochs, []

@step
def use(a: int, b: list[str], rate: float = 1) -> float:
    return a * rate

@pipeline
def training(epochs: int = 1):
    use(*make(epochs=epochs))

training(epochs=2)
"""
    assert run_script(source + LOADED).stdout.split() == []


def test_running_a_pipeline_of_plain_values_loads_only_the_store_and_what_that_needs(run_script):
    source = """
from zencache import pipeline, step

@step
def make() -> list[int]:
    return [1]

@pipeline
def making():
    make()

making().run()
"""
    loaded = run_script(source + LOADED).stdout.split()
    assert not {"tensorflow", "keras", "apache_beam", "pandas", "numpy", "pyarrow"} & set(loaded)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_the_help_of_the_command_line_loads_no_heavy_package(run_script, arguments):
    done = run_script(
        f"""
        import atexit, sys
        atexit.register(lambda: print("loaded:", *sorted(set({HEAVY!r}) & set(sys.modules))))
        sys.argv = ["zencache", *{arguments!r}]
        from zencache.cli import main
        main()
        """
    )
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]
    assert len(done.stdout.splitlines()) > 1


def test_every_public_name_is_there_and_is_listed(run_script):
    done = run_script(
        """
        import zencache
        for name in zencache.__all__:
            getattr(zencache, name)
        print(set(zencache.__all__) <= set(dir(zencache)), hasattr(zencache, "Nothing"))
        """
    )
    assert done.stdout.split() == ["True", "False"]


def test_the_tests_see_the_installed_command(project):
    program = Path(sys.executable).parent / "zencache"
    assert os.access(program, os.X_OK)
