"""The layers of a Keras model, read from its archive: neither TensorFlow nor Keras is imported."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

_LAYERS = 200
_LARGEST_WEIGHTS = 256 << 20  # bytes, beyond which weights are not counted


def model_preview(directory: Path) -> dict[str, Any]:
    """The preview of a stored ``.keras`` archive (https://keras.io/api/models/model_saving_apis/)."""
    with zipfile.ZipFile(directory / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
        sizes = _sizes(archive)
    inner = config.get("config")
    listed = inner.get("layers", ()) if isinstance(inner, dict) else ()
    layers = [layer for layer in listed if isinstance(layer, dict)]
    compiled = config.get("compile_config")
    return {
        "kind": "model",
        "class": str(config.get("class_name", "")),
        "name": str(inner.get("name", "")) if isinstance(inner, dict) else "",
        "layers": _layers(layers, sizes)[:_LAYERS],
        "more_layers": max(0, len(layers) - _LAYERS),
        "parameters": sum(sizes.values()) if sizes is not None else None,
        "compiled": _compiled(compiled) if isinstance(compiled, dict) else {},
    }


def _layers(layers: list[dict[str, Any]], sizes: dict[str, int] | None) -> list[dict[str, Any]]:
    found = []
    seen: Counter[str] = Counter()
    for layer in layers:
        kind = str(layer.get("class_name", ""))
        stem = _snake_case(kind)
        key = f"{stem}_{seen[stem]}" if seen[stem] else stem  # as Keras names the groups of its weights
        config = layer.get("config")
        config = config if isinstance(config, dict) else {}
        if kind != "InputLayer":
            seen[stem] += 1
        found.append(
            {
                "name": str(config.get("name", "")),
                "class": kind,
                "shape": _shape(layer, config),
                "about": _about(config),
                "parameters": None if sizes is None else sizes.get(key, 0),
            }
        )
    return found


def _shape(layer: dict[str, Any], config: dict[str, Any]) -> str:
    """The shape of what comes in, as recorded when the layer was built."""
    build = layer.get("build_config")
    shape = config.get("batch_shape") or (build.get("input_shape") if isinstance(build, dict) else None)
    if not isinstance(shape, list):
        return ""
    return " × ".join("n" if side is None else str(side) for side in shape)


def _about(config: dict[str, Any]) -> str:
    facts = []
    for name in ("units", "filters", "kernel_size", "pool_size", "strides", "rate", "activation"):
        value = config.get(name)
        if value is not None and isinstance(value, (str, int, float, list)) and value != "linear":
            facts.append(f"{name} {value}")
    return ", ".join(facts)[:120]


def _compiled(config: dict[str, Any]) -> dict[str, str]:
    told = {}
    for name in ("optimizer", "loss", "metrics"):
        value = config.get(name)
        if isinstance(value, dict):
            value = value.get("class_name")
        if value:
            told[name] = ", ".join(map(str, value))[:120] if isinstance(value, list) else str(value)[:120]
    return told


def _sizes(archive: zipfile.ZipFile) -> dict[str, int] | None:
    """Group of weights -> number of parameters; None if they cannot be counted here."""
    try:
        import h5py
    except ImportError:
        return None
    name = "model.weights.h5"
    if name not in archive.namelist() or archive.getinfo(name).file_size > _LARGEST_WEIGHTS:
        return None
    sizes: Counter[str] = Counter()

    def visit(path: str, node: Any) -> None:
        parts = path.split("/")
        if isinstance(node, h5py.Dataset) and parts[0] != "optimizer":
            inner = parts[1:] if parts[0] in ("layers", "_layer_checkpoint_dependencies") else parts
            sizes[inner[0] if len(inner) > 1 else path] += math.prod(node.shape)

    with h5py.File(io.BytesIO(archive.read(name)), "r") as weights:
        weights.visititems(visit)
    return dict(sizes)


def _snake_case(class_name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
