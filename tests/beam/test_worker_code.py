"""What is pickled by value for workers, and what is left to be imported there."""

import sys

import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions

from zencache.resource.worker_code import sent_along

FAR = ["--runner=PortableRunner"]


@pytest.fixture
def far_from_here(tmp_path, monkeypatch):
    """``far_from_here(flags)``: what a function of a user's module gives where that module is not."""

    def far_from_here(flags):
        (tmp_path / "zc_travelling.py").write_text("STEP = 2\n\ndef move(row):\n    return row + STEP\n")
        with monkeypatch.context() as here:
            here.syspath_prepend(tmp_path)
            import zc_travelling

            with sent_along(PipelineOptions(flags=flags)):
                sent = pickler.dumps(zc_travelling.move)
            del sys.modules["zc_travelling"]
        return pickler.loads(sent)(1)

    return far_from_here


@pytest.mark.parametrize("flags", [FAR, ["--runner=FnApiRunner", "--direct_running_mode=multi_processing"]])
def test_a_function_of_a_module_arrives(far_from_here, flags):
    assert far_from_here(flags) == 3


@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=FnApiRunner"],
        [*FAR, "--setup_file=./setup.py"],
        [*FAR, "--extra_package=mine.tar.gz"],
        [*FAR, "--sdk_container_image=mine"],
    ],
)
def test_it_is_imported_in_this_process_and_where_the_options_say_that_it_is(far_from_here, flags):
    with pytest.raises(ModuleNotFoundError, match="zc_travelling"):
        far_from_here(flags)


def test_after_the_pipeline_modules_are_pickled_as_before(far_from_here):
    far_from_here(FAR)
    with pytest.raises(ModuleNotFoundError):
        far_from_here(["--runner=FnApiRunner"])


def test_a_pipeline_that_is_sent_while_another_one_is_keeps_its_modules(far_from_here):
    with sent_along(PipelineOptions(flags=FAR)):
        assert far_from_here(FAR) == 3
        assert far_from_here(FAR) == 3
