"""Which files have changed since their modules were imported.

Running code says nothing of the text of its classes, so that text is taken from the file. It must be the
text that was imported: the state of each of the user's files is noted when a step is declared, which is
while or just after the modules it uses are imported.
"""

from __future__ import annotations

import os
import sys
import threading

from zencache.fingerprint.ownership import is_user_code

_State = tuple[int, int, int, int]

_noted: dict[str, _State] = {}
_modules: set[str] = set()
_lock = threading.Lock()


def observe() -> None:
    """Note the state of the files of the user's modules that were imported since the last time."""
    if len(sys.modules) == len(_modules):
        return
    with _lock:
        for name in sys.modules.keys() - _modules:
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and is_user_code(module):
                state = _state(file)
                if state is not None:
                    _noted.setdefault(file, state)
        _modules.clear()
        _modules.update(sys.modules)


def has_changed(file: str) -> bool:
    """Whether a file is another than when it was imported, as far as that was noted."""
    noted = _noted.get(file)
    return noted is not None and _state(file) != noted


def was_observed(file: str) -> bool:
    """Whether the state of a file was noted, so that :func:`has_changed` can tell."""
    return file in _noted


def unobserve(file: str) -> None:
    """A module is about to be imported anew: the state that its file has then is the one that counts."""
    with _lock:
        _noted.pop(file, None)
        _modules.clear()


def _state(file: str) -> _State | None:
    try:
        stat = os.stat(file)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
