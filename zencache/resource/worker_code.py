"""User code on its way to Beam's workers, which need not be able to import the modules that it is in."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from types import ModuleType

from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from zencache.fingerprint import is_user_code

_IN_PROCESS = frozenset({"FnApiRunner", "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner"})
_lock = threading.Lock()
_on_their_way: Counter[str] = Counter()  # module -> how many pipelines are being sent


@contextlib.contextmanager
def sent_along(options: PipelineOptions) -> Iterator[None]:
    """Inside of the block, functions and classes of the user's modules are pickled by value.

    Beam sends what is defined in ``__main__`` or a notebook so, and expects workers to import anything
    else. It is left to that when the pipeline runs in this process, or when the options say what is
    installed on the workers (``--setup_file``, ``--extra_package``, ``--sdk_container_image``).
    """
    names = [] if _is_in_process(options) or _are_prepared(options) else _user_modules()
    with _lock:
        _on_their_way.update(names)
        for name in names:
            cloudpickle.register_pickle_by_value(sys.modules[name])
    try:
        yield
    finally:
        with _lock:
            _on_their_way.subtract(names)
            for name in names:
                if not _on_their_way[name]:
                    del _on_their_way[name]
                    cloudpickle._PICKLE_BY_VALUE_MODULES.discard(name)  # also if the module is gone by now


def _is_in_process(options: PipelineOptions) -> bool:
    runner = str(options.view_as(StandardOptions).runner).rpartition(".")[2]
    return runner in _IN_PROCESS and options.view_as(DirectOptions).direct_running_mode != "multi_processing"


def _are_prepared(options: PipelineOptions) -> bool:
    setup = options.view_as(SetupOptions)
    container = options.view_as(WorkerOptions).sdk_container_image
    return bool(setup.setup_file or setup.extra_packages or container)


def _user_modules() -> list[str]:
    return [
        name
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and module.__name__ == name != "__main__" and is_user_code(module)
    ]
