"""Keras 3 models as `.keras` archives."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from zencache.digest import digest_bytes, fingerprint
from zencache.exceptions import MaterializerError
from zencache.materializer.contract import BaseMaterializer, reading, type_name, writing

_FILE = "model.keras"
_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_HINT = (
    "Give custom layers, models and functions a get_config and "
    "@keras.saving.register_keras_serializable(), and a registered function in place of a lambda."
)
# Where a config refers to layers by name.
_REFERENCES = frozenset({"keras_history", "input_layers", "output_layers", "compile_config"})


class KerasMaterializer(BaseMaterializer):
    """Saves a Keras model with its weights, its compilation and the state of its optimizer.

    A model with custom objects, which Keras may save and then fail to load, is loaded once on saving.
    What Keras itself does not save is not kept: the history of training, callbacks, ``stop_training``.

    The content digest covers config, weights and assets, without what differs at every save. Names that
    Keras generated (``dense_3``) depend on what the process built before; they count by their order.
    """

    types = (keras.Model,)
    artifact_type = "Model"

    def save(self, value: Any, directory: Path) -> None:
        path = directory / _FILE
        with writing(value, _HINT):
            keras.saving.save_model(value, path)
            with zipfile.ZipFile(path) as archive:
                custom = any(map(_is_custom, _objects(json.loads(archive.read(_CONFIG)))))
            loaded = _load(path, type(value)) if custom else value
        if loaded is not value and not _same(loaded, value):
            raise MaterializerError(
                "A Keras model would not come back as it is.",
                facts={"type": type_name(type(value)), "comes back as": type_name(type(loaded))},
                hint=_HINT,
            )

    def load(self, directory: Path, type: type) -> Any:
        path = directory / _FILE
        with reading(path):
            return _load(path, type)

    def digest(self, directory: Path) -> str:
        path = directory / _FILE
        with reading(path), zipfile.ZipFile(path) as archive, _open_weights(archive) as weights:
            config = json.loads(archive.read(_CONFIG))
            assets = sorted(set(archive.namelist()) - {_CONFIG, _WEIGHTS, _METADATA})
            return fingerprint(
                {
                    "config": _canonical(config, _generated_names(config)),
                    "weights": _arrays(weights),
                    "assets": [(name, digest_bytes(archive.read(name)).hash) for name in assets],
                }
            )


def _load(path: Path, kind: type) -> Any:
    built_in = kind.__module__.partition(".")[0] == "keras"
    # Keras finds a class of the user's only if it is registered; the step's own type we know.
    custom_objects = {} if built_in else {kind.__name__: kind}
    with zipfile.ZipFile(path) as archive, _open_weights(archive) as weights:
        config = json.loads(archive.read(_CONFIG))
        _require_harmless(config)
        if not _never_stepped(weights):
            return keras.saving.load_model(path, custom_objects, safe_mode=True)
    # Keras would warn that it cannot load the state of an optimizer that has none yet.
    model = keras.saving.load_model(path, custom_objects, compile=False, safe_mode=True)
    with keras.saving.custom_object_scope(custom_objects):
        model.compile_from_config(config["compile_config"])
    return model


def _require_harmless(config: Any) -> None:
    """Raise if a config holds code, or names a module that this program has not imported.

    Keras refuses the first unless a program has switched that off, and old versions import the second.
    """
    for serialized in _objects(config):
        module = str(serialized.get("module") or "keras")
        if serialized["class_name"] == "__lambda__":
            raise MaterializerError("A Keras model holds a lambda, which is code in its file.", hint=_HINT)
        if module.partition(".")[0] not in ("keras", "builtins") and module not in sys.modules:
            raise MaterializerError(
                "A Keras model names a module that this program has not imported.",
                facts={"module": f"{module:.200}", "class": f"{serialized['class_name']!s:.200}"},
                hint="If you know it, import it before the model is loaded.",
            )


def _same(model: Any, other: Any) -> bool:
    mine, theirs = model.get_weights(), other.get_weights()
    return type(model) is type(other) and [w.tobytes() for w in mine] == [w.tobytes() for w in theirs]


def _open_weights(archive: zipfile.ZipFile) -> Any:
    return h5py.File(io.BytesIO(archive.read(_WEIGHTS)), "r")


def _never_stepped(weights: Any) -> bool:
    """Whether there is an optimizer that has changed no weight: its first variable counts the steps."""
    optimizer = weights.get("optimizer")
    if optimizer is None or set(optimizer) != {"vars"} or "0" not in optimizer["vars"]:
        return False
    return not np.any(optimizer["vars"]["0"][()])


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object in a config, in order, those that hold others first."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for item in config.values():
            yield from _objects(item)
    elif isinstance(config, list):
        for item in config:
            yield from _objects(item)


def _is_custom(serialized: dict[str, Any]) -> bool:
    if serialized["class_name"] in ("function", "__lambda__"):
        return True
    return "module" in serialized and str(serialized["module"]).partition(".")[0] != "keras"


def _generated_names(config: Any) -> dict[str, str]:
    """Each name that Keras generated from a class, and one that only tells the order."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for serialized in _objects(config):
        inner = serialized.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        if not isinstance(name, str) or name in names:
            continue
        stem = re.escape(_snake_case(str(serialized["class_name"])))
        generated = re.fullmatch(rf"((?:forward_|backward_)?{stem})(?:_\d+)?", name)  # Bidirectional's prefix
        if generated:
            prefix = generated[1]
            names[name] = f"{prefix}/{counts[prefix]}"  # no name of the user's: Keras forbids the slash
            counts[prefix] += 1
    return names


def _snake_case(class_name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _canonical(node: Any, names: dict[str, str], refers: bool = False) -> Any:
    if isinstance(node, str):
        return names.get(node, node) if refers else node
    if isinstance(node, list):
        return [_canonical(item, names, refers) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        names.get(key, key) if refers else key: _canonical(
            item, names, refers or key in _REFERENCES or (key == "name" and isinstance(item, str))
        )
        for key, item in node.items()
        if key != "shared_object_id"  # an address in memory
    }


def _arrays(weights: Any) -> list[tuple[Any, ...]]:
    """Path, data type, shape, attributes and digest of every array, in the order of their paths."""
    rows: list[tuple[Any, ...]] = []
    # Before the first step an optimizer may or may not have its variables already.
    leave_out = "optimizer/" if _never_stepped(weights) else None

    def visit(path: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and not (leave_out and path.startswith(leave_out)):
            array = np.ascontiguousarray(node[()])
            attributes = sorted((name, str(item)) for name, item in node.attrs.items())
            rows.append((path, str(node.dtype), node.shape, attributes, digest_bytes(array.tobytes()).hash))

    weights.visititems(visit)
    return sorted(rows)
