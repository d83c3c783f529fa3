# Without it, what it recorded cannot be read.
"""A Keras model, kept and read, and the same when it is read."""

import sys

from zencache import Repository, ZencacheError

if "without" not in sys.argv:
    import keras

    from zencache import pipeline, step

    @step
    def model() -> keras.Model:
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    @pipeline
    def models():
        model()

    models().run(run_name="models")

try:
    assert Repository().get_run("models").steps["model"].output.read().count_params() == 3
except ZencacheError as error:
    sys.exit(str(error))
