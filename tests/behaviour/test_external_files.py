"""Files outside of the artifact store as inputs: their content counts; they are read no more than needed."""
# ruff: noqa: UP007, UP045  # Optional and Union are meant: users write them

import logging
import os
import time
import types
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Optional, Union

import fsspec
import pytest

import zencache.fingerprint.file as file_fingerprints
from zencache import (
    ArtifactMissing,
    CachePolicy,
    ConfigurationError,
    DeclarationError,
    ExternalFile,
    NotFoundError,
    Repository,
    StepFailed,
    ZencacheError,
    pipeline,
    step,
)
from zencache.verification import verify

pytestmark = pytest.mark.usefixtures("project")


@step
def texts(paths: list[Path]) -> list[str]:
    return [path.read_text() for path in paths]


@pipeline
def reading(url):
    texts(ExternalFile(url))


def status(url) -> str:
    return reading(url).run().steps["texts"].status


def result(url):
    return reading(url).run().steps["texts"].output.read()


@pytest.fixture
def read_files(monkeypatch):
    """The names of the files that were read for their fingerprints, in order."""
    real, names = file_fingerprints.digest_file, []

    def counted(path):
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(file_fingerprints, "digest_file", counted)
    return names


@pytest.fixture
def settled(monkeypatch):
    """Files look as if they had been written a while ago; younger ones are read each time, to be safe."""
    clock = types.SimpleNamespace(time_ns=lambda: time.time_ns() + 60 * 10**9)
    monkeypatch.setattr(file_fingerprints, "time", clock)


@pytest.fixture
def bucket():
    """The address of an empty folder in memory, as far away as a test can go."""
    name = uuid.uuid4().hex
    yield f"memory://{name}"
    filesystem = fsspec.filesystem("memory")
    if filesystem.exists(name):
        filesystem.rm(name, recursive=True)


def put(url: str, content: bytes) -> None:
    with fsspec.open(url, "wb") as file:
        file.write(content)


