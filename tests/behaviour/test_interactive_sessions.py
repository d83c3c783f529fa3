"""Steps that are typed: in cells of a real IPython kernel, at a Python prompt, and behind ``python -c``."""

import os
import pty
import select
import subprocess
import sys
import textwrap
import time

import pytest

DEFINITIONS = """
from zencache import pipeline, step

def helper(x):
    return x * 3

@step
def work(x: int) -> int:
    return helper(x)

@pipeline
def flow():
    work(2)
"""
RUN = "view = flow().run().steps['work']; print(view.status, view.output.read())"


@pytest.fixture
def execute(project, monkeypatch):
    """``execute(*cells)`` runs cells one after the other in one new kernel; what each printed, less logs."""
    import nbclient
    import nbformat

    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(project / "jupyter"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # two edits may be made within one second

    def execute(*cells):
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells]
        resources = {"metadata": {"path": str(project)}}
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
        return [
            "".join(output.text for output in cell.outputs if output.get("name") == "stdout").strip()
            for cell in notebook.cells
        ]

    return execute


class TestKernel:
    def test_a_helper_that_is_edited_in_a_later_cell_counts(self, execute):
        printed = execute(DEFINITIONS, RUN, RUN, "def helper(x):\n    return x * 4", RUN, RUN)
        assert printed[1:] == ["completed 6", "cached 6", "", "completed 8", "cached 8"]

    def test_a_cell_that_is_executed_again_unchanged_is_the_same_code(self, execute):
        printed = execute(DEFINITIONS, RUN, DEFINITIONS, RUN, "# a comment\n" + DEFINITIONS, RUN)
        assert [line for line in printed if line] == ["completed 6", "cached 6", "cached 6"]

    @pytest.mark.slow
    def test_another_kernel_takes_over_what_the_first_one_made(self, execute):
        assert execute(DEFINITIONS, RUN)[-1] == "completed 6"
        helper, rest = "def helper(x):\n    return x * 3", DEFINITIONS.replace("return x * 3", "return 0")
        assert execute("import json", rest, helper, RUN)[-1] == "cached 6"

    def test_an_edited_class_and_constant_count(self, execute):
        definitions = DEFINITIONS.replace("x * 3", "x * Plain.n + N")
        one, two = ("class Plain:\n    n = 3", "class Plain:\n    n = 4")
        printed = execute(one, "N = 0", definitions, RUN, one, RUN, two, RUN, "N = 1", RUN, one, "N = 0", RUN)
        assert [line for line in printed if line] == [
            "completed 6",
            "cached 6",
            "completed 8",
            "completed 9",
            "cached 6",
        ]

    @pytest.mark.slow
    def test_a_script_that_is_run_in_the_notebook_counts_as_it_is_each_time(self, execute):
        printed = execute(
            f"%%writefile script.py\n{DEFINITIONS}",
            "%run script.py",
            RUN,
            "%run script.py",
            RUN,
            "!sed -i 's/x \\* 3/x * 5/' script.py",
            "%run script.py",
            RUN,
            RUN,
        )
        said = [line for line in printed if line.startswith(("completed", "cached"))]
        assert said == ["completed 6", "cached 6", "completed 10", "cached 10"]

    @pytest.mark.slow
    @pytest.mark.parametrize("imported", ["import helpers", "from helpers import helper"])
    def test_a_module_that_autoreload_loads_anew_counts(self, execute, imported):
        called = "helpers.helper(x)" if imported == "import helpers" else "helper(x)"
        definitions = DEFINITIONS.replace("def helper(x):\n    return x * 3\n", imported)
        write = "open('helpers.py', 'w').write('def helper(x):\\n    return x * {}\\n');"
        printed = execute(
            "%load_ext autoreload\n%autoreload 2",
            write.format(3),
            definitions.replace("helper(x)", called, 1),
            RUN,
            RUN,
            "import time; time.sleep(1.1)\n" + write.format(15),  # autoreload looks at times of seconds
            RUN,
            RUN,
        )
        said = [line for line in printed if line.startswith(("completed", "cached"))]
        assert said == ["completed 6", "cached 6", "completed 30", "cached 30"]

    @pytest.mark.slow
    def test_why_names_the_helper(self, execute):
        printed = execute(
            DEFINITIONS, RUN, "def helper(x):\n    return x * 4", "print(flow().run().steps['work'].why())"
        )
        assert "code: __main__.helper" in printed[-1].splitlines()[-1]

    @pytest.mark.slow
    def test_a_kernel_and_a_script_share_a_result(self, execute, run_script):
        assert execute(DEFINITIONS, RUN)[-1] == "completed 6"
        assert run_script(DEFINITIONS + RUN).stdout.strip() == "cached 6"


