"""The notebook of lineage runs from its first cell to its last, and prints what it shows."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples" / "lineage" / "lineage.ipynb"


@pytest.fixture(scope="module")
def shown():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq.*")
def test_the_notebook_prints_what_it_shows(project, shown):
    run = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(project)}}
    nbclient.NotebookClient(run, timeout=100, kernel_name="python3", resources=resources).execute()
    assert list(map(printed, run.cells)) == list(map(printed, shown.cells))
    assert list(map(kinds, run.cells)) == list(map(kinds, shown.cells))


def printed(cell):
    return "".join(output.text for output in cell.get("outputs", []) if output.get("name") == "stdout")


def kinds(cell):
    return [sorted(output.data) for output in cell.get("outputs", []) if "data" in output]


def test_the_notebook_shows_pictures_and_no_paths(shown):
    pictures = [data for cell in shown.cells for data in kinds(cell)]
    assert pictures == [["text/html", "text/plain"]] * 5
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert "/tmp/" not in text
    assert "<script" not in text
