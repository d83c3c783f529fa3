"""The components of the taxi pipeline, in the order in which they run.

Data lies in files: a component is given artifacts, reads below the ``uri`` of its inputs and writes below
that of its outputs. Those that say ``use_beam=True`` are given a Beam pipeline, which reads, transforms and
writes a part of the rows at a time, on this machine or on many.
"""

import csv
import json
import math
import shutil
import zlib
from collections import Counter
from pathlib import Path

import apache_beam as beam
from data import COLUMNS
from features import NUMBER_COLUMNS, NUMBERS, WORDS, as_tensors, decode, derive, encode, sizes

from zencache.tfx.dsl.components import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
    component,
)
from zencache.tfx.dsl.standard_annotations import Deploy, Evaluate, Train, Transform
from zencache.tfx.types.standard_artifacts import (
    Examples,
    ExampleStatistics,
    ExternalArtifact,
    Model,
    ModelBlessing,
    ModelEvaluation,
    Schema,
    TransformGraph,
)

SPLITS = ("train", "eval")
KINDS = ("word", "number")


# -- Examples


@component(use_beam=True)
def ExampleGen(
    rides: InputArtifact[ExternalArtifact],
    examples: OutputArtifact[Examples],
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    """Read the CSV files and write `tf.train.Example` records, four rides of five for training."""
    examples.splits = list(SPLITS)
    with pipeline as rows:
        parts = (
            rows
            | "Read" >> beam.io.ReadFromText(f"{rides.uri}/*.csv", skip_header_lines=1)
            | "Split" >> beam.Partition(split_of, len(SPLITS))
        )
        for split, part in zip(SPLITS, parts, strict=True):
            records = part | f"Parse {split}" >> beam.Map(parse) | f"Encode {split}" >> beam.Map(encode)
            write(records, examples, split)


def split_of(line, count):
    """The number of a ride's split. A ride stays in its split, whatever worker reads it."""
    return int(zlib.crc32(line.encode()) % 5 == 0)


def parse(line):
    """A ride of a CSV line: column -> number or text, without those that are empty."""
    texts = zip(COLUMNS, next(csv.reader([line])), strict=True)
    return {name: float(text) if name in NUMBER_COLUMNS else text for name, text in texts if text}


def read(rows, examples, split):
    shards = f"{examples.path(split=split)}/*"
    return rows | f"Read {split}" >> beam.io.ReadFromTFRecord(shards) | f"Decode {split}" >> beam.Map(decode)


def write(records, examples, split):
    target = f"{examples.path(split=split)}/data_tfrecord"
    return records | f"Write {split}" >> beam.io.WriteToTFRecord(target, file_name_suffix=".gz")


# -- What is in them


class Describe(beam.CombineFn):
    """Of each column: how many values, and their mean, deviation and range, or how often each word is."""

    def create_accumulator(self):
        return {}

    def add_input(self, found, row):
        for name, value in row.items():
            if isinstance(value, str):
                found.setdefault(name, Counter())[value] += 1
            elif value is not None:
                count, total, squares, low, high = found.get(name, (0, 0.0, 0.0, math.inf, -math.inf))
                sums = count + 1, total + value, squares + value**2
                found[name] = (*sums, min(low, value), max(high, value))
        return found

    def merge_accumulators(self, parts):
        merged = {}
        for part in parts:
            for name, found in part.items():
                if name not in merged:
                    merged[name] = found
                elif isinstance(found, Counter):
                    merged[name] = merged[name] + found
                else:
                    count, total, squares, low, high = map(list, zip(merged[name], found, strict=True))
                    merged[name] = sum(count), sum(total), sum(squares), min(low), max(high)
        return merged

    def extract_output(self, found):
        return {name: self.described(column) for name, column in sorted(found.items())}

    @staticmethod
    def described(column):
        if isinstance(column, Counter):
            return {"count": column.total(), "words": dict(sorted(column.items()))}
        count, total, squares, low, high = column
        mean = total / count
        deviation = math.sqrt(max(squares / count - mean**2, 0.0))
        return {"count": count, "mean": mean, "deviation": deviation, "min": low, "max": high}


def write_json(value, folder, name):
    """Write a collection of one value as a JSON file."""
    return (
        value
        | f"As JSON {name}" >> beam.Map(json.dumps, indent=1)
        | f"Write {name}" >> beam.io.WriteToText(f"{folder}/{name}.json", shard_name_template="")
    )


@component(use_beam=True)
def StatisticsGen(
    examples: InputArtifact[Examples],
    statistics: OutputArtifact[ExampleStatistics],
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    statistics.splits = examples.splits
    with pipeline as rows:
        for split in examples.splits:
            described = read(rows, examples, split) | f"Describe {split}" >> beam.CombineGlobally(Describe())
            write_json(described, statistics.uri, split)


@component
def SchemaGen(statistics: InputArtifact[ExampleStatistics], schema: OutputArtifact[Schema]):
    """What the training data has, as a file that a person can read: the kind of each column."""
    described = json.loads(Path(statistics.uri, "train.json").read_text())
    rows = max(column["count"] for column in described.values())
    columns = {
        name: {"kind": KINDS["mean" in column], "required": column["count"] == rows}
        for name, column in described.items()
    }
    Path(schema.uri, "schema.json").write_text(json.dumps(columns, indent=1))


# -- What a model can take


@component(use_beam=True, component_annotation=Transform)
def TransformRides(
    examples: InputArtifact[Examples],
    schema: InputArtifact[Schema],
    transform_graph: OutputArtifact[TransformGraph],
    transformed: OutputArtifact[Examples],
    pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    """Scale numbers by the mean and deviation, and number the words, of the whole training split."""
    columns = json.loads(Path(schema.uri, "schema.json").read_text())
    wrong = [name for name in COLUMNS if columns[name]["kind"] != KINDS[name in NUMBER_COLUMNS]]
    if wrong:
        raise ValueError(f"These columns are of another kind than they should be: {', '.join(wrong)}.")
    transformed.splits = examples.splits
    with pipeline as rows:
        derived = {
            split: read(rows, examples, split) | f"Derive {split}" >> beam.Map(derive)
            for split in examples.splits
        }
        learned = derived["train"] | "Describe" >> beam.CombineGlobally(Describe()) | beam.Map(learn)
        write_json(learned, transform_graph.uri, "transform")
        for split, features in derived.items():
            applied = features | f"Apply {split}" >> beam.Map(apply, beam.pvalue.AsSingleton(learned))
            write(applied | f"Encode {split}" >> beam.Map(encode), transformed, split)


def learn(described):
    """What the transformation has to know of the training data."""
    scales = {name: [described[name]["mean"], described[name]["deviation"]] for name in NUMBERS}
    return {"scales": scales, "words": {name: list(described[name]["words"]) for name in WORDS}}


def apply(features, learned):
    """Features as numbers: a missing number is the mean, a new or missing word has a number of its own."""
    applied = {"label": features["label"]}
    for name, (mean, deviation) in learned["scales"].items():
        value = features[name]
        applied[name] = 0.0 if value is None else (value - mean) / (deviation or 1.0)
    for name, words in learned["words"].items():
        applied[name] = words.index(features[name]) if features[name] in words else len(words)
    return applied


# -- Models


@component(component_annotation=Train)
def WideTrainer(
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    model: OutputArtifact[Model],
    epochs: Parameter[int] = 3,
):
    """A linear model."""
    fit([], examples, transform_graph, model, epochs)


@component(component_annotation=Train)
def DeepTrainer(
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    model: OutputArtifact[Model],
    epochs: Parameter[int] = 3,
):
    """A small neural network."""
    fit([64, 32], examples, transform_graph, model, epochs)


def fit(hidden, examples, transform_graph, model, epochs):
    """Train a model with hidden layers of these sizes, and save it with what its inputs are made by."""
    import keras  # here, so that a run that needs no model does not wait for TensorFlow

    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((1,), name=name) for name in NUMBERS}
    parts = list(inputs.values())
    for name, size in sizes(transform_graph).items():
        inputs[name] = keras.Input((1,), name=name, dtype="int64")
        parts.append(keras.layers.CategoryEncoding(size, output_mode="one_hot")(inputs[name]))
    layer = keras.layers.Concatenate()(parts)
    for units in hidden:
        layer = keras.layers.Dense(units, "relu")(layer)
    network = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(layer))
    network.compile(keras.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"])
    rides = as_tensors(examples, "train").shuffle(50, seed=0)  # of batches
    network.fit(rides, epochs=epochs, shuffle=False, verbose=0)
    network.save(f"{model.uri}/model.keras")
    shutil.copy(Path(transform_graph.uri, "transform.json"), model.uri)


@component(component_annotation=Evaluate)
def Evaluator(
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    evaluation: OutputArtifact[ModelEvaluation],
):
    """How often the model is right about rides that it has not seen, and how often a constant would be."""
    import keras

    network = keras.models.load_model(f"{model.uri}/model.keras")
    _, accuracy = network.evaluate(as_tensors(examples, "eval"), verbose=0)
    rides = good = 0
    for _, label in as_tensors(examples, "eval").as_numpy_iterator():
        rides, good = rides + len(label), good + int(label.sum())
    found = {"accuracy": accuracy, "constant": max(good, rides - good) / rides, "rides": rides}
    Path(evaluation.uri, "evaluation.json").write_text(json.dumps(found, indent=1))


@component(component_annotation=Evaluate)
def Blesser(
    evaluation: InputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    gain: Parameter[float],
):
    """Bless the model if it is right more often than a constant answer, by at least `gain`."""
    found = json.loads(Path(evaluation.uri, "evaluation.json").read_text())
    is_blessed = found["accuracy"] >= found["constant"] + gain
    blessing.set_int_custom_property("blessed", int(is_blessed))
    Path(blessing.uri, "BLESSED" if is_blessed else "NOT_BLESSED").write_text(
        f"accuracy {found['accuracy']:.4f}, a constant {found['constant']:.4f}, wanted gain {gain}\n"
    )


@component(component_annotation=Deploy)
def Pusher(model: InputArtifact[Model], blessing: InputArtifact[ModelBlessing], folder: Parameter[str]):
    """Copy a blessed model into a new numbered version of `folder`, unless its newest version is that model.

    It has no output: it is there for its effect, so it is never cached and looks each time.
    """
    (verdict,) = Path(blessing.uri).iterdir()
    if verdict.name != "BLESSED":
        print(f"Pusher: the model is not blessed ({verdict.read_text().strip()}), so it is not pushed.")
        return
    versions = sorted((path for path in Path(folder).glob("*") if path.name.isdigit()), key=number_of)
    pushed = Path(model.uri, "model.keras").read_bytes()
    if versions and (versions[-1] / "model.keras").read_bytes() == pushed:
        print(f"Pusher: the model is there already, as {versions[-1]}.")
        return
    target = Path(folder, str(number_of(versions[-1]) + 1 if versions else 1))
    partial = target.with_name(f".{target.name}.partial")  # who serves the folder sees whole models only
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for path in Path(model.uri).iterdir():
        shutil.copyfile(path, partial / path.name)
    print(f"Pusher: the model is blessed and pushed to {partial.rename(target)}.")


def number_of(path):
    return int(path.name)
