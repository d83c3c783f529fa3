"""Serving the picture: a read-only server, on the loopback address unless told otherwise.

It gives out the page, the files of the page, and answers in JSON. No request names a file: what lies in the
artifact store is reached by the number of an artifact.
"""

from __future__ import annotations

import inspect
import ipaddress
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zencache.exceptions import ConfigurationError, NotFoundError, ZencacheError
from zencache.report.answers import Answers
from zencache.report.assets import libraries, served_page
from zencache.repository import Repository

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LOOPBACK = "127.0.0.1"
PORT = 8237

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def application(repository: Repository, *, host: str = LOOPBACK) -> Starlette:
    """The ASGI application.

    Args:
        repository: the stores that are shown; nothing in them is changed.
        host: the name or address that it is to be reached by; requests under other names are refused.

    Raises:
        ConfigurationError: the packages of the extra ``ui`` are not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.routing import Route
    except ImportError as error:
        raise _not_installed(error) from error

    answers = Answers(repository)
    routes = [
        Route("/", _page(answers)),
        *(Route(f"/libraries/{name}", _library(content)) for name, content in libraries().items()),
        *(Route(f"/api/{name}", _answer(question)) for name, question in answers.questions().items()),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Guard, host=host)])


def serve(
    repository: Repository,
    *,
    host: str = LOOPBACK,
    port: int = PORT,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until interrupted.

    Args:
        host: the address to listen on. Anybody who reaches it sees the runs: there is no password.
        port: 0 for any that is free.
        ready: called with the URL when the server listens.

    Raises:
        ConfigurationError: the address cannot be listened on, or the extra ``ui`` is not installed.
        MetadataStoreError: the metadata store cannot be opened.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise _not_installed(error) from error

    app = application(repository, host=host)
    repository.get_runs(limit=1)  # a store that does not open is an error now, not on the page
    with _listening(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}/")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off"
        )
        with suppress(KeyboardInterrupt):  # which is how it ends
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigurationError(
            f"The server cannot listen: {error.strerror or error}.",
            facts={"host": host, "port": port},
            hint="Give another --port (0 for any that is free), or another --host.",
        ) from error


def _not_installed(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"`{(error.name or '').partition('.')[0]}` is not installed, which serving the page takes.",
        hint='Run pip install "zencache[ui]"; writing a page with `zencache export` needs nothing.',
    )


class _Guard:
    """Refuses requests under foreign names, and sends what makes browsers careful with every answer.

    A page of another site can let its own name point to this machine (DNS rebinding) and would then read
    the answers as its own; but it cannot change the ``Host`` that the browser sends. An address cannot be
    pointed elsewhere, so any is let through.
    """

    def __init__(self, app: Any, host: str):
        self._app = app
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        app = self._app
        if not self._is_ours(headers.get(b"host", b"").decode("latin-1")):
            app = PlainTextResponse("This server does not go by that name.\n", status_code=421)

        async def careful_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in {**_HEADERS, "Content-Security-Policy": _policy()}.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        await app(scope, receive, careful_send)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower().rstrip(".")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _policy(nonce: str = "") -> str:
    own = f"'nonce-{nonce}'" if nonce else "'none'"
    return (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _page(answers: Answers) -> Callable[[Request], Response]:
    from starlette.responses import HTMLResponse, PlainTextResponse

    def page(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        try:
            first = [
                {"question": "project", "about": {}, "answer": answers.project()},
                {"question": "runs", "about": {"limit": 100}, "answer": answers.runs(limit=100)},
            ]
        except ZencacheError as error:
            return PlainTextResponse(f"{error}\n", status_code=503)
        return HTMLResponse(served_page(first, nonce), headers={"Content-Security-Policy": _policy(nonce)})

    return page


def _library(content: bytes) -> Callable[[Request], Response]:
    from starlette.responses import Response

    # The page asks for it by its digest, so that it may be kept.
    headers = {"Cache-Control": "max-age=31536000, immutable"}
    return lambda request: Response(content, media_type="text/javascript", headers=headers)


def _answer(question: Callable[..., Mapping[str, Any]]) -> Callable[[Request], Response]:
    from starlette.responses import JSONResponse

    known = inspect.signature(question).parameters

    def answer(request: Request) -> Response:
        try:
            about = _arguments(known, dict(request.query_params))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        try:
            return JSONResponse(question(**about))
        except NotFoundError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except ZencacheError as error:
            return JSONResponse({"error": str(error)}, status_code=503)

    return answer


def _arguments(known: Mapping[str, inspect.Parameter], given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of a question from those of a request; ValueError if they do not fit."""
    unknown = given.keys() - known.keys()
    if unknown:
        raise ValueError(f"There is no such argument: {', '.join(sorted(unknown))}.")
    missing = [name for name, one in known.items() if one.default is one.empty and name not in given]
    if missing:
        raise ValueError(f"Arguments are missing: {', '.join(missing)}.")
    numbers = {"id", "limit", "depth"}
    for name in numbers & given.keys():
        if not (given[name].isascii() and given[name].isdigit() and len(given[name]) < 16):
            raise ValueError(f"`{name}` is not a number.")
    return {name: int(text) if name in numbers else text for name, text in given.items()}
