"""TFX's tutorial of Python function components, as it is written for TFX.

https://www.tensorflow.org/tfx/tutorials/tfx/python_function_component
"""

import os

from tfx import v1 as tfx
from tfx.types.experimental.simple_artifacts import Dataset
from tfx.types.standard_artifacts import String


@tfx.dsl.components.component
def MyGenerator(data: tfx.dsl.components.OutputArtifact[Dataset]):
    """Create a file with dummy data in the output artifact."""
    with tfx.dsl.io.fileio.open(os.path.join(data.uri, "data_file.txt"), "w") as f:
        f.write("Dummy data")
    # Set metadata and ensure that it gets passed to downstream components.
    data.set_string_custom_property("my_custom_field", "my_custom_value")


@tfx.dsl.components.component
def MyConsumer(
    data: tfx.dsl.components.InputArtifact[Dataset],
    hello: tfx.dsl.components.OutputArtifact[String],
    greeting: tfx.dsl.components.Parameter[str] = "Hello",
):
    """Reads the contents of data and writes it with a greeting to the output."""
    with tfx.dsl.io.fileio.open(os.path.join(data.uri, "data_file.txt"), "r") as f:
        contents = f.read()
    field = data.get_string_custom_property("my_custom_field")
    hello.value = f"{greeting}, {field}: {contents}"


def create_pipeline(greeting: str) -> tfx.dsl.Pipeline:
    my_generator = MyGenerator()
    my_consumer = MyConsumer(data=my_generator.outputs["data"], greeting=greeting)
    return tfx.dsl.Pipeline(
        pipeline_name="component_tutorial",
        pipeline_root="tutorial/root",
        components=[my_generator, my_consumer],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            "tutorial/metadata.db"
        ),
    )


def main():
    for greeting in ("Hi", "Hi", "Hello"):
        tfx.orchestration.LocalDagRunner().run(create_pipeline(greeting))


if __name__ == "__main__":
    main()