class TestWhatTheStepReceives:
    @pytest.mark.parametrize(
        ("annotation", "expected"),
        [
            (str, "a.csv"),
            (Path, Path("a.csv")),
            (list, ["a.csv"]),
            (list[str], ["a.csv"]),
            (list[Path], [Path("a.csv")]),
            (Sequence[str], ["a.csv"]),
            (Any, ["a.csv"]),
            (str | None, "a.csv"),
            (Path | None, Path("a.csv")),
            (Optional[str], "a.csv"),
            (Optional[Path], Path("a.csv")),
            (Union[None, Path, int], Path("a.csv")),
            (list | None, ["a.csv"]),
            (list[str] | None, ["a.csv"]),
            (Optional[list[Path]], [Path("a.csv")]),
            (str | list[str], "a.csv"),
            (list[str] | str, ["a.csv"]),
            (Annotated[Path, "data"], Path("a.csv")),
            (Annotated[str | None, "data"], "a.csv"),
        ],
        ids=str,
    )
    def test_a_path_or_a_list_of_them_as_its_parameter_is_annotated(self, project, annotation, expected):
        (project / "a.csv").write_text("1")
        received = []

        def read(files) -> int:
            received.append(files)
            return 1

        read.__annotations__["files"] = annotation

        @pipeline
        def files():
            step(read)(ExternalFile("a.csv"))

        files().run()
        (given,) = received
        several = isinstance(expected, list)
        absolute = [type(item)(project / item) for item in (expected if several else [expected])]
        assert given == (absolute if several else absolute[0])
        assert type(given) is type(expected)

    def test_several_files_of_a_glob_sorted(self, project):
        for name in ("b.csv", "a.csv", "c.txt"):
            (project / name).write_text(name)
        assert result("*.csv") == ["a.csv", "b.csv"]

    def test_files_of_folders_below_with_two_stars(self, project):
        (project / "data" / "deep").mkdir(parents=True)
        (project / "data" / "a.csv").write_text("a")
        (project / "data" / "deep" / "b.csv").write_text("b")
        assert result("data/**/*.csv") == ["a", "b"]

    def test_a_folder_is_one_path(self, project):
        (project / "data").mkdir()
        (project / "data" / "a.csv").write_text("1")

        @step
        def count(folder: Path) -> int:
            return len(list(folder.iterdir()))

        @pipeline
        def counting():
            count(ExternalFile("data"))

        assert counting().run().steps["count"].output.read() == 1
        (project / "data" / "b.csv").write_text("1")
        assert counting().run().steps["count"].output.read() == 2
        assert counting().run().steps["count"].is_cached

    def test_an_absolute_path_a_path_object_and_one_of_the_home_folder(self, project, monkeypatch):
        (project / "a.csv").write_text("1")
        monkeypatch.setenv("HOME", str(project))
        for url in (str(project / "a.csv"), Path("a.csv"), "~/a.csv", (project / "a.csv").as_uri()):
            assert result(url) == ["1"]

    def test_a_file_can_be_given_when_the_step_is_configured(self, project):
        (project / "a.csv").write_text("1")

        @pipeline
        def slot(reader):
            reader()

        run = slot(texts(paths=ExternalFile("a.csv"))).run()
        assert run.steps["reader"].output.read() == ["1"]

    def test_one_of_the_list_where_the_annotation_takes_both_and_several_are_there(self, project):
        for name in ("a.csv", "b.csv"):
            (project / name).write_text(name)

        @step
        def read(files: Path | list[Path] | None = None) -> list[str]:
            return [path.name for path in files]

        @pipeline
        def files():
            read(ExternalFile("*.csv"))

        assert files().run().steps["read"].output.read() == ["a.csv", "b.csv"]

    def test_none_where_an_optional_file_is_not_given(self, project):
        (project / "a.csv").write_text("1")

        @step
        def read(path: "str | None" = None) -> str:
            return "nothing" if path is None else Path(path).read_text()

        @pipeline
        def files(source):
            read(source) if source else read()

        for source, expected in ((None, "nothing"), (ExternalFile("a.csv"), "1"), (None, "nothing")):
            assert files(source).run().steps["read"].output.read() == expected
        assert files(None).run().steps["read"].is_cached

    @pytest.mark.parametrize(
        "annotation",
        [int, dict, list[int], bytes, None, int | None, set[str], list[str | None], os.PathLike[str]],
    )
    def test_another_annotation_is_an_error_when_the_pipeline_is_bound(self, annotation):
        def read(files) -> int:
            return 1

        read.__annotations__["files"] = annotation

        @pipeline
        def files():
            step(read)(ExternalFile("a.csv"))

        with pytest.raises(DeclarationError, match="does not fit the annotation") as raised:
            files()
        assert raised.value.facts["parameter"] == "files"

    def test_a_list_of_external_files_is_tracked_or_refused(self, project):
        @step
        def count(files: list) -> int:
            return len(files)

        @pipeline
        def counting():
            count([ExternalFile("a.csv")])

        (project / "a.csv").write_text("1")
        try:
            counting().run()
        except DeclarationError:
            return
        (project / "a.csv").write_text("2")
        assert counting().run().steps["count"].status == "completed"

    def test_a_default_that_is_an_external_file_is_tracked(self, project):
        @step
        def read(path: str = ExternalFile("a.csv")) -> str:
            return Path(path).read_text()

        @pipeline
        def default():
            read()

        (project / "a.csv").write_text("1")
        assert default().run().steps["read"].output.read() == "1"

    def test_a_file_whose_name_has_brackets_is_found(self, project):
        (project / "a[1].csv").write_text("1")
        assert result("a[1].csv") == ["1"]


