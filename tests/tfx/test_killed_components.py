"""A process that is killed while a component writes leaves nothing that a later run could take for whole."""

import signal
from pathlib import Path

SOURCE = """
import os, sys
from pathlib import Path
from zencache import tfx
from zencache.tfx.dsl.components import OutputArtifact, InputArtifact, component
from zencache.tfx.types.standard_artifacts import Examples, String

@component
def Make(examples: OutputArtifact[Examples]):
    examples.splits = ["train"]
    folder = Path(examples.path(split="train"))
    folder.mkdir()
    (folder / "one").write_text("1")
    if os.environ.get("KILL"):
        os.kill(os.getpid(), 9)
    (folder / "two").write_text("2")

@component
def Count(examples: InputArtifact[Examples], count: OutputArtifact[String]):
    count.value = str(sorted(path.name for path in Path(examples.path(split="train")).iterdir()))

made = Make()
counted = Count(examples=made.outputs["examples"])
run = tfx.orchestration.LocalDagRunner().run(tfx.dsl.Pipeline("counting", components=[made, counted]))
print(run.steps["Count"].output.read().value, *[step.status for step in run.steps.values()])
"""


def test_the_next_run_starts_clean(run_script, project):
    killed = run_script(SOURCE, env={"KILL": "1"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    staging = project / ".zencache" / "artifacts" / "staging"
    assert list(staging.rglob("one")), "the killed process left what it had written"
    assert run_script(SOURCE).stdout.strip() == "['one', 'two'] completed completed"
    assert list(Path(staging).rglob("one")) == []
    assert run_script(SOURCE).stdout.strip() == "['one', 'two'] cached cached"
