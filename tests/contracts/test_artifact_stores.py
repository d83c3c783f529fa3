"""What every artifact store does, run on every kind of them."""

import os
import time

import pytest
from artifact_kinds import KINDS, url_of

from zencache.artifact_store import open_artifact_store
from zencache.artifact_store.manifest import Manifest, address
from zencache.digest import Digest, digest_bytes
from zencache.exceptions import ArtifactDamaged, ArtifactMissing


@pytest.fixture(params=KINDS)
def url(request, tmp_path, monkeypatch):
    return url_of(request.param, tmp_path, monkeypatch)


@pytest.fixture
def store(url):
    return open_artifact_store(url)


def publish(store, files, known=None):
    with store.stage() as directory:
        for path, payload in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(payload)
        return store.publish(directory, known)


def payload_files(directory):
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


FILES = {"a.bin": b"first", "deep/er/b.bin": b"second" * 100, "empty": b""}


@pytest.fixture
def overwrite(url):
    """``overwrite(stored, path, payload)`` changes a file of an object behind the store's back."""
    import fsspec

    def overwrite(stored, path, payload):
        filesystem, root = fsspec.core.url_to_fs(url)
        file = f"{root}/{address(stored.digest)}/{path}"
        if payload is None:
            filesystem.rm_file(file)
            return
        if "://" not in url:
            os.chmod(file, 0o644)
        filesystem.pipe_file(file, payload)

    return overwrite


def test_what_is_published_is_opened_again_byte_for_byte(store):
    stored = publish(store, FILES)
    assert payload_files(store.open(stored.digest)) == FILES
    store.verify(stored.digest)
    assert stored.digest.size == sum(map(len, FILES.values()))


def test_equal_bytes_are_one_object_and_other_bytes_another(store):
    assert publish(store, FILES) == publish(store, dict(reversed(FILES.items())))
    assert publish(store, FILES) != publish(store, {**FILES, "a.bin": b"First"})
    assert publish(store, FILES) != publish(store, {"renamed": b"first", **FILES})


def test_an_object_without_files_can_be_kept(store):
    stored = publish(store, {})
    assert payload_files(store.open(stored.digest)) == {}


def test_digests_that_were_made_while_writing_are_taken(store):
    known = {path: digest_bytes(payload) for path, payload in FILES.items()}
    assert publish(store, FILES, known) == publish(store, FILES)


def test_a_wrong_digest_made_while_writing_is_found_when_the_bytes_are_read(store, url):
    stored = publish(store, {"a": b"abc"}, {"a": digest_bytes(b"xyz")})
    with pytest.raises(ArtifactDamaged):
        open_artifact_store(url).open(stored.digest)


def test_an_object_that_never_was_is_missing(store):
    with pytest.raises(ArtifactMissing, match="missing"):
        store.verify(Digest("blake3:" + "0" * 64, 3))
    with pytest.raises(ArtifactMissing):
        store.open(Digest("blake3:" + "0" * 64, 3))


@pytest.mark.parametrize("path", ["payload/a.bin", "manifest.json"])
def test_a_lost_file_makes_the_object_missing(store, path, overwrite):
    stored = publish(store, FILES)
    overwrite(stored, path, None)
    with pytest.raises(ArtifactMissing, match=path.rpartition("/")[2]):
        store.verify(stored.digest)


def test_a_file_of_another_size_is_found_without_reading(store, overwrite):
    stored = publish(store, FILES)
    overwrite(stored, "payload/a.bin", b"firs")
    with pytest.raises(ArtifactDamaged, match="4 bytes, expected 5"):
        store.verify(stored.digest)


