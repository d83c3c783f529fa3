"""A Beam step that writes TFRecord shards, and one that reads them.

Without the extra it is the program's own `import apache_beam` that fails.
"""

import apache_beam as beam

from zencache import pipeline, step
from zencache.tfx.types.standard_artifacts import Examples


@step
def write(source: beam.Pipeline) -> Examples:
    return source | beam.Create([b"one", b"two"])


@step
def shout(words: beam.PCollection) -> Examples:
    return words | beam.Map(bytes.upper)


@step
def count_shards(words: list[str]) -> int:
    return len(words)


@pipeline
def shouting():
    count_shards(shout(write()))


for status in ("completed", "cached"):
    run = shouting().run()
    assert [step.status for step in run.steps.values()] == 3 * [status]
assert run.steps["count_shards"].output.read() > 0
