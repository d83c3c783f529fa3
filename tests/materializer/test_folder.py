"""Files and folders: what is copied, what is followed, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zencache.exceptions import MaterializerError
from zencache.materializer.folder import FolderMaterializer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    return folder


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


def roundtrip(path: Path, staging: Path) -> Path:
    FolderMaterializer().save(path, staging)
    return FolderMaterializer().load(staging, type(path))


def test_a_folder_is_copied_with_its_name(source, staging):
    loaded = roundtrip(source, staging)
    assert loaded.name == "model"
    assert loaded.is_relative_to(staging)
    assert sorted(p.relative_to(loaded).as_posix() for p in loaded.rglob("*")) == [
        "a.txt",
        "sub",
        "sub/b.txt",
    ]


def test_a_file_is_told_from_a_folder_with_one_file(source, staging, tmp_path):
    assert roundtrip(source / "a.txt", staging).read_text() == "a"
    (tmp_path / "other").mkdir()
    assert roundtrip(source / "sub", tmp_path / "other").is_dir()


def test_every_file_is_hashed_while_it_is_copied(source, staging):
    digests = FolderMaterializer().save(source, staging)
    assert sorted(digests) == ["folder/model/a.txt", "folder/model/sub/b.txt"]


def test_the_copy_is_independent_of_the_original(source, staging):
    loaded = roundtrip(source, staging)
    (source / "a.txt").write_text("changed")
    assert (loaded / "a.txt").read_text() == "a"


def test_a_relative_path_has_the_name_of_what_it_leads_to(source, staging, monkeypatch):
    monkeypatch.chdir(source)
    assert roundtrip(Path(), staging).name == "model"


def test_a_name_may_be_strange(source, staging):
    (source / "é ü #?.txt").write_text("x")
    assert (roundtrip(source, staging) / "é ü #?.txt").read_text() == "x"


def test_an_empty_folder_inside_is_staged(source, staging):
    (source / "empty").mkdir()
    assert (roundtrip(source, staging) / "empty").is_dir()


def test_links_that_stay_inside_are_followed(source, staging):
    (source / "link.txt").symlink_to("a.txt")
    (source / "linked").symlink_to("sub")
    loaded = roundtrip(source, staging)
    assert (loaded / "link.txt").read_text() == "a"
    assert (loaded / "linked" / "b.txt").read_text() == "b"
    assert not (loaded / "link.txt").is_symlink()


@pytest.mark.parametrize("target", ["../outside.txt", "..", ".", "gone", "/etc/hostname"])
def test_other_links_are_refused(target, source, staging):
    (source.parent / "outside.txt").write_text("secret")
    (source / "link").symlink_to(target)
    with pytest.raises(MaterializerError, match="cannot be saved") as caught:
        FolderMaterializer().save(source, staging)
    assert caught.value.facts["path"] == source / "link"
    assert list(staging.iterdir()) == []


def test_the_path_itself_may_be_a_link(source, staging):
    (source.parent / "latest").symlink_to("model")
    loaded = roundtrip(source.parent / "latest", staging)
    assert loaded.name == "latest"
    assert (loaded / "a.txt").read_text() == "a"


def test_a_pipe_is_refused_and_never_opened(source, staging):
    os.mkfifo(source / "pipe")
    for path in (source, source / "pipe"):
        with pytest.raises(MaterializerError):
            FolderMaterializer().save(path, staging)


def test_a_path_that_does_not_exist_is_named(source, staging):
    with pytest.raises(MaterializerError, match="does not exist") as caught:
        FolderMaterializer().save(source / "gone", staging)
    assert caught.value.facts["path"] == source / "gone"


def test_a_folder_without_any_file_is_refused(staging, tmp_path):
    (tmp_path / "empty" / "empty").mkdir(parents=True)
    with pytest.raises(MaterializerError, match="holds no file"):
        FolderMaterializer().save(tmp_path / "empty", staging)


def test_a_folder_that_holds_the_staging_folder_is_refused(source, staging, tmp_path):
    with pytest.raises(MaterializerError, match="into itself"):
        FolderMaterializer().save(tmp_path, staging)


@pytest.mark.parametrize("foreign", ["other/a", "file/a/b", "folder/a", "file/a file/b"])
def test_a_foreign_folder_is_an_error_of_ours(foreign, staging):
    for name in foreign.split():
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).touch()
    with pytest.raises(MaterializerError, match="cannot be read"):
        FolderMaterializer().load(staging, Path)
