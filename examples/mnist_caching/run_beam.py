"""The digits of run.py with a normalizer that is a Beam step: the trainer reads its shards lazily.

Usage:

    python run_beam.py                  # each digit once
    python run_beam.py --copies 300     # each of 4,000 digits 300 times, shifted: 1.2 million rows
"""

import argparse
import logging
import warnings
from typing import Annotated

import numpy as np
from run import TrainerConfig, choose_source, importer_mnist, keras

# Keras, of each dataset whose length it does not know before it has read it.
warnings.filterwarnings("ignore", "Your input ran out of data")
# Beam's import warns of packages for Google Cloud that are not needed here.
logging.basicConfig(format="%(message)s", level=logging.ERROR)

import apache_beam as beam
import tensorflow as tf

from zencache import pipeline, step
from zencache.tfx.types.standard_artifacts import Examples

PIXELS = 28 * 28


@step
def beam_normalizer(
    source: beam.Pipeline,
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    copies: int = 1,
) -> Examples:
    """Scale the pixels from 0..255 to 0..1. A record is the label and the pixels, 785 float32."""
    train = (
        source
        | "Train" >> beam.Create(list(zip(X_train, y_train, strict=True)))
        | "Copy" >> beam.FlatMap(shifted_copies, copies)
    )
    test = source | "Test" >> beam.Create(list(zip(X_test, y_test, strict=True)))
    return {"train": train | "Scale" >> beam.Map(scaled), "test": test | "Scale test" >> beam.Map(scaled)}


def shifted_copies(digit, copies):
    """The digit, then copies of it, each shifted by at most two pixels."""
    image, label = digit
    random = np.random.default_rng([int(label), int(image.sum())])
    yield digit
    for _ in range(copies - 1):
        yield np.roll(image, random.integers(-2, 3, 2), axis=(0, 1)), label


def scaled(digit):
    image, label = digit
    return np.append(np.float32(label), image.astype(np.float32).ravel() / 255).tobytes()


@step
def tf_trainer(config: TrainerConfig, digits: Annotated[tf.data.Dataset, "train"]) -> keras.Model:
    keras.utils.set_random_seed(0)  # the same data and epochs give the same model
    layers = [keras.Input((PIXELS,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(config.epochs):
        model.fit(batches(digits), shuffle=False, verbose=0)
    return model


@step
def tf_evaluator(digits: Annotated[tf.data.Dataset, "test"], model: keras.Model) -> float:
    _, accuracy = model.evaluate(batches(digits), verbose=0)
    return float(accuracy)


def batches(digits):
    """Batches of images and labels, decoded while they are read."""
    return digits.batch(32).map(decoded, num_parallel_calls=tf.data.AUTOTUNE)


def decoded(records):
    numbers = tf.ensure_shape(tf.io.decode_raw(records, tf.float32), (None, 1 + PIXELS))
    return numbers[:, 1:], numbers[:, 0]


@pipeline
def mnist_beam(source: str, copies: int, epochs: int):
    X_train, y_train, X_test, y_test = importer_mnist(source=source)
    digits = beam_normalizer(X_train, y_train, X_test, y_test, copies=copies)
    tf_evaluator(digits, tf_trainer(TrainerConfig(epochs=epochs), digits))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--copies", type=int, default=1, help="rows of each training digit")
    copies = parser.parse_args().copies
    source, description = choose_source()
    print(f"Data: {description}\n", flush=True)
    for epochs in (1, 2):
        run = mnist_beam(source, copies, epochs).run()
        steps = ", ".join(f"{name} {step.status} {step.duration:.3f} s" for name, step in run.steps.items())
        print(f"epochs={epochs}: {steps}; accuracy {run.steps['tf_evaluator'].output.read():.4f}", flush=True)


if __name__ == "__main__":
    main()