def test_flipped_bytes_of_the_same_size_are_found_when_opened(store, url, overwrite):
    stored = publish(store, FILES)
    store.open(stored.digest)
    overwrite(stored, "payload/a.bin", b"fIrst")
    with pytest.raises(ArtifactDamaged, match=r"a\.bin has digest"):
        open_artifact_store(url).open(stored.digest)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b"null", b'{"files": {"../../x": [1, "blake3:00"]}}', b'{"files": {"a": "b"}}'],
)
def test_a_damaged_manifest_is_damage_never_a_crash(store, manifest, overwrite):
    stored = publish(store, FILES)
    overwrite(stored, "manifest.json", manifest)
    with pytest.raises(ArtifactDamaged, match="manifest"):
        store.verify(stored.digest)


@pytest.mark.parametrize(
    ("path", "payload"), [("payload/a.bin", b"fIrst"), ("manifest.json", b"{}"), ("payload/a.bin", None)]
)
def test_publishing_again_mends_what_is_damaged(store, path, payload, overwrite):
    stored = publish(store, FILES)
    overwrite(stored, path, payload)
    assert publish(store, FILES) == stored
    assert payload_files(store.open(stored.digest)) == FILES


def test_what_is_set_aside_is_missing_and_its_bytes_are_kept(store):
    stored = publish(store, FILES)
    store.set_aside(stored.digest)
    with pytest.raises(ArtifactMissing):
        store.verify(stored.digest)
    assert len(store.names("damaged")) == 1


def test_a_staging_folder_is_gone_when_its_block_ends(store):
    with store.stage() as directory:
        (directory / "half").write_text("written")
    assert not directory.exists()
    assert store.names("objects") == []


def test_records_are_kept_under_their_digest(store):
    reference = store.write_record("ä" * 3000)
    assert store.write_record("ä" * 3000) == reference
    assert store.read_record(reference) == "ä" * 3000
    assert store.names("objects") == []


def test_a_lost_or_damaged_record_says_so(store):
    reference = store.write_record("text")
    path = f"records/{reference.partition(':')[2][:2]}/{reference.partition(':')[2]}.txt"
    store.write_file(path, b"other")
    with pytest.raises(ArtifactDamaged, match="record is damaged"):
        store.read_record(reference)
    store.remove(path)
    with pytest.raises(ArtifactMissing, match="record is missing"):
        store.read_record(reference)


def test_small_files_can_be_written_read_listed_and_removed(store):
    store.write_file("staging/x/one", b"1")
    store.write_file("staging/x/two", b"2")
    assert store.read_file("staging/x/one") == b"1"
    assert store.names("staging/x") == ["one", "two"]
    store.remove("staging/x")
    store.remove("staging/x")
    assert store.names("staging/x") == []
    with pytest.raises(FileNotFoundError):
        store.read_file("staging/x/one")


def test_a_moved_store_still_has_its_objects(tmp_path):
    store = open_artifact_store(str(tmp_path / "here"))
    stored = publish(store, FILES)
    (tmp_path / "here").rename(tmp_path / "there")
    assert payload_files(open_artifact_store(str(tmp_path / "there")).open(stored.digest)) == FILES


def test_objects_of_a_local_store_are_read_only(tmp_path):
    stored = publish(open_artifact_store(str(tmp_path)), FILES)
    for path in (tmp_path / "objects").rglob("*.bin"):
        assert path.stat().st_mode & 0o222 == 0
    assert str(tmp_path) in stored.uri


def test_files_and_folders_have_times_and_what_is_not_there_has_none(store):
    before = time.time() - 60
    target = address(publish(store, FILES).digest)
    for path in (target, f"{target}/manifest.json", f"{target}/payload/deep"):
        assert store.changed(path) > before, path
    assert store.changed(f"{target}/nothing") == 0.0
    assert store.changed("nowhere") == 0.0


def test_a_manifest_that_promises_more_than_anybody_has_is_damage_at_once(store):
    manifest = Manifest.of({"a.bin": Digest("blake3:" + "0" * 64, 10**15)})
    target = address(manifest.digest)
    store.write_file(f"{target}/payload/a.bin", b"short")
    store.write_file(f"{target}/manifest.json", manifest.dump())
    for use in (store.verify, store.open):
        with pytest.raises(ArtifactDamaged):
            use(manifest.digest)
