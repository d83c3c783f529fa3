"""Where a project keeps its metadata and its artifacts, and who says so."""

import os
import re
from pathlib import Path

import pytest

from zencache import ConfigurationError, MetadataStoreError, NotFoundError, Repository, Run, pipeline, step


@step
def importer() -> int:
    return 1


@pipeline
def importing():
    importer()


def places(repo: Repository) -> tuple[str, str]:
    return repo.metadata_url, repo.artifacts_url


def run_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    return importing().run()


@pytest.fixture
def empty(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nothing marks as a project, in one that is."""
    folder = project / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write_settings(folder: Path, **settings: object) -> None:
    lines = [f"{key} = {value!r}" for key, value in settings.items()]
    (folder / "pyproject.toml").write_text("\n".join(["[tool.zencache]", *lines, ""]))


class TestByDefault:
    def test_both_lie_in_the_folder_of_the_project(self, project):
        run = importing().run()
        assert places(Repository()) == (
            f"sqlite:///{project}/.zencache/metadata.db",
            f"{project}/.zencache/artifacts",
        )
        assert (project / ".zencache" / "metadata.db").is_file()
        assert Path(run.steps["importer"].output.uri).is_relative_to(project / ".zencache" / "artifacts")

    def test_git_is_told_to_ignore_them(self, project):
        importing().run()
        assert (project / ".zencache" / ".gitignore").read_text() == "*\n"

    def test_a_gitignore_of_ones_own_is_kept(self, project):
        folder = project / ".zencache"
        folder.mkdir()
        (folder / ".gitignore").write_text("metadata.db\n")
        importing().run()
        assert (folder / ".gitignore").read_text() == "metadata.db\n"

    @pytest.mark.parametrize("marker", [".zencache", "pyproject.toml", ".git"])
    def test_the_project_is_the_nearest_folder_above_with_a_marker(self, project, monkeypatch, marker):
        inner = project / "inner"
        deep = inner / "a" / "b"
        deep.mkdir(parents=True)
        place = inner / marker
        place.touch() if marker == "pyproject.toml" else place.mkdir()
        run_in(deep, monkeypatch)
        assert (inner / ".zencache" / "metadata.db").is_file()
        assert not (project / ".zencache").exists()
        assert not (deep / ".zencache").exists()

    def test_a_git_worktree_is_a_project_too(self, empty, monkeypatch):
        (empty / ".git").write_text("gitdir: elsewhere\n")
        run_in(empty, monkeypatch)
        assert (empty / ".zencache" / "metadata.db").is_file()

    def test_without_a_marker_the_project_is_the_working_directory(self, project, empty, monkeypatch):
        for folder in (project, *project.parents):
            if any((folder / marker).exists() for marker in (".git", ".zencache")):
                pytest.skip(f"{folder} is a project")
        (project / "pyproject.toml").unlink()
        run_in(empty, monkeypatch)
        assert (empty / ".zencache" / "metadata.db").is_file()

    def test_the_cache_is_the_same_from_every_folder_of_the_project(self, project, empty, monkeypatch):
        assert run_in(project, monkeypatch).steps["importer"].status == "completed"
        assert run_in(empty, monkeypatch).steps["importer"].is_cached

    @pytest.mark.parametrize("name", ["with space", "größe", "a#b", "a?b=c", "a%20b", "it's", "~tilde"])
    def test_a_project_may_lie_in_a_folder_of_any_name(self, project, monkeypatch, name):
        folder = project / name
        (folder / ".git").mkdir(parents=True)
        first = run_in(folder, monkeypatch)
        assert (folder / ".zencache" / "metadata.db").is_file()
        assert first.steps["importer"].output.read() == 1
        assert run_in(folder, monkeypatch).steps["importer"].is_cached

    def test_looking_makes_nothing_but_an_empty_store(self, project):
        repo = Repository()
        assert repo.get_runs() == []
        with pytest.raises(NotFoundError):
            repo.get_run("one")


class TestARepository:
    def test_of_a_folder_is_that_project(self, project, empty):
        repo = Repository(empty)
        assert repo.root == empty
        importing().run(repository=repo)
        assert (empty / ".zencache" / "metadata.db").is_file()
        assert Repository(str(empty)).get_runs()[-1].status == "completed"

    def test_of_a_relative_folder_stays_there_when_the_working_directory_changes(
        self, project, empty, monkeypatch
    ):
        monkeypatch.chdir(project)
        repo = Repository("empty")
        monkeypatch.chdir("/")
        importing().run(repository=repo)
        assert (empty / ".zencache" / "metadata.db").is_file()

    def test_with_stores_beside_the_folder_of_the_project_leaves_that_alone(self, project):
        Repository(metadata=project / ".zencache-2" / "mlmd.db", artifacts=project / ".zencache-2" / "a")
        assert not (project / ".zencache").exists()

    def test_of_a_folder_that_does_not_exist_is_an_error(self, project):
        with pytest.raises(ConfigurationError, match="nowhere"):
            Repository(project / "nowhere")

    def test_of_a_file_is_an_error(self, project):
        with pytest.raises(ConfigurationError, match="not a folder"):
            Repository(project / "pyproject.toml")

    def test_takes_both_stores_as_paths(self, project):
        repo = Repository(metadata=project / "m" / "mlmd.db", artifacts=project / "a")
        importing().run(repository=repo)
        assert (project / "m" / "mlmd.db").is_file()
        assert any((project / "a").iterdir())
        assert not (project / ".zencache").exists()

    def test_goes_before_the_environment_and_that_before_the_settings(self, project, monkeypatch):
        write_settings(project, metadata="settings.db", artifacts="settings")
        assert places(Repository()) == (f"sqlite:///{project}/settings.db", f"{project}/settings")
        monkeypatch.setenv("ZENCACHE_METADATA", str(project / "environment.db"))
        monkeypatch.setenv("ZENCACHE_ARTIFACTS", str(project / "environment"))
        assert places(Repository()) == (f"sqlite:///{project}/environment.db", f"{project}/environment")
        given = Repository(metadata=str(project / "given.db"), artifacts=str(project / "given"))
        assert places(given) == (f"sqlite:///{project}/given.db", f"{project}/given")

    def test_each_of_the_two_is_decided_alone(self, project, monkeypatch):
        write_settings(project, metadata="settings.db")
        monkeypatch.setenv("ZENCACHE_ARTIFACTS", str(project / "environment"))
        assert places(Repository()) == (f"sqlite:///{project}/settings.db", f"{project}/environment")


class TestTheEnvironment:
    def test_names_both_stores(self, project, monkeypatch):
        monkeypatch.setenv("ZENCACHE_METADATA", f"sqlite:///{project}/there/mlmd.db")
        monkeypatch.setenv("ZENCACHE_ARTIFACTS", f"file://{project}/there/objects")
        run = importing().run()
        assert (project / "there" / "mlmd.db").is_file()
        assert run.steps["importer"].output.read() == 1
        assert any((project / "there" / "objects").iterdir())
        assert not (project / ".zencache").exists()

    def test_that_is_empty_says_nothing(self, project, monkeypatch):
        monkeypatch.setenv("ZENCACHE_METADATA", "")
        monkeypatch.setenv("ZENCACHE_ARTIFACTS", "")
        importing().run()
        assert (project / ".zencache" / "metadata.db").is_file()

    def test_names_a_path_relative_to_the_working_directory(self, project, empty, monkeypatch):
        monkeypatch.setenv("ZENCACHE_METADATA", "sqlite:///relative.db")
        monkeypatch.setenv("ZENCACHE_ARTIFACTS", "objects")
        importing().run()
        assert (empty / "relative.db").is_file()
        assert (empty / "objects").is_dir()

    def test_may_ask_for_memory(self, project, monkeypatch):
        monkeypatch.setenv("ZENCACHE_METADATA", "memory://")
        monkeypatch.setenv("ZENCACHE_ARTIFACTS", "memory://test_settings")
        repo = Repository()
        assert importing().run(repository=repo).steps["importer"].status == "completed"
        assert importing().run(repository=repo).steps["importer"].is_cached
        assert os.listdir(project) == ["pyproject.toml"]


class TestTheProjectFile:
    def test_names_both_stores_relative_to_itself(self, project, empty):
        write_settings(project, metadata="stores/mlmd.db", artifacts="stores/objects")
        importing().run()
        assert (project / "stores" / "mlmd.db").is_file()
        assert (project / "stores" / "objects").is_dir()
        assert not (project / ".zencache").exists()
        assert list(empty.iterdir()) == []

    @pytest.mark.parametrize("url", ["sqlite:///stores/mlmd.db", "sqlite:///{project}/stores/mlmd.db"])
    def test_names_metadata_by_a_relative_or_an_absolute_url(self, project, empty, url):
        write_settings(project, metadata=url.replace("{project}", str(project)))
        importing().run()
        assert (project / "stores" / "mlmd.db").is_file()

    def test_names_artifacts_by_an_absolute_url(self, project, empty):
        write_settings(project, artifacts=f"file://{project}/objects")
        importing().run()
        assert (project / "objects").is_dir()

    def test_without_a_table_for_zencache_says_nothing(self, project):
        (project / "pyproject.toml").write_text('[tool.other]\nname = "zencache"\n')
        importing().run()
        assert (project / ".zencache" / "metadata.db").is_file()

    def test_of_another_project_above_is_not_read(self, project, empty):
        write_settings(project, metadata="above.db")
        (empty / "pyproject.toml").write_text("")
        importing().run()
        assert (empty / ".zencache" / "metadata.db").is_file()
        assert not (project / "above.db").exists()

    def test_with_a_mistyped_setting_offers_the_nearest(self, project):
        write_settings(project, metdata="mlmd.db")
        with pytest.raises(ConfigurationError, match="Did you mean `metadata`") as error:
            Repository()
        assert f"{project}/pyproject.toml" in str(error.value)

    def test_with_a_setting_that_is_no_text_is_an_error(self, project):
        write_settings(project, artifacts=3)
        with pytest.raises(ConfigurationError, match="artifacts = 3"):
            Repository()

    def test_that_is_no_toml_is_an_error_that_names_it(self, project):
        (project / "pyproject.toml").write_text("[tool.zencache\n")
        with pytest.raises(ConfigurationError, match=re.escape(f"{project}/pyproject.toml")):
            Repository()

    @pytest.mark.parametrize(
        "text",
        [
            "[tool]\nzencache = 3\n",
            "tool = 'zencache'\n",
        ],
    )
    def test_in_which_zencache_is_no_table_is_an_error_that_names_it(self, project, text):
        (project / "pyproject.toml").write_text(text)
        with pytest.raises(ConfigurationError, match=re.escape(f"{project}/pyproject.toml")):
            Repository()


class TestWrongPlaces:
    @pytest.mark.parametrize("url", ["oracle://host/db", "sqlite://", "sqlite:///", "sqlite://metadata.db"])
    def test_a_metadata_url_that_is_not_understood_is_an_error_that_shows_it(self, project, url):
        with pytest.raises(ConfigurationError, match=re.escape(url)):
            Repository(metadata=url)

    def test_an_artifact_url_that_is_not_understood_is_an_error_that_shows_it(self, project):
        with pytest.raises(ConfigurationError, match="nosuch://bucket"):
            Repository(artifacts="nosuch://bucket")

    def test_a_file_as_artifact_store_is_an_error(self, project):
        with pytest.raises(ConfigurationError, match="not a folder"):
            Repository(artifacts=project / "pyproject.toml")

    def test_a_folder_as_metadata_store_is_an_error_that_names_it(self, project):
        (project / "folder").mkdir()
        with pytest.raises(MetadataStoreError, match="folder"):
            Repository(metadata=project / "folder").get_runs()

    def test_a_file_where_the_folder_of_the_project_belongs_is_an_error(self, project):
        (project / ".zencache").write_text("in the way")
        with pytest.raises(ConfigurationError, match=re.escape(".zencache")):
            Repository()


def test_a_relative_artifact_store_is_that_of_the_working_directory_of_now(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        repository = Repository(metadata="m.db", artifacts="root")
        assert repository.artifacts_url == str(tmp_path / name / "root")


def test_a_mistyped_option_of_a_repository_offers_the_nearest(project):
    with pytest.raises(ConfigurationError, match="`Repository` has no option `metdata`") as error:
        Repository(metdata="metadata.db")
    assert error.value.hint == "Did you mean `metadata`?"
    assert list(project.iterdir()) == [project / "pyproject.toml"]


@pytest.mark.parametrize("wrong", ["s3:/bucket/cache", Path("s3://bucket/cache"), "sqlite:/metadata.db", 3])
@pytest.mark.parametrize("setting", ["metadata", "artifacts"])
def test_a_url_that_lost_a_slash_is_not_taken_for_a_path(project, setting, wrong):
    with pytest.raises(ConfigurationError, match=f"`{setting}` is wrong") as error:
        Repository(**{setting: wrong})
    assert "a URL with `://`" in error.value.facts["expected"]
    assert list(project.iterdir()) == [project / "pyproject.toml"]
