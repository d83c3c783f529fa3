"""Files."""

from zencache.tfx.dsl.io import fileio

__all__ = ["fileio"]
