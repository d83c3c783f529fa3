"""A pipeline is found again in another process, copied, changed in one step, and reuses the others."""

import dataclasses
import json
import shutil
import textwrap
from pathlib import Path

import pytest

from zencache import DeclarationError, NotFoundError, Repository

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def run_script(run_forked):
    """Nearly every test here starts two processes or three."""
    return run_forked


STEPS = """
from zencache import BaseStepConfig, CachePolicy, ExternalFile, Output, Repository
from zencache import TrainingPipeline, pipeline, step
import numpy as np

class TrainerConfig(BaseStepConfig):
    epochs: int = 1

def half(x):
    return x / 2

@step
def importer(size: int = 3) -> Output(X=list, y=list):
    return list(range(size)), list(range(size))

@step
def normalizer(X: list) -> list:
    return [half(x) for x in X]

@step
def trainer(config: TrainerConfig, X: list, y: list) -> dict:
    return {"weight": sum(X) * config.epochs}

@step
def evaluator(model: dict) -> float:
    return float(model["weight"])
"""
RUN_A = """
training_pipeline = TrainingPipeline(name='Pipeline A')
training_pipeline.add_datasource(importer(size=5))
training_pipeline.add_preprocesser(normalizer())
training_pipeline.add_trainer(trainer(config=TrainerConfig(epochs=2)))
training_pipeline.add_evaluator(evaluator())
training_pipeline.run()
"""
COPY_TO_B = """
from zencache import Repository

repo = Repository()
pipeline_a = repo.get_pipeline_by_name('Pipeline A')
pipeline_b = pipeline_a.copy('Pipeline B')
"""
SHOW = """
print({name: s.status for name, s in run.steps.items()}, run.steps["trainer"].output.read())
"""
ALL_CACHED = (
    "{'importer': 'cached', 'normalizer': 'cached', 'trainer': 'cached', 'evaluator': 'cached'} "
    "{'weight': 20}\n"
)
NEW_TRAINER = """
from zencache import step

@step
def constant(X: list, y: list) -> dict:
    return {"weight": 7}

pipeline_b.add_trainer(constant())
run = pipeline_b.run()
print({name: s.status for name, s in run.steps.items()}, run.steps["evaluator"].output.read())
"""
REUSED = (
    "{'importer': 'cached', 'normalizer': 'cached', 'constant': 'completed', 'evaluator': 'completed'} 7.0\n"
)
INSIDE = """
def make(n):
    @step
    def inner(X: list, y: list) -> dict:
        return {"weight": n}
    return inner
"""
MAIN = "\nif __name__ == '__main__':\n"


def write(file: str, text: str) -> Path:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def guarded(text: str) -> str:
    return MAIN + textwrap.indent(text, "    ")


