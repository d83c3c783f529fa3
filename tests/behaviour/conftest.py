"""One metadata file that both the real TFX and zencache have written to, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NO_SDK = "no TFX SDK: `python3 .ci/with_venv.py --extra test` installs it, or set ZENCACHE_TEST_TFX_SDK"

# Neither is needed, and importing them takes seconds.
_LIGHT = """
import sys
sys.modules["tensorflow"] = sys.modules["apache_beam"] = None
"""

_TFX_PIPELINE = (
    _LIGHT
    + """
import os
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.types import channel
from tfx.types.artifact import Artifact, Property, PropertyType

class Numbers(Artifact):
    TYPE_NAME = "Numbers"
    PROPERTIES = {"span": Property(type=PropertyType.INT)}

class Total(Artifact):
    TYPE_NAME = "Total"

class Array(Artifact):
    TYPE_NAME = "Array"

@component
def MakeNumbers(numbers: OutputArtifact[Numbers], count: Parameter[int] = 3):
    with open(os.path.join(numbers.uri, "numbers.txt"), "w") as file:
        file.write(str(list(range(count))))
    numbers.span = 7
    numbers.set_string_custom_property("colour", "blue")

@component
def AddUp(numbers: InputArtifact[Numbers], total: OutputArtifact[Total], scale: Parameter[float] = 1.5):
    with open(os.path.join(total.uri, "total.txt"), "w") as file:
        file.write(str(scale))

@component
def Check(total: InputArtifact[Total], word: Parameter[str] = "good"):
    if word == "bad":
        raise ValueError("a bad word")

@component
def Measure(values: InputArtifact[Array], size: OutputArtifact[Total]):
    with open(os.path.join(size.uri, "files.txt"), "w") as file:
        file.write(str(sorted(os.listdir(os.path.join(values.uri, "payload")))))

root, database, name, word = sys.argv[1:]
if name == "counting":  # zencache's pipeline of this name made what is taken here
    made = channel.Channel(type=Array, producer_component_id="make_numbers", output_key="output")
    latest = Resolver(strategy_class=LatestArtifactStrategy, values=made)
    components = [latest, Measure(values=latest.outputs["values"])]
else:
    made = MakeNumbers(count=4)
    first = AddUp(numbers=made.outputs["numbers"])
    second = AddUp(numbers=made.outputs["numbers"], scale=2.5).with_id("second")
    components = [made, first, second, Check(total=first.outputs["total"], word=word)]
LocalDagRunner().run(
    pipeline.Pipeline(
        pipeline_name=name,
        pipeline_root=root,
        components=components,
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(database),
    )
)
"""
)

_ZENCACHE_PIPELINES = """
import numpy as np
from zencache import pipeline, step

@step
def make_numbers(count: int = 4) -> np.ndarray:
    return np.arange(count)

@step
def add_up(numbers: np.ndarray, scale: float = 1.5) -> float:
    return float(numbers.sum() * scale)

@pipeline
def counting():
    numbers = make_numbers()
    add_up(numbers)
    add_up(numbers, scale=2.5)

@pipeline
def sharing():
    add_up(make_numbers())

counting().run()
sharing().run()
"""


@dataclass
class Shared:
    """A folder with one metadata file, and the programs that write to it and read it."""

    folder: Path
    sdk: Path

    @property
    def database(self) -> Path:
        return self.folder / ".zencache" / "metadata.db"

    @property
    def artifacts(self) -> Path:
        return self.folder / ".zencache" / "artifacts"

    def script(self, source: str, *args: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A text as a script in a process of its own, in which TFX can be imported."""
        script = self.folder / "script.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        env = {
            **os.environ,
            "PYTHONPATH": str(self.sdk),
            "ZENCACHE_METADATA": str(self.database),
            "ZENCACHE_ARTIFACTS": str(self.artifacts),
        }
        done = subprocess.run(
            [sys.executable, str(script), *map(str, args)],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=100,
        )
        if check and done.returncode:
            pytest.fail(f"The script ended with {done.returncode}.\n{done.stdout}\n{done.stderr}")
        return done

    def run_tfx(self, name: str = "adding", word: str = "good", *, check: bool = True) -> None:
        self.script(_TFX_PIPELINE, self.folder / "root", self.database, name, word, check=check)

    def run_zencache(self) -> str:
        """Its log."""
        return self.script(_ZENCACHE_PIPELINES).stderr

    def ask_tfx(self, source: str) -> Any:
        """What a script finds out with TFX's readers: ``metadata_handle`` and ``store`` are open, and
        ``answer`` is what comes back."""
        opened = f"""
import json
from tfx.orchestration import metadata
answer = {{}}
config = metadata.sqlite_metadata_connection_config({str(self.database)!r})
with metadata.Metadata(config) as metadata_handle:
    store = metadata_handle.store
"""
        closing = "\nprint(json.dumps(answer))"
        body = textwrap.indent(textwrap.dedent(source), "    ")
        return json.loads(self.script(_LIGHT + opened + body + closing).stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def tfx_sdk() -> Path:
    """The folder that holds TFX's `ml-pipelines-sdk`, which is never imported into this process."""
    folder = Path(os.environ.get("ZENCACHE_TEST_TFX_SDK") or Path(sys.prefix) / "tfx-sdk")
    if not (folder / "tfx").is_dir():
        pytest.skip(NO_SDK)
    return folder


@pytest.fixture(scope="session")
def make_shared(tfx_sdk: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Shared]:
    def make() -> Shared:
        folder = tmp_path_factory.mktemp("shared")
        (folder / "pyproject.toml").write_text("[project]\n")
        (folder / ".zencache").mkdir()
        return Shared(folder, tfx_sdk)

    return make


@pytest.fixture(scope="session")
def written() -> dict[str, Shared]:
    """Who made the file -> the file: random order goes back and forth between the two."""
    return {}


@pytest.fixture(params=["tfx", "zencache"])
def shared(
    request: pytest.FixtureRequest, make_shared: Callable[[], Shared], written: dict[str, Shared]
) -> Shared:
    """A file that the one or the other made, with two runs of each pipeline, and what one made of the
    other's artifact. The tests read it and leave it as it is."""
    if request.param not in written:
        written[request.param] = _write(make_shared(), request.param)
    return written[request.param]


def _write(shared: Shared, first: str) -> Shared:
    if first == "zencache":
        shared.run_zencache()
    shared.run_tfx()
    shared.run_zencache()
    shared.run_tfx()
    if first == "tfx":
        shared.run_zencache()
    shared.run_tfx("adding", "bad", check=False)
    shared.run_tfx("counting")
    return shared


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A run without TFX says so: a skipped test is only a letter."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if NO_SDK in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests with the real TFX were skipped: {NO_SDK}")
