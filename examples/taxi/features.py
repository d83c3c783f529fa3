"""What the columns of a ride mean, and how a row lies in a `tf.train.Example` record."""

import json
import math
from pathlib import Path

NUMBERS = ("log_miles", "log_seconds", "log_fare")
WORDS = ("pickup_hour", "pickup_weekday", "payment_type", "company")
NUMBER_COLUMNS = frozenset({"trip_miles", "trip_seconds", "fare", "tips"})
BATCH = 256


def derive(ride):
    """The features of a ride, and the label: whether the tip was more than a fifth of the fare."""
    features = {name: ride.get(name, "") for name in WORDS}
    for name, column in zip(NUMBERS, ("trip_miles", "trip_seconds", "fare"), strict=True):
        features[name] = math.log1p(ride[column]) if column in ride else None
    features["label"] = int(ride["tips"] > 0.2 * ride["fare"])
    return features


def encode(row):
    """The bytes of a record, for a dict of texts, floats and integers."""
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, float):
            feature.float_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.bytes_list.value.append(value.encode())
    return example.SerializeToString(deterministic=True)


def decode(record):
    """The dict of a record."""
    import tensorflow as tf

    row = {}
    for name, feature in tf.train.Example.FromString(record).features.feature.items():
        if feature.bytes_list.value:
            row[name] = feature.bytes_list.value[0].decode()
        else:
            (row[name],) = feature.float_list.value or feature.int64_list.value
    return row


def as_tensors(examples, split):
    """A `tf.data.Dataset` of ``(features, label)`` batches, read from the shards while it is used."""
    import tensorflow as tf

    shape = {name: tf.io.FixedLenFeature((1,), tf.float32) for name in NUMBERS}
    shape |= {name: tf.io.FixedLenFeature((1,), tf.int64) for name in (*WORDS, "label")}

    def parse(records):
        features = tf.io.parse_example(records, shape)
        label = features.pop("label")
        return features, label

    shards = sorted(str(path) for path in Path(examples.path(split=split)).iterdir())
    records = tf.data.TFRecordDataset(shards, compression_type="GZIP")
    return records.batch(BATCH).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def sizes(transform_graph):
    """How many numbers each feature of words can have: one for each word, and one for all others."""
    learned = json.loads(Path(transform_graph.uri, "transform.json").read_text())
    return {name: len(words) + 1 for name, words in learned["words"].items()}
