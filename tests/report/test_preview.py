"""What an artifact looks like, and that looking runs nobody's code."""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from zencache import PickleMaterializer, Repository, pipeline, step
from zencache.report.preview import preview_of


@pytest.fixture
def preview(project):
    """``preview(value)``: the preview of a value that a step returned."""
    repository = Repository()

    def preview(value: Any, **options: Any) -> dict[str, Any]:
        @step(enable_cache=False, **options)
        def make() -> Any:
            return value

        @pipeline
        def making():
            make()

        artifact = making().run().steps["make"].output.artifact
        found = preview_of(repository, artifact)
        json.dumps(found, allow_nan=False)
        return found

    return preview


def pixels_of(url: str) -> np.ndarray:
    """Decode an unfiltered RGBA picture."""
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT") + 4
    size = struct.unpack(">I", data[start - 8 : start - 4])[0]
    rows = np.frombuffer(zlib.decompress(data[start : start + size]), np.uint8).reshape(height, 1 + 4 * width)
    return rows[:, 1:].reshape(height, width, 4)


def test_an_array_has_shape_numbers_and_a_histogram(preview):
    found = preview(np.array([[1.0, 2.0, 2.0], [4.0, np.nan, np.inf]]))
    assert (found["shape"], found["dtype"], found["not_finite"]) == ([2, 3], "float64", 2)
    assert found["numbers"]["max"] == 4.0
    assert found["numbers"]["mean"] == 2.25
    assert sum(found["histogram"]["counts"]) == 4


def test_few_different_whole_numbers_have_a_bar_each(preview):
    found = preview(np.array([0, 1, 1, 9] * 100, np.uint8))
    assert found["histogram"]["counts"] == [100, 200, 0, 0, 0, 0, 0, 0, 0, 100]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)),
        np.array(7),
        np.array(["a", "b"]),
        np.array([1 + 2j]),
        np.full(5, np.nan),
        np.full(5, 3.0),
        np.array([1e308, -1e308]),
        np.array([2**63 - 1, -(2**63)], np.int64),
        np.array([True, False]),
        np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.asfortranarray(np.arange(90_000.0).reshape(300, 300)),
        np.zeros((1, 1, 1, 1, 1)),
        np.float32(1.5),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_any_array_has_a_preview(preview, array):
    found = preview(array)
    assert found["kind"] == "array"
    assert found["shape"] == list(array.shape)


def test_a_large_array_is_sampled_all_over(preview):
    array = np.zeros(3_000_000, np.float32)
    array[-1000:] = 9
    found = preview(array)
    assert found["sampled"] == 1_000_000
    assert found["numbers"]["max"] == 9


@pytest.mark.parametrize("scale", [1, 255])
def test_an_array_of_pictures_is_a_sheet_of_them(preview, scale):
    array = np.zeros((100, 16, 20), np.uint8)
    array[1, 3, 5] = 255
    found = preview(array if scale == 255 else array.astype(np.float32) / 255)["pictures"]
    assert (found["shown"], found["of"]) == (48, 100)
    sheet = pixels_of(found["png"])
    assert sheet.shape == (4 * 18 - 2, 12 * 22 - 2, 4)
    bright = np.argwhere(sheet[..., 0] == 255)
    assert bright.tolist() == [[3, 22 + 5]]


@pytest.mark.parametrize(
    ("shape", "dtype", "is_picture"),
    [
        ((40, 60, 3), np.uint8, True),
        ((5, 32, 32, 1), np.uint8, True),
        ((30, 30), np.uint8, True),
        ((30, 30), np.float64, False),
        ((10, 4, 4), np.uint8, False),
        ((10, 8, 500), np.uint8, False),
        ((6, 20, 20, 5), np.uint8, False),
    ],
)
def test_only_what_looks_like_pictures_is_drawn(preview, shape, dtype, is_picture):
    assert bool(preview(np.ones(shape, dtype))["pictures"]) is is_picture


