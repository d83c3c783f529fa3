"""JSON values: what is exact, what is refused, and where."""

from __future__ import annotations

import collections
import enum
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zencache.exceptions import MaterializerError
from zencache.materializer.json_value import JsonMaterializer, dumps, loads

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.sampled_from(["$set", "$tuple", "$", "\ud83d\ude00", 10**40])
)
keys = st.recursive(
    leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$set", "$dict", "$tuple", "a"]), inner, max_size=2)
        | st.sets(keys, max_size=3)
    ),
    max_leaves=12,
)


@given(values)
def test_everything_comes_back_exactly(value):
    text = dumps(value)
    assert dumps(loads(text)) == text
    assert _shape(loads(text)) == _shape(value)


def _shape(value):
    """The value with its types; NaN equals itself, and sets are compared without order."""
    if isinstance(value, (list, tuple)):
        return type(value), [_shape(item) for item in value]
    if isinstance(value, dict):
        return dict, [(_shape(key), _shape(item)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(_shape(item)) for item in value)
    return type(value), repr(value)


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, 2, 3, np.float64(1)]}, 'value["a"][3]'),
        ([np.zeros(1)], "value[0]"),
        ([{"x": (object(),)}], 'value[0]["x"][0]'),
        ([collections.OrderedDict()], "value[0]"),
        ([collections.namedtuple("Pair", "a")(1)], "value[0]"),
        ({Colour.RED: 1}, "value[<Colour.RED: 1>]"),
        ({1: bytearray()}, "value[1]"),
        (collections.Counter(), "value"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_anything_else_is_refused_and_its_place_named(value, where, tmp_path):
    with pytest.raises(MaterializerError) as caught:
        JsonMaterializer().save(value, tmp_path)
    assert caught.value.facts["at"].replace("'", '"') == where
    assert ":" in caught.value.facts["type"]
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_contains_itself_is_refused(tmp_path):
    value: dict = {"a": []}
    value["a"].append(value)
    with pytest.raises(MaterializerError, match="contains itself"):
        JsonMaterializer().save(value, tmp_path)


def test_the_same_object_twice_is_no_cycle():
    shared = [1]
    assert loads(dumps([shared, shared])) == [[1], [1]]


def nested(wrap, levels):
    value = ()
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: (v,), lambda v: {1: v}], ids=["list", "tuple", "dict"]
)
def test_what_is_not_too_deep_to_save_is_not_too_deep_to_load(wrap):
    text = dumps(nested(wrap, 149))
    assert dumps(loads(text)) == text
    with pytest.raises(MaterializerError, match="too deeply"):
        dumps(nested(wrap, 150))
    with pytest.raises(MaterializerError, match="too deeply"):
        dumps(nested(wrap, 50_000))


def test_a_deep_foreign_file_is_an_error_of_ours(tmp_path):
    (tmp_path / "value.json").write_text("[" * 100_000 + "]" * 100_000 + "\n")
    with pytest.raises(MaterializerError):
        JsonMaterializer().load(tmp_path, list)


@pytest.mark.parametrize(
    "text",
    [
        '{"$odd":1}\n',
        '{"$set":[[]]}\n',
        '{"$int":"x"}\n',
        "NaN\n",
        "1",
        '{"$bytes":"?"}\n',
        "1" * 5000 + "\n",
    ],
)
def test_a_foreign_file_is_an_error_of_ours(text, tmp_path):
    (tmp_path / "value.json").write_text(text)
    with pytest.raises(MaterializerError):
        JsonMaterializer().load(tmp_path, dict)


def test_equal_sets_have_equal_bytes_in_every_process():
    code = "from zencache.materializer.json_value import dumps; print(dumps({str(i) for i in range(99)}))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_the_file_is_compact_json(tmp_path):
    JsonMaterializer().save({"é": [1, 2.5, None], "n": math.inf}, tmp_path)
    assert (tmp_path / "value.json").read_bytes() == '{"é":[1,2.5,null],"n":{"$float":"inf"}}\n'.encode()
