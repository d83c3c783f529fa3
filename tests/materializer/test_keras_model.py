"""Keras models: what they are is kept, and equal ones have one content digest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from zencache.exceptions import MaterializerError
from zencache.materializer import ArtifactType, artifact_type_of, find, type_by_name, type_name

np = pytest.importorskip("numpy")
keras = pytest.importorskip("keras")

from zencache.materializer.keras_model import KerasMaterializer  # noqa: E402  (needs keras)

X, Y = np.eye(4, dtype="float32"), np.ones((4, 2), dtype="float32")


def sequential(units=3, seed=1, rate=0.01, activation="relu", epochs=1, optimizer=None, **names):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                units, activation, kernel_initializer=keras.initializers.RandomUniform(seed=seed)
            ),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(2, kernel_initializer="ones", **names),
        ]
    )
    model.compile(
        optimizer or keras.optimizers.Adam(rate),
        "mse",
        metrics=["mae", keras.metrics.Recall()],
        run_eagerly=True,
    )
    if epochs:
        model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)
    return model


def branched():
    inputs = keras.Input((4,), name="features")
    shared = keras.layers.Dense(2, kernel_initializer="ones")
    hidden = keras.layers.Concatenate()(
        [shared(inputs), keras.layers.Dense(2, kernel_initializer="zeros")(inputs)]
    )
    model = keras.Model(inputs, [shared(inputs), keras.layers.Dense(1, kernel_initializer="ones")(hidden)])
    model.compile("sgd", loss=["mse", None])
    return model


def recurrent():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    cell = layers.LSTM(2, kernel_initializer="ones", recurrent_initializer="ones", dropout=0.1)
    return keras.Sequential([keras.Input((3, 1)), layers.Bidirectional(cell), layers.Dropout(0.1)])


def with_vocabulary(words=("a", "b")):
    return keras.Sequential(
        [keras.Input((1,), dtype="string"), keras.layers.StringLookup(vocabulary=list(words))]
    )


@keras.saving.register_keras_serializable("zencache-tests")
class Registered(keras.Model):
    def __init__(self, units=2, **options):
        super().__init__(**options)
        self.units = units
        self.dense = keras.layers.Dense(units, kernel_initializer="ones")

    def build(self, shape):
        self.dense.build(shape)
        super().build(shape)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Unregistered(Registered):
    pass


class Forgetful(Registered):
    def get_config(self):
        return keras.Model.get_config(self)


class Scale(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


def custom(kind, **options):
    model = kind(**options)
    model(X)
    return model


def saved(model, directory: Path) -> str:
    directory.mkdir()
    KerasMaterializer().save(model, directory)
    return KerasMaterializer().digest(directory)


def roundtrip(model, directory: Path):
    saved(model, directory)
    return KerasMaterializer().load(directory, type_by_name(type_name(type(model))))


@pytest.fixture(scope="module")
def digest(tmp_path_factory):
    return saved(sequential(), tmp_path_factory.mktemp("model") / "0")


def test_it_is_found_for_every_kind_of_model():
    for kind in (keras.Model, keras.Sequential, Registered, type(branched())):
        assert find(kind) is KerasMaterializer
    assert artifact_type_of(KerasMaterializer, keras.Model) == ArtifactType("Model", base="Model")


@pytest.mark.parametrize(
    "make",
    [
        sequential,
        branched,
        recurrent,
        lambda: sequential(epochs=0),
        lambda: custom(Registered),
        lambda: custom(Unregistered, units=3),
    ],
    ids=["sequential", "branched", "recurrent", "not trained", "registered", "unregistered"],
)
def test_equal_models_have_one_digest_whatever_was_built_before(make, tmp_path):
    first, second = make(), make()
    loaded = roundtrip(first, tmp_path / "0")
    assert type(loaded) is type(first)
    assert all(map(np.array_equal, loaded.get_weights(), first.get_weights()))
    digests = {
        saved(model, tmp_path / name) for name, model in {"1": first, "2": second, "3": loaded}.items()
    }
    assert digests == {KerasMaterializer().digest(tmp_path / "0")}


def test_a_model_that_was_not_trained_is_trained_after_loading(tmp_path):
    model = sequential(epochs=0)
    loaded = roundtrip(model, tmp_path / "0")
    for one in (model, loaded):
        one.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert all(map(np.allclose, loaded.get_weights(), model.get_weights()))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"units": 4},
        {"activation": "tanh"},
        {"epochs": 2},
        {"epochs": 0},
        {"rate": 0.02},
        {"optimizer": "sgd"},
        {"name": "head"},
    ],
    ids=str,
)
def test_other_models_have_another_digest(change, digest, tmp_path):
    assert saved(sequential(**change), tmp_path / "0") != digest


def test_a_vocabulary_is_part_of_the_digest(tmp_path):
    pytest.importorskip("tensorflow")
    assert saved(with_vocabulary(), tmp_path / "0") == saved(with_vocabulary(), tmp_path / "1")
    assert saved(with_vocabulary(), tmp_path / "2") != saved(with_vocabulary("ac"), tmp_path / "3")


def test_the_bytes_differ_where_the_digest_does_not(tmp_path):
    model = sequential(epochs=0)
    digests = {saved(model, tmp_path / "0"), saved(model, tmp_path / "1")}
    with zipfile.ZipFile(tmp_path / "1" / "model.keras", "a") as archive:
        metadata = json.loads(archive.read("metadata.json"))
    assert "date_saved" in metadata
    assert len(digests) == 1


def test_training_goes_on_where_it_stopped(tmp_path):
    model = sequential()
    loaded = roundtrip(model, tmp_path / "0")
    for one in (model, loaded):
        one.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert all(map(np.allclose, loaded.get_weights(), model.get_weights()))
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 2
    assert set(loaded.evaluate(X, Y, verbose=0, return_dict=True)) >= {"loss", "mae"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: custom(Forgetful, units=3),
        lambda: keras.Sequential([keras.Input((4,)), Scale()]),
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)]),
    ],
    ids=["forgetful config", "unregistered layer", "lambda"],
)
def test_a_model_that_would_not_come_back_is_refused_with_a_remedy(make, tmp_path):
    with pytest.raises(MaterializerError) as caught:
        KerasMaterializer().save(make(), tmp_path)
    assert "register_keras_serializable" in caught.value.hint


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_damaged_archive_is_an_error_of_ours(member, tmp_path):
    saved(sequential(epochs=0), tmp_path / "0")
    with zipfile.ZipFile(tmp_path / "0" / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "0" / "model.keras", "w") as archive:
        for name, payload in parts.items():
            archive.writestr(name, payload[: len(payload) // 2] if name == member else payload)
    for read in (
        KerasMaterializer().digest,
        lambda directory: KerasMaterializer().load(directory, keras.Model),
    ):
        with pytest.raises(MaterializerError, match="cannot be read"):
            read(tmp_path / "0")


@pytest.mark.slow
def test_equal_models_have_one_digest_in_every_process(tmp_path):
    code = "import sys, pathlib; from tests.materializer.test_keras_model import *\n"
    code += "saved_to = pathlib.Path(sys.argv[1])\n"
    code += "sequential(); print(saved(sequential(epochs=0), saved_to), saved(branched(), saved_to / 'b'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / str(i))],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for i in range(2)
    }
    assert len(outputs) == 1
