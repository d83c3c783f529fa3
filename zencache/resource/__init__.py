"""What a run provides for a step's parameters, as opposed to what the author of a pipeline gives."""

from zencache.resource.contract import Resource, Surroundings
from zencache.resource.flags import check_flags, merged
from zencache.resource.registry import find, implied

__all__ = ["Resource", "Surroundings", "check_flags", "find", "implied", "merged"]
