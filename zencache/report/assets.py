"""The files that the page is made of, all of which lie in this package: nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import functools
import html
import json
from collections.abc import Mapping
from pathlib import Path

from zencache.digest import digest_bytes

_STATIC = Path(__file__).parent / "static"
_VENDOR = _STATIC / "vendor"
_LIBRARIES = ("cytoscape.min.js", "dagre.min.js", "uPlot.iife.min.js")
_CYTOSCAPE = "__________cytoscape_stylesheet"  # it adds a style of its own unless there is one of this id


@functools.lru_cache(maxsize=1)
def libraries() -> Mapping[str, bytes]:
    """Name -> content of the scripts that a served page asks for; all else is in the page itself."""
    return {name: (_VENDOR / name).read_bytes() for name in _LIBRARIES}


def served_page(first: object, nonce: str) -> str:
    """The page that asks a server for its libraries and answers.

    Args:
        first: the answers that its first view takes, as JSON, so that it need not ask for them.
        nonce: a text that nobody can guess: only scripts and styles with it count.
    """
    # Deferred, behind the page's own modules: the list of runs does not wait for them.
    scripts = "".join(
        f'<script defer nonce="{nonce}" src="libraries/{name}?{digest_bytes(content).hex[:12]}"></script>'
        for name, content in libraries().items()
    )
    carried = f'<script type="application/json" id="first">{embedded(first)}</script>'
    return _page(title="zencache", head=_styles(nonce), body=f"{carried}{_modules(nonce)}{scripts}")


def written_page(title: str, answers: object, nonce: str) -> str:
    """The page that holds everything: libraries, styles and answers.

    Args:
        answers: what the page may ask, as JSON.
        nonce: a text that nothing in ``answers`` can contain: only scripts and styles with it count.
    """
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
    )
    scripts = "".join(
        f'<script nonce="{nonce}">{content.decode()}</script>' for content in libraries().values()
    )
    carried = f'<script type="application/json" id="answers">{embedded(answers)}</script>'
    return _page(
        title=title,
        head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">{_styles(nonce)}',
        body=f"{carried}{scripts}{_modules(nonce)}",
    )


def embedded(document: object) -> str:
    """JSON that means the same inside of a script element, whatever the texts in it say."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))  # ASCII
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page(title: str, head: str, body: str) -> str:
    text = (_STATIC / "index.html").read_text(encoding="utf-8")
    # By parts, not one replacement after the other: what is put in may contain a marker.
    before_title, _, rest = text.partition("{{title}}")
    before_head, _, rest = rest.partition("{{head}}")
    before_body, _, rest = rest.partition("{{body}}")
    return "".join([before_title, html.escape(title), before_head, head, before_body, body, rest])


def _styles(nonce: str) -> str:
    library = (_VENDOR / "uPlot.min.css").read_text(encoding="utf-8")
    own = (_STATIC / "app.css").read_text(encoding="utf-8")
    return f'<style nonce="{nonce}">{library}</style><style nonce="{nonce}" id="{_CYTOSCAPE}">{own}</style>'


def _modules(nonce: str) -> str:
    """The page's own modules, which import each other by name, and the start of the first of them."""
    addresses = {f"zencache/{file.stem}": _as_url(file) for file in sorted((_STATIC / "app").glob("*.js"))}
    names = embedded({"imports": addresses})
    return (
        f'<script type="importmap" nonce="{nonce}">{names}</script>'
        f'<script type="module" nonce="{nonce}">import "zencache/main";</script>'
    )


def _as_url(file: Path) -> str:
    return "data:text/javascript;base64," + base64.b64encode(file.read_bytes()).decode()