class TestTrainingPipelines:
    def test_every_step_above_the_changed_one_is_reused(self, run_script):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        done = run_script(COPY_TO_B + NEW_TRAINER)
        assert done.stdout == REUSED
        assert "changed" not in done.stderr

    def test_a_script_that_runs_its_pipeline_unguarded_is_imported_without_running_it(self, run_script):
        run_script(STEPS + RUN_A + "print('the end')\n")
        done = run_script(COPY_TO_B + NEW_TRAINER)
        assert done.stdout == REUSED
        assert [run.pipeline for run in Repository().get_runs()] == ["Pipeline A", "Pipeline B"]

    def test_a_script_that_guards_its_run_is_imported(self, run_script):
        run_script(STEPS + guarded(RUN_A))
        assert run_script(COPY_TO_B + NEW_TRAINER).stdout == REUSED

    def test_a_script_copies_its_own_pipeline(self, run_script):
        done = run_script(
            STEPS
            + RUN_A
            + COPY_TO_B
            + "pipeline_b.add_trainer(trainer(epochs=3))\nrun = pipeline_b.run()"
            + SHOW
        )
        assert done.stdout.startswith("{'importer': 'cached', 'normalizer': 'cached', 'trainer': 'completed'")

    def test_a_copy_of_a_copy_in_a_third_process(self, run_script):
        run_script(STEPS + RUN_A)
        run_script(COPY_TO_B + NEW_TRAINER)
        done = run_script(
            """
            from zencache import Repository
            run = Repository().get_pipeline_by_name('Pipeline B').copy('Pipeline C').run()
            print([s.status for s in run.steps.values()])
            """
        )
        assert done.stdout == "['cached', 'cached', 'cached', 'cached']\n"

    def test_configuration_is_kept(self, run_script):
        run_script(STEPS + RUN_A)
        assert run_script(COPY_TO_B + "run = pipeline_b.run()" + SHOW).stdout == ALL_CACHED

    def test_the_options_of_the_pipeline_are_kept(self, run_script):
        write("steps.py", STEPS + "def clock():\n    return 1\n")
        options = "enable_cache=True, cache_policy=CachePolicy(expires_in='7d', cache_func=clock)"
        run_script("from steps import *" + RUN_A.replace("'Pipeline A'", f"'Pipeline A', {options}"))
        assert run_script(COPY_TO_B + "run = pipeline_b.run()" + SHOW).stdout == ALL_CACHED
        definition = Repository().get_pipeline("Pipeline B").definition
        assert definition["enable_cache"] is True
        assert "clock" in definition["cache_policy"]

    def test_a_recorded_pipeline_itself_is_immutable(self, run_script):
        run_script(STEPS + RUN_A)
        pipeline_a = Repository().get_pipeline_by_name("Pipeline A")
        for change in ("add_trainer", "run", "plan", "replace"):
            with pytest.raises(DeclarationError, match=rf"immutable(.|\n)*copy\(.*\n?.*{change}"):
                getattr(pipeline_a, change)()
        assert not hasattr(pipeline_a, "nothing")

    def test_its_steps_can_be_looked_at_without_its_code(self, run_script):
        run_script(STEPS + RUN_A)
        Path("script_1.py").unlink()
        steps = Repository().get_pipeline("Pipeline A").steps
        assert list(steps) == ["importer", "normalizer", "trainer", "evaluator"]
        assert steps["trainer"].inputs == {"X": ("importer", "X"), "y": ("importer", "y")}
        assert (steps["trainer"].slot, steps["trainer"].source) == ("trainer", "__main__:trainer")

    def test_a_deployment_that_waits_for_another_slot_still_does(self, run_script):
        write("steps.py", STEPS + "@step\ndef report(rate: int = 1):\n    pass\n")
        later = "training_pipeline.add_deployment(report(rate=2).after(evaluator))\ntraining_pipeline.run()"
        run_script("from steps import *" + RUN_A.replace("training_pipeline.run()", later))
        run_script(COPY_TO_B + NEW_TRAINER)
        assert Repository().get_pipeline("Pipeline B").steps["report"].after == ("evaluator",)


FUNCTION = """
@pipeline(enable_cache=True)
def scaling(source, scaler, fitter, judge, epochs: int = 2):
    X, y = source()
    judge(fitter(scaler(X), y, epochs=epochs)).after(scaler)

scaling(importer(size=4), normalizer(), trainer(), evaluator(), epochs=3).run()
"""


class TestPipelineFunctions:
    def copied(self, run_script, more: str) -> str:
        return run_script(
            "from zencache import Repository, step\n"
            "b = Repository().get_pipeline('scaling').copy('b')\n" + textwrap.dedent(more)
        ).stdout

    def test_are_copied_with_all_that_was_said(self, run_script):
        run_script(STEPS + FUNCTION)
        printed = self.copied(run_script, "run = b.run()" + SHOW)
        assert printed.startswith("{'importer': 'cached', 'normalizer': 'cached', 'trainer': 'cached'")
        view = Repository().get_pipeline("b")
        original = Repository().get_pipeline("scaling").steps["trainer"]
        assert dataclasses.replace(view.steps["trainer"], source=original.source) == original
        assert view.steps["evaluator"].after == ("normalizer",)

    def test_take_another_step_in_a_slot(self, run_script):
        run_script(STEPS + FUNCTION)
        printed = self.copied(
            run_script,
            """
            @step
            def other(features: list, labels: list, epochs: int = 1) -> dict:
                return {"weight": epochs + 0.5}

            c = b.replace(fitter=other()).copy("c")
            print(c.name, [s.status for s in c.run().steps.values()])
            print(c.run().steps["judge"].output.read(), list(b.steps))
            """,
        )
        assert printed == (
            "c ['cached', 'cached', 'completed', 'completed']\n"
            "3.5 ['importer', 'normalizer', 'trainer', 'evaluator']\n"
        )

    def test_take_another_step_whose_outputs_are_called_differently(self, run_script):
        run_script(STEPS + FUNCTION)
        printed = self.copied(
            run_script,
            """
            from zencache import Output

            @step
            def source() -> Output(images=list, labels=list):
                return [1], [2]

            @step
            def one() -> list:
                return [1]

            print(b.replace(source=source()).run().steps["fitter"].output.read())
            try:
                b.replace(source=one()).run()
            except Exception as error:
                print(error)
            """,
        )
        assert printed.splitlines()[0] == "{'weight': 1.5}"
        assert "no output `X`" in printed
        assert "taken by: normalizer" in printed

    def test_offer_the_nearest_slot_before_anything_is_imported(self, run_script):
        run_script(STEPS + FUNCTION)
        Path("script_1.py").unlink()
        copy = Repository().get_pipeline("scaling").copy("b")
        assert repr(copy) == "<pipeline b>"
        with pytest.raises(DeclarationError, match="Did you mean `fitter`"):
            copy.replace(fiter=_a_step())
        with pytest.raises(DeclarationError, match="takes a step"):
            copy.replace(fitter=3)

    def test_that_are_wired_directly_are_copied_too(self, run_script):
        run_script(
            STEPS
            + "@pipeline\ndef direct():\n    X, y = importer(size=2)\n    normalizer(normalizer(X))\n"
            + "direct().run()"
        )
        done = run_script(
            "from zencache import Repository\n"
            "run = Repository().get_pipeline('direct').copy('b').run()\n"
            "print({name: s.status for name, s in run.steps.items()})"
        )
        assert done.stdout == "{'importer': 'cached', 'normalizer': 'cached', 'normalizer_2': 'cached'}\n"


