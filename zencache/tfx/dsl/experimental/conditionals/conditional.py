"""``Cond``, by the path that it has in TFX."""

from zencache.tfx.conditional import Cond

__all__ = ["Cond"]
