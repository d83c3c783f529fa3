"""Taxi rides through a TFX-style pipeline with Beam: another trainer reuses everything above it.

Usage:

    python run.py                        # 20,000 rides; first the wide trainer, then the deep one
    python run.py --trainer deep         # one of them
    python run.py --rows 2000000         # more rides
    python run.py --gain 0.5             # no model is that good, so none is blessed and pushed
    python run.py --beam-args --direct_num_workers=2    # what follows goes to Beam
"""

import argparse
import logging
import os
import warnings
from pathlib import Path

import rich.box
import rich.table

from zencache import tfx

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads both when a component imports it
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# Keras, of each dataset whose length it does not know before it has read it.
warnings.filterwarnings("ignore", "Your input ran out of data")
# Beam's import, which warns of packages for Google Cloud that are not needed here.
logging.basicConfig(format="%(message)s", level=logging.ERROR)

from components import (
    Blesser,
    DeepTrainer,
    Evaluator,
    ExampleGen,
    Pusher,
    SchemaGen,
    StatisticsGen,
    TransformRides,
    WideTrainer,
)
from data import write_rides

TRAINERS = {"wide": WideTrainer, "deep": DeepTrainer}
PUSHED = "taxi_models"


def taxi_pipeline(rides, trainer, gain, beam_pipeline_args):
    source = tfx.dsl.Importer(
        source_uri=str(rides), artifact_type=tfx.types.standard_artifacts.ExternalArtifact, output_key="rides"
    )
    example_gen = ExampleGen(rides=source.outputs["rides"])
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    transform = TransformRides(examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"])
    trained = TRAINERS[trainer](
        examples=transform.outputs["transformed"], transform_graph=transform.outputs["transform_graph"]
    ).with_id("Trainer")
    evaluator = Evaluator(model=trained.outputs["model"], examples=transform.outputs["transformed"])
    blesser = Blesser(evaluation=evaluator.outputs["evaluation"], gain=gain)
    pusher = Pusher(model=trained.outputs["model"], blessing=blesser.outputs["blessing"], folder=PUSHED)
    return tfx.dsl.Pipeline(
        pipeline_name="taxi",
        components=[
            source,
            example_gen,
            statistics_gen,
            schema_gen,
            transform,
            trained,
            evaluator,
            blesser,
            pusher,
        ],
        beam_pipeline_args=beam_pipeline_args,
    )


def count(text):
    """A number of rides, of which each split gets some."""
    if not text.isdecimal() or int(text) < 100:
        raise argparse.ArgumentTypeError(f"it takes 100 rides or more, not {text!r}")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=count, default=20_000, help="how many rides (default: %(default)s)")
    parser.add_argument("--trainer", choices=[*TRAINERS], help="default: one after the other")
    parser.add_argument("--gain", type=float, default=0.02, help="what a blessed model is better by")
    parser.add_argument("--beam-args", nargs=argparse.REMAINDER, default=[], help="options of Beam; the last")
    return parser.parse_args()


def main():
    given = arguments()
    rides = write_rides(Path("taxi_rides") / str(given.rows), given.rows)
    print(f"Data: {given.rows:,} synthetic taxi rides, made by data.py, in {rides}\n", flush=True)
    runs = {}
    for trainer in [given.trainer] if given.trainer else TRAINERS:
        pipeline = taxi_pipeline(rides, trainer, given.gain, given.beam_args)
        runs[trainer] = tfx.orchestration.LocalDagRunner().run(pipeline)

    table = rich.table.Table("component", *runs, box=rich.box.SIMPLE, padding=(0, 1, 0, 0))
    for name in next(iter(runs.values())).steps:
        steps = [run.steps[name] for run in runs.values()]
        table.add_row(name, *(f"{step.duration:.3f} s {step.status}" for step in steps))
    rich.print("\nWhat each component took, by trainer:", table)
    for trainer, run in runs.items():
        (verdict,) = Path(run.steps["Blesser"].output.read().uri).iterdir()
        print(f"{trainer}: {verdict.name}, {verdict.read_text().strip()}")


if __name__ == "__main__":
    main()