class TestContent:
    def test_counts_and_the_time_of_writing_does_not(self, project):
        file = project / "a.csv"
        file.write_text("1")
        assert status("a.csv") == "completed"
        assert status("a.csv") == "cached"
        os.utime(file, (1, 1))
        assert status("a.csv") == "cached"
        file.write_text("2")
        assert result("a.csv") == ["2"]

    def test_of_the_same_size_and_time_is_other_content(self, project, settled):
        file = project / "a.csv"
        file.write_text("1")
        status("a.csv")
        before = file.stat()
        file.write_text("2")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert result("a.csv") == ["2"]

    def test_of_a_file_that_another_one_took_the_place_of_counts(self, project, settled):
        (project / "a.csv").write_text("1")
        status("a.csv")
        (project / "new.csv").write_text("2")
        (project / "new.csv").replace(project / "a.csv")
        assert result("a.csv") == ["2"]

    def test_of_a_link_is_that_of_what_it_leads_to(self, project):
        (project / "one.csv").write_text("1")
        (project / "two.csv").write_text("2")
        (project / "a.csv").symlink_to("one.csv")
        assert result("a.csv") == ["1"]
        (project / "a.csv").unlink()
        (project / "a.csv").symlink_to("two.csv")
        assert result("a.csv") == ["2"]

    def test_counts_and_where_a_file_lies_does_not(self, project):
        (project / "elsewhere").mkdir()
        for name in ("a.csv", "elsewhere/b.csv"):
            (project / name).write_text("1")
        assert status("a.csv") == "completed"
        assert status("elsewhere/b.csv") == "cached"

    def test_of_a_glob_counts_with_the_names_below_it(self, project):
        for folder in ("one", "two", "three"):
            (project / folder).mkdir()
        (project / "one" / "a.csv").write_text("1")
        (project / "two" / "a.csv").write_text("1")
        (project / "three" / "b.csv").write_text("1")
        assert status("one/*.csv") == "completed"
        assert status("two/*.csv") == "cached"
        assert status("three/*.csv") == "completed"
        (project / "two" / "c.csv").write_text("")
        assert status("two/*.csv") == "completed"

    def test_that_changes_while_the_file_is_read_is_read_again(self, project, monkeypatch):
        file, real = project / "a.csv", file_fingerprints.digest_file
        file.write_text("1")
        left = [2]

        def digest_and_change(path):
            found = real(path)
            if left[0]:
                left[0] -= 1
                file.write_text(file.read_text() + "1")
            return found

        monkeypatch.setattr(file_fingerprints, "digest_file", digest_and_change)
        assert result("a.csv") == ["111"]
        assert status("a.csv") == "cached"

    def test_that_keeps_changing_is_an_error_that_names_the_file(self, project, monkeypatch):
        file, real = project / "a.csv", file_fingerprints.digest_file
        file.write_text("1")

        def digest_and_change(path):
            found = real(path)
            file.write_text(file.read_text() + "1")
            return found

        monkeypatch.setattr(file_fingerprints, "digest_file", digest_and_change)
        with pytest.raises(StepFailed, match="keeps changing") as raised:
            status("a.csv")
        error = raised.value.failures["texts"]
        assert isinstance(error, ConfigurationError)
        assert error.facts["file"] == str(file)

    def test_of_an_ignored_input_does_not_count_and_is_recorded(self, project):
        @step(cache_policy=CachePolicy(ignored_inputs="path"))
        def read(path: str) -> str:
            return uuid.uuid4().hex

        @pipeline
        def ignoring():
            read(ExternalFile("a.csv"))

        (project / "a.csv").write_text("1")
        first = ignoring().run().steps["read"].inputs["path"]
        (project / "a.csv").write_text("2")
        view = ignoring().run().steps["read"]
        assert view.is_cached
        assert view.inputs["path"].type == "ExternalFile"
        assert view.inputs["path"].digest != first.digest