def _a_step():
    from zencache import step

    @step
    def one() -> int:
        return 1

    return one


class TestGivenValues:
    def run_and_copy(self, run_script, declare: str, more: str = "") -> str:
        run_script(STEPS + declare)
        return run_script(
            "from zencache import Repository\n"
            f"{more}"
            "run = Repository().get_pipeline('given').copy('b').run()\n"
            "print([(s.status, s.output.read()) for s in run.steps.values()])"
        ).stdout

    @pytest.mark.parametrize("where", ["configured", "in the body"])
    def test_data_comes_back_from_its_artifact(self, run_script, where):
        body = "total(np.arange(4))" if where == "in the body" else "slot()"
        printed = self.run_and_copy(
            run_script,
            "@step\ndef total(X: np.ndarray) -> int:\n    return int(X.sum())\n"
            f"@pipeline\ndef given(slot=None):\n    {body}\n"
            "given(total(X=np.arange(4))).run()\n",
        )
        assert printed == "[('cached', 6)]\n"

    def test_external_files_are_found_again(self, run_script):
        write("data/a.csv", "1\n")
        printed = self.run_and_copy(
            run_script,
            "@step\ndef count(files: list) -> int:\n    return len(files)\n"
            "@pipeline\ndef given():\n    count(files=ExternalFile('data/*.csv'))\n"
            "given().run()\n",
            "open('data/b.csv', 'w').write('2')\n",
        )
        assert printed == "[('completed', 2)]\n"

    def test_parameters_of_all_kinds_come_back_as_they_were(self, run_script):
        printed = self.run_and_copy(
            run_script,
            textwrap.dedent(
                """
                import dataclasses, datetime, decimal, enum, pathlib, pydantic, re

                class Color(enum.Enum):
                    RED = 1

                class Optimizer(pydantic.BaseModel):
                    rate: float = 0.1
                    when: datetime.date = datetime.date(2020, 1, 2)

                @dataclasses.dataclass(frozen=True)
                class Point:
                    x: int
                    y: tuple = ()

                VALUES = {
                    "color": Color.RED, "call": half, "kind": Optimizer, "path": [pathlib.Path("a/b")],
                    "tuple": (1, {2, 3}, b"x"), 3: decimal.Decimal("1.50"), "model": Optimizer(rate=1 / 3),
                    "point": [Point(1, (2,))], "time": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
                    "delta": datetime.timedelta(days=1, microseconds=7), "range": range(3),
                    "re": re.compile("a+", re.I),
                    "long": "x" * 5000, "nan": float("inf"), "none": None, "complex": 1 + 2j,
                }

                @step
                def counts(values: dict) -> int:
                    return len(values)

                @pipeline
                def given(slot):
                    slot()

                given(counts(values=VALUES)).run()
                """
            ),
        )
        assert printed == "[('cached', 16)]\n"

    def test_a_value_that_no_text_can_say_is_an_error_that_names_it_unless_the_step_is_replaced(
        self, run_script
    ):
        run_script(
            STEPS + "import functools\n@step\ndef calls(f: functools.partial) -> int:\n    return f()\n"
            "@step\ndef last(x: int) -> int:\n    return x\n"
            "@pipeline\ndef given(slot):\n    last(slot())\n"
            "given(calls(f=functools.partial(int, 3))).run()\n"
        )
        copy = Repository().get_pipeline("given").copy("b")
        with pytest.raises(NotFoundError) as error:
            copy.run()
        assert "step: calls" in str(error.value)
        assert "argument: f" in str(error.value)
        assert ".replace(slot=...)" in str(error.value)
        assert copy.replace(slot=_a_step()).run().steps["last"].output.read() == 1

    def test_a_value_that_a_failed_run_did_not_come_to_is_an_error_that_says_so(self, run_script):
        failed = run_script(
            STEPS + "@step\ndef fails() -> int:\n    raise ValueError('no')\n"
            "@step\ndef total(x: int, X: np.ndarray) -> int:\n    return int(X.sum()) + x\n"
            "@pipeline\ndef given(first, second):\n    second(first())\n"
            "given(fails(), total(X=np.arange(4))).run()\n",
            check=False,
        )
        assert failed.returncode == 1
        with pytest.raises(NotFoundError, match="did not come to this step"):
            Repository().get_pipeline("given").copy("b").replace(first=_a_step()).run()