def prompt_lines():
    """What a person types: each block ends with an empty line."""
    helper = ["def helper(x):", "    return x * 3", ""]
    edited = ["def helper(x):", "    return x * 4", ""]
    rest = ["@step", "def work(x: int) -> int:", "    return helper(x)", ""]
    wired = ["@pipeline", "def flow():", "    work(2)", ""]
    return [
        "from zencache import pipeline, step",
        *helper,
        *rest,
        *wired,
        RUN,
        RUN,
        *edited,
        RUN,
        RUN,
        *helper,
        RUN,
    ]


EXPECTED = ["completed 6", "cached 6", "completed 8", "cached 8", "cached 6"]


def said(printed):
    """The lines that the session printed, not those that were typed or logged."""
    lines = [
        line.replace("\r", "").removeprefix(">>> ").removeprefix("... ") for line in printed.splitlines()
    ]
    return [line for line in lines if line.startswith(("completed ", "cached "))]


class TestPrompt:
    def test_what_is_typed_at_a_prompt_that_is_read_from_a_pipe(self, project):
        done = subprocess.run(
            [sys.executable, "-i", "-q"],
            input="\n".join(prompt_lines()) + "\n",
            capture_output=True,
            text=True,
            cwd=project,
            timeout=100,
        )
        assert said(done.stdout) == EXPECTED, done.stderr

    def test_what_is_typed_at_a_terminal(self, project):
        controller, terminal = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "PYTHON_BASIC_REPL": "1"}
        with subprocess.Popen(
            [sys.executable, "-i", "-q"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.DEVNULL,
            cwd=project,
            env=environment,
        ) as process:
            os.close(terminal)
            printed = b""
            try:
                os.write(controller, ("\n".join([*prompt_lines(), "print('the', 'end')"]) + "\n").encode())
                deadline = time.monotonic() + 60
                while b"the end" not in printed and time.monotonic() < deadline:
                    if select.select([controller], [], [], 1)[0]:
                        printed += os.read(controller, 4096)
            finally:
                process.kill()
                os.close(controller)
        assert said(printed.decode()) == EXPECTED

    def test_a_command_line(self, project):
        def run(text):
            command = [sys.executable, "-c", text + RUN]
            return subprocess.run(
                command, capture_output=True, text=True, timeout=100, check=True
            ).stdout.strip()

        assert run(DEFINITIONS) == "completed 6"
        assert run("# a comment\n" + DEFINITIONS) == "cached 6"
        assert run(DEFINITIONS.replace("x * 3", "x * 4")) == "completed 8"
        assert run(DEFINITIONS) == "cached 6"

    def test_a_program_that_is_read_from_a_pipe(self, project):
        def run(text):
            done = subprocess.run(
                [sys.executable, "-"], input=text + RUN, capture_output=True, text=True, timeout=100
            )
            return done.stdout.strip()

        assert run(DEFINITIONS) == "completed 6"
        assert run(DEFINITIONS) == "cached 6"
        assert run(DEFINITIONS.replace("x * 3", "x * 4")) == "completed 8"
