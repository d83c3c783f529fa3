"""Pickles, for those who ask."""

from __future__ import annotations

import pickletools
import threading

import pytest

from zencache.exceptions import MaterializerError
from zencache.materializer import PickleMaterializer


def test_the_protocol_does_not_follow_the_version_of_python(tmp_path):
    PickleMaterializer().save({"a": 1}, tmp_path)
    opcode, protocol, _ = next(pickletools.genops((tmp_path / "value.pkl").read_bytes()))
    assert (opcode.name, protocol) == ("PROTO", 5)


@pytest.mark.parametrize("make", [threading.Lock, lambda: lambda: 1], ids=["lock", "lambda"])
def test_what_cannot_be_pickled_is_an_error_of_ours(make, tmp_path):
    with pytest.raises(MaterializerError, match="cannot be saved"):
        PickleMaterializer().save(make(), tmp_path)


def test_it_is_for_no_type_by_itself():
    assert PickleMaterializer.types == ()
