"""How conditions are joined: ``Cond(logical_and(a, b))``."""

from zencache.tfx.conditional import logical_and, logical_not, logical_or

__all__ = ["logical_and", "logical_not", "logical_or"]
