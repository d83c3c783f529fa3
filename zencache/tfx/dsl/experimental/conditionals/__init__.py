"""Where TFX has ``Cond``."""

from zencache.tfx.dsl.experimental.conditionals import conditional

__all__ = ["conditional"]
