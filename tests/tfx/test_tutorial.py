"""TFX's tutorial of Python function components runs here after its import lines are changed.

https://www.tensorflow.org/tfx/tutorials/tfx/python_function_component
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zencache import tfx
from zencache.tfx.types.experimental.simple_artifacts import Dataset
from zencache.tfx.types.standard_artifacts import String


@tfx.dsl.components.component
def MyGenerator(data: tfx.dsl.components.OutputArtifact[Dataset]):
    """Create a file with dummy data in the output artifact."""
    Path(os.path.join(data.uri, "data_file.txt")).write_text("Dummy data")
    data.set_string_custom_property("my_custom_field", "my_custom_value")


@tfx.dsl.components.component
def MyConsumer(
    data: tfx.dsl.components.InputArtifact[Dataset],
    hello: tfx.dsl.components.OutputArtifact[String],
    greeting: tfx.dsl.components.Parameter[str] = "Hello",
):
    """Reads the contents of data and writes it to an output String artifact with the given greeting."""
    contents = Path(os.path.join(data.uri, "data_file.txt")).read_text()
    message = f"{greeting}, {data.get_string_custom_property('my_custom_field')}: {contents}"
    hello.value = message


def create_pipeline(folder: Path, greeting: str = "Hi"):
    my_generator = MyGenerator()
    my_consumer = MyConsumer(data=my_generator.outputs["data"], greeting=greeting)
    return tfx.dsl.Pipeline(
        pipeline_name="tutorial",
        pipeline_root=str(folder / "root"),
        components=[my_generator, my_consumer],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.db")
        ),
    )


def run(folder: Path, greeting: str = "Hi"):
    return tfx.orchestration.LocalDagRunner().run(create_pipeline(folder, greeting))


@pytest.fixture
def folder(project):
    return project / "tfx"


def test_the_pipeline_runs_and_leaves_its_artifacts_below_its_root(folder):
    hello = run(folder).steps["MyConsumer"].output
    assert hello.read().value == "Hi, my_custom_value: Dummy data"
    assert hello.uri.startswith(str(folder / "root"))
    assert Path(hello.uri).read_text() == "Hi, my_custom_value: Dummy data"


def test_the_second_run_takes_everything_from_the_cache(folder):
    run(folder)
    assert [step.status for step in run(folder).steps.values()] == ["cached", "cached"]


def test_another_parameter_runs_what_takes_it(folder):
    run(folder)
    again = run(folder, "Hello")
    assert [step.status for step in again.steps.values()] == ["cached", "completed"]
    assert again.steps["MyConsumer"].output.read().value == "Hello, my_custom_value: Dummy data"


def test_a_component_can_be_tested_as_a_function(tmp_path):
    class Place:
        uri = str(tmp_path)

        def set_string_custom_property(self, key, value):
            self.key = key

    MyGenerator.test_call(data=Place())
    assert (tmp_path / "data_file.txt").read_text() == "Dummy data"


def test_importing_the_names_of_tfx_imports_no_heavy_package(run_script):
    source = """
    import sys
    from zencache import tfx
    print(sorted({"apache_beam", "tensorflow", "pandas", "ml_metadata"} & set(sys.modules)))
    """
    assert run_script(source).stdout.split() == ["[]"]
