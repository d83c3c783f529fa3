"""Cells of a notebook run on workers in other processes."""

from __future__ import annotations

import nbclient
import nbformat
import pytest

_CELLS = [
    """
import dataclasses, os
from zencache import pipeline, step

@dataclasses.dataclass
class Pair:
    a: int
    b: int = 2

def helper(number):
    return number * 2
""",
    """
@step
def make(number: int) -> Pair:
    return Pair(helper(number))

@step
def where(pair: Pair) -> list[int]:
    return [pair.a, os.getpid()]

@pipeline
def asking():
    where(make(3))
""",
    """
value, pid = asking().run(executor=1).steps["where"].output.read()
print(value, pid != os.getpid())
""",
    """
def helper(number):
    return number * 5

value, _ = asking().run(executor=1).steps["where"].output.read()
print(value, *[view.status for view in asking().run().steps.values()])
""",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq.*")
def test_what_cells_define_runs_on_workers_in_its_latest_version(project):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in _CELLS])
    resources = {"metadata": {"path": str(project)}}
    nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3", resources=resources).execute()
    printed = [
        output.text for cell in notebook.cells for output in cell.outputs if output.get("name") == "stdout"
    ]
    assert printed == ["6 True\n", "15 cached cached\n"]