class TestRemembered:
    def test_an_unchanged_file_is_not_read_again(self, project, read_files, settled):
        (project / "a.csv").write_text("1")
        status("a.csv")
        assert read_files == ["a.csv"]
        for _ in range(3):
            status("a.csv")
        assert read_files == ["a.csv"]

    def test_only_the_file_that_changed_is_read_again(self, project, read_files, settled):
        for name in ("a.csv", "b.csv", "c.csv"):
            (project / name).write_text("1")
        status("*.csv")
        (project / "b.csv").write_text("22")
        status("*.csv")
        assert read_files == ["a.csv", "b.csv", "c.csv", "b.csv"]

    def test_a_file_that_was_written_just_now_is_read_again(self, project, read_files):
        (project / "a.csv").write_text("1")
        status("a.csv")
        before = len(read_files)
        status("a.csv")
        assert len(read_files) > before

    def test_two_steps_of_a_run_that_take_one_file_read_it_once(self, project, read_files, settled):
        @pipeline
        def twice():
            texts(ExternalFile("a.csv"))
            texts(ExternalFile("*.csv"))

        (project / "a.csv").write_text("1")
        twice().run()
        assert read_files == ["a.csv"]

    def test_a_plan_reads_and_does_not_remember(self, project, read_files, settled):
        (project / "a.csv").write_text("1")
        reading("a.csv").plan()
        assert not (project / ".zencache" / "files.json").exists()

    def test_what_is_remembered_is_kept_between_processes(self, run_script, project):
        (project / "a.csv").write_text("1")
        source = """
            import time, types
            import zencache.fingerprint.file as files
            from zencache import ExternalFile, pipeline, step

            real, read = files.digest_file, []
            files.digest_file = lambda path: read.append(path.name) or real(path)
            files.time = types.SimpleNamespace(time_ns=lambda: time.time_ns() + 60 * 10**9)

            @step
            def length(path: str) -> int:
                return len(open(path).read())

            @pipeline
            def measuring():
                length(ExternalFile("a.csv"))

            print(measuring().run().steps["length"].status, read)
            """
        source = source.replace("len(open(path).read())", "len(path)")
        assert run_script(source).stdout.strip() == "completed ['a.csv']"
        assert run_script(source).stdout.strip() == "cached []"

    @pytest.mark.parametrize(
        "damage",
        [
            "",
            "no json",
            '{"PATH": [1, 2, 3, 4, "x"]}',
            '{"PATH": 1}',
            "[]",
        ],
    )
    def test_a_damaged_memory_is_as_good_as_none(self, project, damage, settled):
        (project / "a.csv").write_text("1")
        status("a.csv")
        memory = project / ".zencache" / "files.json"
        assert str(project / "a.csv") in memory.read_text()
        memory.write_text(damage.replace("PATH", str(project / "a.csv")))
        assert status("a.csv") == "cached"


