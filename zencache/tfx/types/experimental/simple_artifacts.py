"""Plain artifact types without properties, as TFX's tutorials use them."""

from zencache.reference import Artifact


class Dataset(Artifact):
    TYPE_NAME = "Dataset"


class File(Artifact):
    TYPE_NAME = "File"


class Statistics(Artifact):
    TYPE_NAME = "Statistics"


class Metrics(Artifact):
    TYPE_NAME = "Metrics"
