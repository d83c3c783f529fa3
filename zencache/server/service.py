"""MLMD's service: each call is authorised, checked, passed on to the store, and answered or refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc

from zencache.exceptions import MetadataStoreError
from zencache.metadata.connection import Connection
from zencache.server.access import Access, Tokens
from zencache.server.validation import InvalidRequestError, parse

SERVICE = "ml_metadata.MetadataStoreService"
_LONGEST_ERROR = 500  # characters; it travels in a header, which has a limit of its own
# Methods of the protocol that no MLMD that is installed by pip has.
_NOT_THERE = ("GetLineageGraph", "GetParentContextsByContexts", "GetChildrenContextsByContexts")
_CODES = {code.value[0]: code for code in grpc.StatusCode}

logger = logging.getLogger("zencache.server")


def metadata_service(connection: Connection, tokens: Tokens) -> Any:
    """The handlers of every method of the service."""
    from ml_metadata.proto import metadata_store_service_pb2 as service

    methods = {
        method.name: (getattr(service, method.input_type.name), getattr(service, method.output_type.name))
        for method in service.DESCRIPTOR.services_by_name["MetadataStoreService"].methods
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(_handler(connection, tokens, name, *kinds))
        for name, kinds in methods.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _handler(
    connection: Connection, tokens: Tokens, method: str, request_kind: Any, response_kind: Any
) -> Callable[[bytes, Any], bytes]:
    is_reading = method.startswith("Get")

    def handle(serialized: bytes, context: Any) -> bytes:
        _authorise(tokens, context, method, is_reading)
        if method in _NOT_THERE:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is in no ml-metadata of PyPI.")
        try:
            request = parse(request_kind, serialized)
        except InvalidRequestError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

        def call(store: Any) -> bytes:
            if not context.is_active():  # nobody waits for it any more
                context.abort(grpc.StatusCode.CANCELLED, "The caller has gone.")
            response = response_kind()
            store._call_method(method, request, response)
            return bytes(response.SerializeToString())

        return _answered(connection, call, context, method, is_reading)

    return handle


def _authorise(tokens: Tokens, context: Any, method: str, is_reading: bool) -> None:
    given = next((value for name, value in context.invocation_metadata() if name == "authorization"), "")
    access = tokens.access_of(given)
    if access is Access.NONE:
        logger.warning("%s refused to %s: %s token.", method, context.peer(), "unknown" if given else "no")
        context.abort(
            grpc.StatusCode.UNAUTHENTICATED, "A token is needed." if not given else "Unknown token."
        )
    if access is Access.READ and not is_reading:
        logger.warning("%s refused to %s: its token is for reading.", method, context.peer())
        context.abort(grpc.StatusCode.PERMISSION_DENIED, f"This token is for reading; {method} writes.")


def _answered(
    connection: Connection, call: Callable[[Any], bytes], context: Any, method: str, is_reading: bool
) -> bytes:
    """The answer of the store, or its error as a gRPC status.

    A write whose fate is unknown is not repeated here: whoever sent it can find out, and is told UNAVAILABLE.
    """
    from ml_metadata import errors

    try:
        return connection.read(call) if is_reading else connection.write(call, once=True)
    except errors.StatusError as error:
        context.abort(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), _shortened(error))
    except MetadataStoreError as error:
        cause = error.__cause__
        code = grpc.StatusCode.UNAVAILABLE
        if isinstance(cause, errors.StatusError):
            known = _CODES.get(cause.error_code, code)
            lost = (grpc.StatusCode.INTERNAL, grpc.StatusCode.FAILED_PRECONDITION)
            code = code if known in lost and not is_reading else known
        logger.error("%s: %s", method, error.message)
        context.abort(code, _shortened(cause if isinstance(cause, errors.StatusError) else error.message))
    except (ValueError, TypeError) as error:  # a text that is not UTF-8, found late
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, _shortened(error))
    raise AssertionError("unreachable: abort raises")


def _shortened(error: object) -> str:
    return str(error)[:_LONGEST_ERROR]
