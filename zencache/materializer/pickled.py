"""Any value as a pickle, for steps that ask for it by name."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zencache.digest import Digest, HashingFile
from zencache.materializer.contract import BaseMaterializer, reading, writing

_FILE = "value.pkl"
_PROTOCOL = 5  # fixed: the highest protocol changes with Python, and the bytes with it


class PickleMaterializer(BaseMaterializer):
    """Saves what has no materializer of its own, as a pickle.

    **Loading a pickle runs code that the file names.** Use it only with an artifact store that you
    trust as you trust your own code. A pickle may also fail to load under another version of the
    package that defines the type, and equal values need not have equal bytes, which costs reruns.
    No type is pickled unless a step asks for it::

        @step(materializers=PickleMaterializer)
        def fit(X: np.ndarray) -> LogisticRegression: ...
    """

    runs_code = True

    def save(self, value: Any, directory: Path) -> Mapping[str, Digest]:
        with (directory / _FILE).open("wb") as file, writing(value):
            sink = HashingFile(file)
            pickle.Pickler(sink, protocol=_PROTOCOL).dump(value)
        return {_FILE: sink.digest}

    def load(self, directory: Path, type: type) -> Any:
        path = directory / _FILE
        with reading(path), path.open("rb") as file:
            return pickle.load(file)