def edited(old: str, new: str) -> str:
    assert old in STEPS
    return STEPS.replace(old, new)


class TestCodeThatIsNotWhatItWas:
    def test_a_change_is_told_once_with_step_unit_and_file_and_the_step_runs(self, run_script):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        write("steps.py", edited("x / 2", "x / 4"))
        again = "from steps import trainer\npipeline_b.plan()\npipeline_b.add_trainer(trainer())\n"
        again += "pipeline_b.copy('c').plan()\n"
        done = run_script(COPY_TO_B + again + "run = pipeline_b.run()" + SHOW)
        told = [line for line in done.stderr.splitlines() if "changed" in line]
        assert told == [
            "Step `normalizer` has changed since `Pipeline A` ran: code: steps.half. "
            f"It is in {Path('steps.py').absolute()}."
        ]
        assert "'normalizer': 'completed'" in done.stdout

    def test_a_change_of_an_option_is_told_as_well(self, run_script):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        write("steps.py", edited("@step\ndef normalizer", "@step(cache_version='2')\ndef normalizer"))
        done = run_script(COPY_TO_B + "pipeline_b.run()")
        assert "Step `normalizer` has changed since `Pipeline A` ran: cache_version. " in done.stderr

    def test_a_change_of_a_step_that_is_replaced_does_not_matter(self, run_script):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        write("steps.py", edited("* config.epochs", "+ config.epochs"))
        done = run_script(COPY_TO_B + NEW_TRAINER)
        assert done.stdout == REUSED
        assert "changed" not in done.stderr

    def test_an_edit_that_was_accepted_is_no_change(self, run_script):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        write("steps.py", edited("x / 2", "x * 0.5"))
        done = run_script(
            "from zencache.acceptance import accept\nfrom zencache import Repository\n"
            "accept('normalizer', 'the same', repository=Repository())\n"
            + COPY_TO_B
            + "run = pipeline_b.run()"
            + SHOW
        )
        assert done.stdout == ALL_CACHED
        assert "changed" not in done.stderr

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda: Path("steps.py").unlink(), ["the file is gone", "no module `steps`"]),
            (
                lambda: write("steps.py", edited("def normalizer", "def normaliser")),
                ["Did you mean `normaliser`"],
            ),
            (
                lambda: write("steps.py", "import nowhere_to_be_found\n" + STEPS),
                ["No module named", "line: 1"],
            ),
            (lambda: write("steps.py", "1 +\n" + STEPS), ["SyntaxError", "line: 1"]),
            (lambda: write("steps.py", STEPS + "\nnormalizer = 3\n"), ["it is no step now, but int 3"]),
            (lambda: write("steps.py", "raise SystemExit(3)\n" + STEPS), ["not defined above line 1"]),
        ],
        ids=["gone", "renamed", "a missing package", "a mistake", "no step", "exits"],
    )
    def test_code_that_cannot_be_had_is_an_error_that_says_what_where_and_what_to_do(
        self, run_script, change, says
    ):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        change()
        broken = run_script(COPY_TO_B + "pipeline_b.plan()", check=False)
        assert broken.returncode == 1
        for part in [
            *says,
            "pipeline: Pipeline A",
            f"file: {Path('steps.py').absolute()}",
            "pipeline_b.plan()",
            ".add_",
        ]:
            assert part in broken.stderr

    def test_a_step_that_is_replaced_need_not_exist(self, run_script):
        write("steps.py", STEPS)
        write(
            "old.py",
            "from steps import *\n@step\ndef old(X: list, y: list) -> dict:\n    return {'weight': 1}\n",
        )
        run_script(
            "from steps import *\nfrom old import old"
            + RUN_A.replace("trainer(config=TrainerConfig(epochs=2))", "old()")
        )
        Path("old.py").unlink()
        assert run_script(COPY_TO_B + NEW_TRAINER).stdout == REUSED

    def test_a_step_made_inside_a_function_is_an_error_that_says_so(self, run_script):
        inside = INSIDE
        run_script(STEPS + inside + RUN_A.replace("trainer(config=TrainerConfig(epochs=2))", "make(1)"))
        broken = run_script(COPY_TO_B + "pipeline_b.run()", check=False)
        assert "it is made inside a function, and no variable of its module holds it" in broken.stderr
        assert run_script(COPY_TO_B + NEW_TRAINER).stdout == REUSED

    def test_a_step_made_inside_a_function_is_found_by_the_variable_that_holds_it(self, run_script):
        made = INSIDE + "one, two = make(1), make(2)\n"
        run_script(STEPS + made + RUN_A.replace("trainer(config=TrainerConfig(epochs=2))", "two"))
        done = run_script(
            COPY_TO_B + "s = pipeline_b.run().steps['trainer']\nprint(s.is_cached, s.output.read())"
        )
        assert done.stdout == "True {'weight': 2}\n"

    def test_a_step_typed_at_a_prompt_is_an_error_that_says_so(self, run_script):
        run_script(
            f"import sys, subprocess\nsubprocess.run([sys.executable, '-c', {STEPS + RUN_A!r}], check=True)"
        )
        broken = run_script(COPY_TO_B + "pipeline_b.run()", check=False)
        assert "it was typed in a notebook or at a prompt" in broken.stderr

    def test_a_step_typed_at_a_prompt_is_found_in_the_same_session(self, run_script):
        session = STEPS + RUN_A + COPY_TO_B + "run = pipeline_b.run()" + SHOW
        done = run_script(
            f"import sys, subprocess\nsubprocess.run([sys.executable, '-c', {session!r}], check=True)"
        )
        assert done.stdout == ALL_CACHED

    def test_a_definition_of_another_version_is_an_error_that_says_so(self, run_script):
        run_script(STEPS + RUN_A)
        store = Repository().store
        (run,) = store.get_contexts_by_type("pipeline_run")
        steps = [
            {"name": "a", "step": "a", "source": "m:a", "file": "", "slot": None, "inputs": {}, "after": []}
        ]
        run.custom_properties["zencache_definition"].string_value = json.dumps({"steps": steps})
        store.put_contexts([run])
        view = Repository().get_pipeline("Pipeline A")
        assert list(view.steps) == ["a"]
        with pytest.raises(NotFoundError, match=r"another version(.|\n)*once more"):
            view.copy("b")