@pytest.mark.parametrize("kind", ["frame", "arrow", "series", "ipc"])
def test_a_table_has_its_head(preview, kind):
    frame = pd.DataFrame({"n": range(100), "text": ["<b>"] * 100})
    value = {
        "frame": frame,
        "arrow": pa.table({"n": list(range(100)), "text": ["<b>"] * 100}),
        "series": frame["n"],
        "ipc": pa.table(
            {"n": pa.array([(1, 2)] * 100, pa.month_day_nano_interval()) if False else [1] * 100}
        ),
    }[kind]
    found = preview(value)
    assert found["kind"] == "table"
    assert found["rows"] == 100
    assert len(found["head"]) == 20
    assert found["head"][0][0] in ("0", "1")


def test_a_wide_table_with_long_cells_is_cut(preview):
    found = preview(pd.DataFrame({f"c{i}": ["x" * 1000] for i in range(70)}))
    assert (len(found["columns"]), found["more_columns"]) == (40, 30)
    assert len(found["head"][0][0]) == 80


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, 2]}, '"a"'),
        ("text with </script>", "text with </script>"),
        ([], "[]"),
        ("lone surrogate \ud800", "lone surrogate"),
        ({"n": float("nan")}, "nan"),
    ],
)
def test_text_and_json_have_their_beginning(preview, value, shown):
    found = preview(value)
    assert found["kind"] == "text"
    assert shown in found["text"]


def test_a_number_is_told_as_one(preview):
    assert preview(0.25)["number"] == 0.25
    assert preview(7)["number"] == 7
    assert preview(2**70)["kind"] == "text"
    assert preview(True)["kind"] == "text"
    assert preview(float("inf"))["kind"] == "text"


def test_a_long_text_is_cut(preview):
    found = preview("x" * 1_000_000)
    assert found["is_cut"]
    assert len(found["text"]) == 8000


def test_a_folder_shows_its_files_and_the_first_picture(preview, project):
    from zencache.report.png import png_of

    folder = project / "plots"
    folder.mkdir()
    (folder / "notes.txt").write_text("hello")
    (folder / "loss.png").write_bytes(png_of(np.zeros((4, 4, 3), np.uint8)))
    found = preview(folder)
    assert [Path(file["path"]).name for file in found["files"]] == ["loss.png", "notes.txt"]
    assert found["picture"].startswith("data:image/png;base64,")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def test_a_pickle_is_never_loaded(preview, project):
    found = preview(Bomb(), materializers=PickleMaterializer)
    assert found["kind"] == "files"
    assert not (project / "exploded").exists()


def test_what_is_not_a_file_of_its_materializer_is_told_in_words(preview, project, monkeypatch):
    import zencache.report.preview as module

    def broken(directory: Path) -> dict[str, Any]:
        raise ValueError("no such thing")

    monkeypatch.setitem(module._PREVIEWS, "json_value:JsonMaterializer", broken)
    found = preview([1])
    assert found["kind"] == "none"
    assert "no such thing" in found["reason"]


def test_bytes_that_are_gone_are_told_and_the_lineage_stays(own_scoring):
    from zencache.report.answers import Answers

    artifact = own_scoring.get_run("first").steps["clean"].output
    manifest = Path(own_scoring.artifacts_url, *Path(artifact.uri).parts[-3:], "manifest.json")
    manifest.unlink()
    answers = Answers(own_scoring)
    assert answers.preview(artifact.id)["state"] == "gone"
    told = answers.artifact(artifact.id)
    assert [row["step"] for row in told["upstream"]] == ["load"]
    assert {row["step"] for row in told["downstream"]} == {"train"}


def test_an_object_that_is_too_large_is_not_opened(own_scoring):
    artifact = own_scoring.get_run("first").steps["load"].outputs["images"].artifact
    assert preview_of(own_scoring, artifact, largest=100)["state"] == "large"


def test_a_link_in_the_store_is_not_followed(own_scoring, tmp_path):
    artifact = own_scoring.get_run("first").steps["publish"].output
    folder = Path(own_scoring.artifacts_url, *Path(artifact.uri).parts[-3:])
    secret = tmp_path / "secret.txt"
    secret.write_text("published")  # the same bytes, so that the digest is right
    (file,) = (folder / "payload").iterdir()
    folder.chmod(0o755)
    file.unlink()
    file.symlink_to(secret)
    found = preview_of(own_scoring, artifact.artifact)
    assert found["kind"] == "none"
