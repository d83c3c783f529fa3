"""Lineage: which artifacts came of which, by the events that the metadata store holds."""

from zencache.lineage.figure import lineage_picture
from zencache.lineage.graph import LineageGraph, draw_lineage, draw_run
from zencache.lineage.walk import downstream, upstream

__all__ = ["LineageGraph", "downstream", "draw_lineage", "draw_run", "lineage_picture", "upstream"]
