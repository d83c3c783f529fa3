# Without it, what it recorded cannot be read.
"""A table of pandas and one of pyarrow, kept and read."""

import sys

from zencache import Repository, ZencacheError

if "without" not in sys.argv:
    import pandas
    import pyarrow

    from zencache import pipeline, step

    @step
    def frame() -> pandas.DataFrame:
        return pandas.DataFrame({"a": [1, 2]})

    @step
    def table(frame: pandas.DataFrame) -> pyarrow.Table:
        return pyarrow.Table.from_pandas(frame)

    @pipeline
    def tables():
        table(frame())

    tables().run(run_name="tables")

try:
    steps = Repository().get_run("tables").steps
    assert steps["frame"].output.read()["a"].tolist() == [1, 2]
    assert steps["table"].output.read().num_rows == 2
except ZencacheError as error:
    sys.exit(str(error))
