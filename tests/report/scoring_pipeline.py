"""A pipeline with a diamond, pictures, a table, a metric and a step that may fail."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd

from zencache import Output, Repository, StepFailed, pipeline, step


@step
def load(rows: int) -> Output(frame=pd.DataFrame, images=np.ndarray):
    frame = pd.DataFrame({"age": range(rows), "city": ["<script>alert(1)</script>", "Oslo"] * (rows // 2)})
    return frame, (np.arange(20 * 16 * 16).reshape(20, 16, 16) % 256).astype(np.uint8)


@step
def clean(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.age > 2]


@step
def embed(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).mean(axis=1)


@step
def train(frame: pd.DataFrame, vectors: np.ndarray, rate: float) -> Output(weights=np.ndarray, score=float):
    return vectors * rate, 0.5 + rate / 10


@step
def publish(score: float, is_refused: bool) -> str:
    if is_refused:
        raise ValueError("The registry says <b>no</b>.")
    return "published"


@step
def announce(text: str) -> str:
    return text.upper()


@pipeline
def scoring(rate: float = 1.0, is_refused: bool = False):
    frame, images = load(rows=40)
    _, score = train(clean(frame), embed(images), rate=rate)
    announce(publish(score, is_refused=is_refused))


def run_four_times(repository: Repository) -> None:
    scoring(rate=1.0).run(run_name="first", repository=repository)
    scoring(rate=2.0).run(run_name="second", repository=repository)
    scoring(rate=2.0).run(run_name="third", repository=repository)
    with suppress(StepFailed):
        scoring(rate=3.0, is_refused=True).run(run_name="fourth", repository=repository)