class TestNothingThere:
    @pytest.mark.parametrize("url", ["nowhere.csv", "*.csv", "nowhere/*.csv", "~/nowhere.csv"])
    def test_a_file_that_is_missing_and_a_glob_that_matches_nothing_fail_the_step(self, url):
        with pytest.raises(StepFailed, match="is not there") as raised:
            status(url)
        error = raised.value.failures["texts"]
        assert isinstance(error, NotFoundError)
        assert error.facts["file"] == url
        assert "working directory" in error.facts

    def test_a_link_that_leads_nowhere_is_missing(self, project):
        (project / "a.csv").symlink_to("nowhere.csv")
        with pytest.raises(StepFailed, match="is not there"):
            status("a.csv")

    def test_a_plan_says_it_too(self):
        with pytest.raises(NotFoundError, match="is not there"):
            reading("nowhere.csv").plan()

    @pytest.mark.parametrize("what", ["a pipe", "a device", "a link in a glob that leads nowhere"])
    def test_what_is_neither_a_file_nor_a_folder_fails_the_step_and_is_not_read(self, project, what):
        if what == "a pipe":
            os.mkfifo("a.csv")
        elif what == "a device":
            (project / "a.csv").symlink_to("/dev/zero")
        else:
            (project / "a.csv").symlink_to("nowhere.csv")
        with pytest.raises(StepFailed, match="neither a file nor a folder") as raised:
            status("*.csv" if "glob" in what else "a.csv")
        assert raised.value.failures["texts"].facts["path"] == str(project / "a.csv")

    def test_once_the_file_is_there_the_step_runs(self, project):
        with pytest.raises(StepFailed):
            status("a.csv")
        (project / "a.csv").write_text("1")
        assert result("a.csv") == ["1"]

    @pytest.mark.parametrize("annotation", [str, Path, str | None, Optional[Path], str | Path])
    def test_several_files_for_one_path_are_an_error_that_says_how_many(self, project, annotation):
        def read(path) -> int:
            return 1

        read.__annotations__["path"] = annotation

        @pipeline
        def files():
            step(read)(ExternalFile("*.csv"))

        for name in ("a.csv", "b.csv"):
            (project / name).write_text("1")
        with pytest.raises(StepFailed, match="several files") as raised:
            files().run()
        error = raised.value.failures["read"]
        assert error.facts["files"] == 2
        assert "list[" in error.hint

    @pytest.mark.parametrize("wrong", ["", "  ", 3, None, ["a.csv"]])
    def test_what_names_no_file_is_an_error_at_once(self, wrong):
        with pytest.raises(ConfigurationError, match="names a path, a glob or a URL"):
            ExternalFile(wrong)

    def test_a_file_that_may_not_be_read_fails_the_step(self, project, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        (project / "a.csv").write_text("1")
        monkeypatch.setattr(file_fingerprints, "digest_file", refuse)
        with pytest.raises(StepFailed) as raised:
            status("a.csv")
        assert isinstance(raised.value.failures["texts"], ZencacheError)


class TestRemote:
    @pytest.fixture
    def remote(self):
        @step
        def fetch(urls: list[str]) -> list[str]:
            return [fsspec.open(url, "rt").open().read() for url in urls]

        @pipeline
        def fetching(url):
            fetch(ExternalFile(url))

        return lambda url: fetching(url).run().steps["fetch"]

    def test_the_step_receives_urls_that_it_can_open(self, remote, bucket):
        put(f"{bucket}/b.csv", b"2")
        put(f"{bucket}/a.csv", b"1")
        put(f"{bucket}/c.txt", b"3")
        assert remote(f"{bucket}/*.csv").output.read() == ["1", "2"]
        assert remote(f"{bucket}/a.csv").output.read() == ["1"]

    def test_the_content_counts(self, remote, bucket):
        put(f"{bucket}/a.csv", b"1")
        assert remote(f"{bucket}/a.csv").status == "completed"
        assert remote(f"{bucket}/a.csv").status == "cached"
        put(f"{bucket}/a.csv", b"1")
        assert remote(f"{bucket}/a.csv").status == "cached"
        put(f"{bucket}/a.csv", b"2")
        assert remote(f"{bucket}/a.csv").output.read() == ["2"]

    def test_what_the_store_says_of_the_content_is_enough(self, remote, bucket, monkeypatch):
        from fsspec.implementations.memory import MemoryFileSystem

        real, etag = MemoryFileSystem.info, ["one"]
        monkeypatch.setattr(
            MemoryFileSystem, "info", lambda self, *args, **kw: {**real(self, *args, **kw), "ETag": etag[0]}
        )
        put(f"{bucket}/a.csv", b"1")
        remote(f"{bucket}/a.csv")
        put(f"{bucket}/a.csv", b"2")
        assert remote(f"{bucket}/a.csv").status == "cached"
        etag[0] = "two"
        assert remote(f"{bucket}/a.csv").output.read() == ["2"]

    def test_a_remote_file_dependency_counts_by_its_content(self, bucket):
        @step(cache_policy=CachePolicy(file_dependencies=f"{bucket}/*.csv"))
        def draw() -> str:
            return uuid.uuid4().hex

        @pipeline
        def drawing():
            draw()

        put(f"{bucket}/a.csv", b"1")
        assert drawing().run().steps["draw"].status == "completed"
        assert drawing().run().steps["draw"].status == "cached"
        put(f"{bucket}/b.csv", b"1")
        assert drawing().run().steps["draw"].status == "completed"

    @pytest.mark.parametrize("name", ["nowhere.csv", "*.csv"])
    def test_a_missing_file_and_a_glob_that_matches_nothing_fail_the_step(self, remote, bucket, name):
        with pytest.raises(StepFailed, match="is not there") as raised:
            remote(f"{bucket}/{name}")
        assert isinstance(raised.value.failures["fetch"], NotFoundError)
        assert "working directory" not in raised.value.failures["fetch"].facts

    def test_a_protocol_that_there_is_not_is_an_error_that_names_the_url(self, remote):
        with pytest.raises(StepFailed, match="nope://") as raised:
            remote("nope://bucket/a.csv")
        assert isinstance(raised.value.failures["fetch"], ConfigurationError)

    def test_a_folder_counts_with_all_that_is_in_it(self, remote, bucket):
        @step
        def count(folder: str) -> int:
            return len(fsspec.filesystem("memory").ls(folder))

        @pipeline
        def counting():
            count(ExternalFile(f"{bucket}/data"))

        put(f"{bucket}/data/a.csv", b"1")
        assert counting().run().steps["count"].output.read() == 1


class TestLineage:
    def test_it_is_an_input_artifact_of_type_external_file_with_its_uri(self, project):
        (project / "a.csv").write_text("12345")
        view = reading("a.csv").run().steps["texts"]
        artifact = view.inputs["paths"]
        assert list(view.inputs) == ["paths"]
        assert artifact.type == "ExternalFile"
        assert artifact.uri == str(project / "a.csv")
        assert artifact.size == 5
        assert artifact.digest.startswith("sha256:")
        assert artifact.producer_step is None
        assert view.parameters == {}

    def test_of_a_url_is_recorded_as_it_was_written(self, bucket):
        put(f"{bucket}/a.csv", b"1")

        @step
        def count(files: list) -> int:
            return len(files)

        @pipeline
        def counting():
            count(ExternalFile(f"{bucket}/*.csv"))

        assert counting().run().steps["count"].inputs["files"].uri == f"{bucket}/*.csv"

    def test_the_same_content_is_one_artifact_and_other_content_another(self, project):
        (project / "a.csv").write_text("1")
        reading("a.csv").run()
        cached = reading("a.csv").run().steps["texts"]
        assert cached.is_cached
        assert cached.inputs["paths"].type == "ExternalFile"
        assert len(Repository().artifacts(type="ExternalFile")) == 1
        (project / "a.csv").write_text("2")
        reading("a.csv").run()
        found = Repository().artifacts(type="ExternalFile")
        assert len({artifact.digest for artifact in found}) == len(found) == 2
        assert {artifact.uri for artifact in found} == {str(project / "a.csv")}

    def test_its_bytes_are_not_copied_into_the_artifact_store(self, project):
        (project / "a.csv").write_text("not to be copied")

        @step
        def size(path: str) -> int:
            return 1

        @pipeline
        def sizing():
            size(ExternalFile("a.csv"))

        sizing().run()
        files = [path for path in (project / ".zencache" / "artifacts").rglob("*") if path.is_file()]
        assert not any(b"not to be copied" in path.read_bytes() for path in files)

    def test_reading_it_does_not_say_that_it_is_missing(self, project):
        (project / "a.csv").write_text("1")
        artifact = reading("a.csv").run().steps["texts"].inputs["paths"]
        try:
            artifact.read()
        except ArtifactMissing:
            raise
        except ZencacheError:
            pass
        assert {found.state for found in Repository().artifacts(type="ExternalFile")} == {"LIVE"}


class TestChangedWhileTheStepRan:
    """The key tells of other content than what the step has read, so its result is no cache entry."""

    def steps(self, bound, **options):
        return bound.run(**options).steps

    @pytest.fixture
    def reading_late(self, project):
        """A bound pipeline whose step reads ``2`` from a file that was fingerprinted as ``1``, once."""
        (project / "a.csv").write_text("1")
        counted = []

        @step(cache_policy=CachePolicy(include_code=False))
        def read(source: str) -> str:
            if not counted:
                (project / "a.csv").write_text("2")
            counted.append(source)
            return (project / "a.csv").read_text()

        @step
        def length(text: str) -> int:
            return len(text)

        @pipeline
        def late():
            length(read(ExternalFile("a.csv")))

        return late()

    def test_the_result_is_used_in_this_run_and_is_no_entry(self, project, reading_late):
        first = self.steps(reading_late)
        assert first["read"].status == "completed"
        assert first["read"].output.read() == "2"
        assert first["length"].output.read() == 1
        (project / "a.csv").write_text("1")  # the fingerprint of the run before
        second = self.steps(reading_late)
        assert second["read"].status == "completed"
        assert second["read"].output.read() == "1"
        third = self.steps(reading_late)
        assert third["read"].is_cached
        assert third["read"].output.read() == "1"

    def test_with_the_new_content_it_runs_as_well(self, reading_late):
        self.steps(reading_late)
        second = self.steps(reading_late)
        assert [view.status for view in second.values()] == ["completed", "cached"]
        assert second["read"].output.read() == "2"
        assert self.steps(reading_late)["read"].is_cached

    def test_log_and_why_say_so(self, project, reading_late, caplog):
        with caplog.at_level(logging.WARNING, logger="zencache"):
            told = self.steps(reading_late, run_name="late")["read"].why()
        said = "file a.csv changed while the step ran"
        assert f"The result of `read` is not kept for later runs: {said}." in caplog.text
        assert told.not_kept == said
        assert f"not kept for later runs: {said}" in str(told)
        (project / "a.csv").write_text("1")
        told = self.steps(reading_late)["read"].why()
        assert told.reason == f"the result of its last execution with this key was not kept: {said}"
        assert told.compared_with == "late"
        assert told.not_kept == ""

    def test_a_plan_expects_what_the_next_run_does(self, project, reading_late):
        self.steps(reading_late)
        (project / "a.csv").write_text("1")
        assert reading_late.plan()["read"].prediction == "MISS"

    def test_it_is_not_executed_again_to_be_compared(self, reading_late):
        reading_late.run(run_name="late")
        repository = Repository()
        found = {row.step: row for row in verify(repository.get_run("late"), repository=repository)}
        assert found["read"].verdict == "not executed"

    def test_two_uses_in_one_run_both_run(self, project):
        (project / "a.csv").write_text("1")
        seen = []

        @step(cache_policy=CachePolicy(include_code=False))
        def read(source: str) -> str:
            (project / "a.csv").write_text("2" if not seen else "1")
            seen.append(source)
            return "read"

        @pipeline
        def twice():
            read(ExternalFile("a.csv"))
            read(ExternalFile("a.csv"))

        assert [view.status for view in twice().run().steps.values()] == ["completed", "completed"]

    @pytest.mark.parametrize("what", ["changed", "is gone", "is new"])
    def test_a_file_that_a_policy_names_counts_as_well(self, project, what):
        (project / "data").mkdir()
        (project / "data" / "a.txt").write_text("1")
        happened = []

        def happen():
            if happened:
                return
            happened.append(what)
            if what == "is gone":
                (project / "data" / "a.txt").rename(project / "a.txt")
            else:
                (project / "data" / ("a.txt" if what == "changed" else "b.txt")).write_text("2")

        @step(cache_policy=CachePolicy(file_dependencies="data/*.txt", include_code=False))
        def read() -> list[str]:
            happen()
            return sorted(path.read_text() for path in (project / "data").iterdir())

        @pipeline
        def files():
            read()

        name = "b.txt" if what == "is new" else "a.txt"
        told = files().run().steps["read"].why()
        assert told.not_kept == f"file data/*.txt: {name} {what} while the step ran"
        if what == "is gone":
            (project / "a.txt").rename(project / "data" / "a.txt")
        assert files().run().steps["read"].status == "completed"
        assert files().run().steps["read"].is_cached

    def test_a_remote_file_counts_as_well(self, bucket):
        put(f"{bucket}/a.csv", b"1")
        happened = []

        @step(cache_policy=CachePolicy(include_code=False))
        def read(url: str) -> str:
            if not happened:
                happened.append(put(url, b"2"))
            return fsspec.open(url, "rt").open().read()

        @pipeline
        def fetching():
            read(ExternalFile(f"{bucket}/a.csv"))

        assert fetching().run().steps["read"].why().not_kept.endswith("changed while the step ran")
        put(f"{bucket}/a.csv", b"1")
        assert fetching().run().steps["read"].output.read() == "1"
        assert fetching().run().steps["read"].is_cached

    @pytest.mark.parametrize("harmless", ["touched", "written anew", "replaced"])
    def test_the_same_content_is_an_entry_whatever_its_time(self, project, harmless):
        file = project / "a.csv"
        file.write_text("1")

        def act():
            if harmless == "touched":
                os.utime(file, (1, 1))
            elif harmless == "written anew":
                file.write_text("1")
            else:
                (project / "b.csv").write_text("1")
                (project / "b.csv").replace(file)

        @step(cache_policy=CachePolicy(include_code=False))
        def read(source: str) -> str:
            act()
            return Path(source).read_text()

        @pipeline
        def files():
            read(ExternalFile("a.csv"))

        assert files().run().steps["read"].why().not_kept == ""
        assert files().run().steps["read"].is_cached

    def test_a_file_that_nobody_wrote_to_is_not_read_again(self, project, read_files, settled):
        (project / "a.csv").write_text("1")
        assert status("a.csv") == "completed"
        assert read_files == ["a.csv"]

    def test_a_step_that_goes_to_another_folder_finds_its_files_unchanged(self, project, monkeypatch):
        (project / "elsewhere").mkdir()
        (project / "a.csv").write_text("1")

        @step(cache_policy=CachePolicy(file_dependencies="*.csv", include_code=False))
        def read(source: str) -> str:
            os.chdir(project / "elsewhere")
            return Path(source).read_text()

        @pipeline
        def files():
            read(ExternalFile("a.csv"))

        repository = Repository()
        first = files().run(repository=repository).steps["read"]
        monkeypatch.chdir(project)
        assert first.why().not_kept == ""
        assert files().run(repository=repository).steps["read"].is_cached

    def test_an_input_that_does_not_count_may_change(self, project):
        (project / "a.csv").write_text("1")

        @step(cache_policy=CachePolicy(ignored_inputs="path", include_code=False))
        def append(path: str) -> int:
            with open(path, "a") as file:
                file.write("1")
            return 1

        @pipeline
        def logging_to_a_file():
            append(ExternalFile("a.csv"))

        assert logging_to_a_file().run().steps["append"].status == "completed"
        assert logging_to_a_file().run().steps["append"].is_cached

    def test_a_sampled_hit_is_not_blamed_for_it(self, project, caplog):
        (project / "a.csv").write_text("1")
        calls = []

        @step(cache_policy=CachePolicy(verify=1.0, include_code=False))
        def read(source: str) -> str:
            calls.append(source)
            if len(calls) == 2:
                (project / "a.csv").write_text("2")
            return Path(source).read_text()

        @pipeline
        def files():
            read(ExternalFile("a.csv"))

        files().run()
        with caplog.at_level(logging.WARNING, logger="zencache"):
            view = files().run().steps["read"]
        assert view.is_cached
        assert view.reason == "same key (executed again, but file a.csv changed while the step ran)"
        assert "twice" not in caplog.text


class ListedFileSystem(fsspec.AbstractFileSystem):
    """A store of which listings are remembered, as those of buckets are."""

    protocol = "listed"
    etags: ClassVar[dict[str, str]] = {}

    def ls(self, path, detail=True, **options):
        path = self._strip_protocol(path)
        if path not in self.dircache:
            self.dircache[path] = [
                {"name": name, "type": "file", "size": 1, "ETag": etag}
                for name, etag in self.etags.items()
                if name.startswith(path)
            ]
        return self.dircache[path] if detail else [entry["name"] for entry in self.dircache[path]]

    def invalidate_cache(self, path=None):
        self.dircache.clear()


def test_a_remembered_listing_of_a_remote_store_is_not_believed():
    fsspec.register_implementation("listed", ListedFileSystem, clobber=True)

    @step
    def count(urls: list[str]) -> int:
        return len(urls)

    @pipeline
    def counting():
        count(ExternalFile("listed://bucket/*.csv"))

    ListedFileSystem.etags["bucket/a.csv"] = "one"
    statuses = [counting().run().steps["count"].status for _ in range(2)]
    ListedFileSystem.etags["bucket/a.csv"] = "two"
    statuses.append(counting().run().steps["count"].status)
    assert statuses == ["completed", "cached", "completed"]