class TestWhereCodeLies:
    def test_in_a_package_that_is_not_on_the_path(self, run_script):
        write("elsewhere/pkg/__init__.py", "")
        write("elsewhere/pkg/deep/__init__.py", "")
        write("elsewhere/pkg/helpers.py", "def double(x):\n    return x * 2\n")
        write("elsewhere/pkg/deep/steps.py", STEPS + "from ..helpers import double\n")
        run_script("import sys\nsys.path.insert(0, 'elsewhere')\nfrom pkg.deep.steps import *" + RUN_A)
        assert run_script(COPY_TO_B + "run = pipeline_b.run()" + SHOW).stdout == ALL_CACHED

    def test_in_a_module_that_python_ran_with_m(self, run_script):
        write("pkg/__init__.py", "")
        write("pkg/helpers.py", "")
        write("pkg/train.py", "from . import helpers\n" + STEPS + guarded(RUN_A))
        run_script("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pkg.train'], check=True)")
        assert run_script(COPY_TO_B + "run = pipeline_b.run()" + SHOW).stdout == ALL_CACHED
        assert Repository().get_pipeline("Pipeline A").steps["trainer"].source == "pkg.train:trainer"

    def test_in_a_folder_that_was_moved(self, run_script):
        write("old/steps.py", STEPS)
        run_script("import sys\nsys.path.insert(0, 'old')\nfrom steps import *" + RUN_A)
        shutil.move("old", "new")
        moved = "import sys\nsys.path.insert(0, 'new')\n" + COPY_TO_B + "run = pipeline_b.run()" + SHOW
        assert run_script(moved).stdout == ALL_CACHED
        broken = run_script(COPY_TO_B + "pipeline_b.run()", check=False)
        assert "Put the file back, or its new folder on PYTHONPATH" in broken.stderr

    def test_under_a_name_that_another_file_has_in_this_process(self, run_script):
        write("one/steps.py", STEPS)
        write("two/steps.py", "from zencache import step\n\n@step\ndef trainer() -> int:\n    return 0\n")
        run_script("import sys\nsys.path.insert(0, 'one')\nfrom steps import *" + RUN_A)
        other = "import sys\nsys.path.insert(0, 'two')\nimport steps\n"
        done = run_script(
            other + COPY_TO_B + "run = pipeline_b.run()" + SHOW + "print(steps is sys.modules['steps'])"
        )
        assert done.stdout == ALL_CACHED + "True\n"

    def test_in_a_variable_of_another_name_than_the_function(self, run_script):
        write(
            "steps.py",
            STEPS
            + "def f(X: list, y: list) -> dict:\n    return {}\n"
            + "fitted = step(name='fit')(f)\nother = step(name='other')(f)\n",
        )
        run_script(
            "from steps import *"
            + RUN_A.replace("trainer(config=TrainerConfig(epochs=2))", "other").replace(
                "training_pipeline.add_evaluator(evaluator())", ""
            )
        )
        done = run_script(COPY_TO_B + "print({n: s.status for n, s in pipeline_b.run().steps.items()})")
        assert done.stdout == "{'importer': 'cached', 'normalizer': 'cached', 'other': 'cached'}\n"


