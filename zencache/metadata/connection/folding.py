"""The stock client on a database that takes ``Train`` and ``train`` for one name: never silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_service_pb2 as service

# MLMD makes this type in each of its databases.
_BASE_TYPE = "mlmd.Dataset"
_BY_NAME = {
    "GetContextByTypeAndName": ("context_name", "context"),
    "GetExecutionByTypeAndName": ("execution_name", "execution"),
    "GetArtifactByTypeAndName": ("artifact_name", "artifact"),
}
_BY_TYPE = {
    "GetContextsByType": "contexts",
    "GetExecutionsByType": "executions",
    "GetArtifactsByType": "artifacts",
}


def _folds_names(store: Any) -> bool:
    """Whether a database finds a name by another spelling of it."""
    for spelling in (_BASE_TYPE.swapcase(), _BASE_TYPE + " "):
        try:
            store.get_artifact_type(spelling)
        except errors.NotFoundError:
            continue
        return True
    return False


class ExactStore(metadata_store.MetadataStore):  # type: ignore[misc]  # ml_metadata has no types
    """Refuses what the database found under another name, and what it would put there.

    Args:
        error: makes the exception from the name that was meant and the one that was found.
    """

    def __init__(self, config: Any, error: Callable[[str, str], Exception]):
        self._is_exact = True
        self._error = error
        self._seen: set[tuple[int, str]] = set()
        self._context_types: dict[int, str] = {}
        super().__init__(config)
        self._is_exact = not _folds_names(self)

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        if self._is_exact:
            super()._call_method(method_name, request, response)
            return
        if method_name in ("PutLineageSubgraph", "PutExecution"):
            self._check_new_contexts(request.contexts)
        super()._call_method(method_name, request, response)
        if method_name in _BY_NAME:
            asked, answered = _BY_NAME[method_name]
            self._check(getattr(request, asked), getattr(response, answered).name)
        elif method_name in _BY_TYPE:
            for node in getattr(response, _BY_TYPE[method_name]):
                self._check(request.type_name, node.type)

    def _check(self, wanted: str, found: str) -> None:
        if found and wanted != found:
            raise self._error(wanted, found)

    def _check_new_contexts(self, contexts: Any) -> None:
        """A context that is put by its name would be joined to that of another spelling."""
        for context in contexts:
            key = (context.type_id, context.name)
            if context.HasField("id") or key in self._seen:
                continue
            response = service.GetContextByTypeAndNameResponse()
            request = service.GetContextByTypeAndNameRequest(
                type_name=self._context_type(context.type_id), context_name=context.name
            )
            self._call_method("GetContextByTypeAndName", request, response)
            self._seen.add(key)

    def _context_type(self, type_id: int) -> str:
        if type_id not in self._context_types:
            self._context_types |= {kind.id: kind.name for kind in self.get_context_types()}
        return self._context_types.get(type_id, "")
