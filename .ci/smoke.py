"""A pipeline of values that need no extra, run once; prints how each step was done."""

from dataclasses import dataclass
from pathlib import Path

from zencache import BaseStepConfig, Output, pipeline, step


@dataclass
class Line:
    slope: float
    offset: float


class TrainerConfig(BaseStepConfig):
    epochs: int = 1


@step
def load(rows: int) -> Output(x=list, y=list):
    return list(range(rows)), [3 * x + 1 for x in range(rows)]


@step
def train(config: TrainerConfig, x: list, y: list) -> Line:
    return Line(slope=(y[-1] - y[0]) / (x[-1] - x[0]) * config.epochs, offset=float(y[0]))


@step
def report(line: Line, into: str) -> Path:
    file = Path(into)
    file.write_text(f"{line.slope} {line.offset}", encoding="utf-8")
    return file


@pipeline
def training():
    x, y = load(10)
    report(train(x, y), "line.txt")


if __name__ == "__main__":
    run = training().run()
    assert run.steps["report"].output.read().read_text(encoding="utf-8") == "3.0 1.0"
    print(*[step.status for step in run.steps.values()])