class TestImporting:
    def test_the_command_line_runs_a_training_pipeline_of_a_file(self, run_script):
        write("train.py", STEPS + RUN_A.replace("training_pipeline.run()", ""))
        run_cli = "from zencache.cli import main\nmain({!r})\n"
        assert run_script(run_cli.format(["plan", "train.py"])).stdout.count("MISS") == 1
        assert run_script(run_cli.format(["run", "train.py"])).stdout.startswith("Pipeline A-")

    def test_planning_a_file_that_runs_its_pipeline_runs_nothing(self, run_script):
        write("train.py", STEPS + RUN_A)
        run_script("from zencache.cli import main\nmain(['plan', 'train.py'])\n")
        assert Repository().get_runs() == []

    def test_a_module_of_a_package_that_runs_a_pipeline_is_an_error_that_says_where(self, run_script):
        write("pkg/__init__.py", "")
        train = write("pkg/train.py", STEPS + guarded(RUN_A))
        run_script("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pkg.train'], check=True)")
        train.write_text(STEPS + RUN_A)
        broken = run_script(COPY_TO_B + "pipeline_b.run()", check=False)
        line = len((STEPS + RUN_A).splitlines())
        assert f"line: {train.absolute()}:{line}" in broken.stderr
        assert "if __name__" in broken.stderr

    def test_what_a_failed_import_leaves_is_not_taken_for_the_module(self, run_script):
        write("steps.py", STEPS)
        run_script("from steps import *" + RUN_A)
        write("steps.py", STEPS + "raise ValueError('too early')\n")
        attempt = "try:\n    pipeline_b.run()\nexcept Exception as error:\n    print(error)\n"
        twice = attempt + attempt
        assert run_script(COPY_TO_B + twice).stdout.count("too early") == 2

    def test_the_definition_of_a_pipeline_with_long_parameters_is_whole(self, run_script):
        write(
            "steps.py",
            STEPS + "@step\ndef many(names: list) -> Output(X=list, y=list):\n    return [1], [len(names)]\n",
        )
        run_script(
            "from steps import *" + RUN_A.replace("importer(size=5)", "many(names=['name' * 20] * 500)")
        )
        done = run_script(COPY_TO_B + "print([s.status for s in pipeline_b.run().steps.values()])")
        assert done.stdout == "['cached', 'cached', 'cached', 'cached']\n"
