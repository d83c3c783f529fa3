"""What an array looks like: shape, numbers, histogram, and pictures where it holds some."""

from __future__ import annotations

import base64
import warnings
from pathlib import Path
from typing import Any

from zencache.report.png import png_of

_SAMPLE = 1_000_000  # elements that statistics are taken of
_BINS = 32
_SHEET = (12, 4)  # pictures beside and below each other
_SIDE = (8, 1024)  # pixels, of what is taken for a picture
_TILE = 96  # pixels that a picture on the sheet may have
_ALONE = 512  # pixels that a single picture may have
_FEW = 64  # elements that are shown as they are
_LONGEST_HEADER = 1 << 20


def array_preview(directory: Path) -> dict[str, Any]:
    """The preview of a stored numpy array or scalar. Only the elements that it needs are read."""
    import numpy as np

    npy: Any = np.lib.format  # whose functions have no annotations
    file = directory / "array.npy"
    if file.stat().st_size < 1 << 16:
        with file.open("rb") as stream:
            array = npy.read_array(stream, allow_pickle=False, max_header_size=_LONGEST_HEADER)
    else:
        array = npy.open_memmap(file, mode="r", max_header_size=_LONGEST_HEADER)
    sample = _sample(array)
    told: dict[str, Any] = {
        "kind": "array",
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sampled": int(sample.size) if sample.size < array.size else None,
    }
    if array.ndim == 0 or array.size <= _FEW:
        told["values"] = np.array2string(np.asarray(array), threshold=_FEW, max_line_width=60)[:4000]
    if array.dtype.kind in "biuf" and array.size > 1:
        told.update(_numbers(sample))
    told["pictures"] = _pictures(array, sample) if array.dtype.kind in "biuf" and sample.size else None
    return told


def _sample(array: Any) -> Any:
    """At most a million elements, spread evenly; reading them touches no more of the file than that."""
    import numpy as np

    if array.ndim == 0 or array.size <= _SAMPLE:
        return np.asarray(array).reshape(-1)
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    # In a few hundred runs of neighbours, so that a mapped file is not read page by page.
    runs = 250
    starts = np.linspace(0, flat.size - _SAMPLE // runs, runs).astype(int)
    return np.concatenate([flat[start : start + _SAMPLE // runs] for start in starts])


def _numbers(sample: Any) -> dict[str, Any]:
    import numpy as np

    values = sample.astype(np.float64)
    finite = values[np.isfinite(values)]
    told: dict[str, Any] = {"not_finite": int(values.size - finite.size)}
    if not finite.size:
        return told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numbers near the end of the range overflow
        numbers = {"min": finite.min(), "max": finite.max(), "mean": finite.mean(), "std": finite.std()}
        told["numbers"] = {name: float(number) for name, number in numbers.items() if np.isfinite(number)}
        distinct = np.unique(sample) if sample.dtype.kind in "biu" else np.empty(0)
        if 1 < distinct.size <= _BINS and np.ptp(distinct.astype(np.float64)) < _BINS:
            edges = np.arange(float(distinct[0]), float(distinct[-1]) + 2) - 0.5  # one bar a value
        else:
            edges = np.linspace(finite.min(), finite.max(), _BINS + 1)
        if np.all(np.isfinite(edges)) and np.all(np.diff(edges) > 0):
            counts, _ = np.histogram(finite, edges)
            told["histogram"] = {"edges": edges.tolist(), "counts": counts.tolist()}
    return told


def _pictures(array: Any, sample: Any) -> dict[str, Any] | None:
    """The first pictures of an array of pictures, on one sheet; None if it does not look like one."""
    import numpy as np

    batch = _as_batch(array)
    if batch is None:
        return None
    low, high = float(sample.min()), float(sample.max())
    if array.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high) and low >= -1.001):
        return None
    if high > 255.5 or (array.dtype.kind != "f" and low < 0):
        return None
    scale = 255.0 if high <= 1.001 else 1.0
    tiles = np.asarray(batch[: _SHEET[0] * _SHEET[1]])
    longest = _ALONE if len(tiles) == 1 else _TILE
    step = -(-max(tiles.shape[1:3]) // longest)
    tiles = tiles[:, ::step, ::step].astype(np.float64)
    if low < 0:  # scaled to -1..1, as some networks want it
        tiles = (tiles + 1) / 2
    pixels = np.clip(tiles * scale, 0, 255).astype(np.uint8)
    return {
        "png": "data:image/png;base64," + base64.b64encode(png_of(_sheet(pixels))).decode(),
        "shown": len(tiles),
        "of": int(batch.shape[0]),
    }


def _as_batch(array: Any) -> Any:
    """The array with the shape (pictures, height, width, channels), or None if it can be none."""
    shape = array.shape
    if len(shape) == 2 and array.dtype.kind == "u" and array.dtype.itemsize == 1:
        batch = array[None, :, :, None]
    elif len(shape) == 3 and shape[2] in (3, 4) and array.dtype.kind == "u":
        batch = array[None]
    elif len(shape) == 3:
        batch = array[:, :, :, None]
    elif len(shape) == 4 and shape[3] in (1, 3, 4):
        batch = array
    else:
        return None
    _, height, width, _ = batch.shape
    fits = all(_SIDE[0] <= side <= _SIDE[1] for side in (height, width))
    return batch if fits and batch.shape[0] and max(height, width) <= 4 * min(height, width) else None


def _sheet(pixels: Any) -> Any:
    import numpy as np

    count, height, width, channels = pixels.shape
    across = min(count, _SHEET[0], max(1, 640 // (width + 2)) if count > 1 else 1)
    down = -(-count // across)
    gap = 2 if count > 1 else 0
    sheet = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap, 4), np.uint8)
    for place, tile in enumerate(pixels):
        top, left = place // across * (height + gap), place % across * (width + gap)
        target = sheet[top : top + height, left : left + width]
        target[..., :3] = tile[..., :3]  # a grey channel spreads over all three
        target[..., 3] = tile[..., 3] if channels == 4 else 255
    return sheet
