"""The names that a TFX pipeline of custom components uses, so that it ports by its import line."""

from zencache.tfx import dsl, orchestration, types

__all__ = ["dsl", "orchestration", "types"]
