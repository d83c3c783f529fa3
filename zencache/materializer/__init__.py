"""How values of a Python type become files and back."""

from zencache.materializer.contract import ArtifactType, BaseMaterializer
from zencache.materializer.pickled import PickleMaterializer
from zencache.materializer.registry import (
    artifact_type_of,
    by_name,
    find,
    has_materializer,
    is_there,
    name_of,
    recorded_name,
    register,
    registered,
    require_type,
    require_value,
    type_by_name,
    type_name,
    user_materializers,
)

__all__ = [
    "ArtifactType",
    "BaseMaterializer",
    "PickleMaterializer",
    "artifact_type_of",
    "by_name",
    "find",
    "has_materializer",
    "is_there",
    "name_of",
    "recorded_name",
    "register",
    "registered",
    "require_type",
    "require_value",
    "type_by_name",
    "type_name",
    "user_materializers",
]
