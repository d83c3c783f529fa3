"""Real permissions, also where the tests run as root."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

# Root may open anything, because of two capabilities (capabilities(7)): without them the mode of a file
# holds for root as for anybody else. The layout is that of capset(2), version 3.
_OBEY_MODES = """
import ctypes as _c, os as _os, tempfile as _t
if _os.getuid() == 0:
    _libc = _c.CDLL(None, use_errno=True)
    _header, _sets = (_c.c_uint32 * 2)(0x20080522, 0), (_c.c_uint32 * 6)()
    assert _libc.capget(_header, _sets) == 0, "capget"
    for _i in range(3):  # effective, permitted, inheritable
        _sets[_i] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert _libc.capset(_header, _sets) == 0, "capset"
with _t.NamedTemporaryFile() as _f:
    _os.chmod(_f.name, 0)
    assert not _os.access(_f.name, _os.R_OK), "this process still reads what it may not"
"""


@pytest.fixture
def run_obeying_modes(run_script: Callable[..., Any]) -> Callable[..., Any]:
    """As ``run_script``; the modes of files and folders hold for the script, even if it runs as root."""

    def run(source: str, *args: Any, **options: Any) -> Any:
        return run_script(_OBEY_MODES + textwrap.dedent(source), *args, **options)

    return run
