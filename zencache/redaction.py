"""Secrets taken out of what is shown or recorded: passwords of URLs, and options whose names tell of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"
_SECRET = (
    r"pass(?:words?|wd|phrase)?|pwd|secrets?|token|credentials?|sas|sig|signature|auth|authorization|"
    r"(?:api|access|account|private|shared|signing|secret|encryption)[-_. ]?keys?"
)
# A word of a name: `db_password`, `dbPassword`, `X-Amz-Signature`, `AccountKey`; not `compass` or `bypass`.
_NAME = re.compile(rf"(?:^|[^a-z])(?:{_SECRET})(?:$|[^a-z])")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Where a secret lies is none: `--sslkey_file`, `token_url`.
_HARMLESS = ("_file", "_path", "_url", "_uri", "_length", "_count", "_batch", "_size", "_type", "_name")
# The user of a URL and what stands between `:` and the last `@`; a number there is a port.
_RUN = re.compile(r"[^\s'\"]+")
_USER = re.compile(r"(?<=://)[^/@:?#]*:(?!\d+(?:[/?#]|$))")
# `https://TOKEN@host`: elsewhere a user without a password is a name, or a container of a store.
_TOKEN = re.compile(r"(?<=http://|ttps://)[^\s/@:?#'\"]+(?=@)")
# A name begins where a word does and is short: else a long text without `=` takes the square of its length.
_ASSIGNED = re.compile(r"(?<!\w)([A-Za-z_][\w.\-]{0,100})=((?![=\s])(?:\"[^\"]*\"|'[^']*'|[^\s&;,\"')\]}]+))")


def redacted(text: str) -> str:
    """A text with ``***`` for the passwords of its URLs and the values of ``password=...`` and the like.

    >>> redacted("mysql://team:hunter2@db/mlmd")
    'mysql://team:***@db/mlmd'
    >>> redacted("--db_password=hunter2 --runner=DirectRunner")
    '--db_password=*** --runner=DirectRunner'
    >>> redacted("https://store/x?sig=a1b2&part=3")
    'https://store/x?sig=***&part=3'
    """
    if "://" in text and "@" in text:
        text = _RUN.sub(_without_password, text)
        text = _TOKEN.sub(HIDDEN, text)
    if "=" in text:
        text = _ASSIGNED.sub(lambda m: f"{m[1]}={HIDDEN}" if is_secret(m[1]) else m[0], text)
    return text


def _without_password(run: re.Match[str]) -> str:
    last = run[0].rfind("@")
    user = _USER.search(run[0]) if last >= 0 else None
    if user is None or user.end() > last:
        return run[0]
    return f"{run[0][: user.end()]}{HIDDEN}{run[0][last:]}"


def redacted_flags(flags: Sequence[str]) -> tuple[str, ...]:
    """Command-line options with ``***`` for the values of those that tell of a secret.

    >>> redacted_flags(["--password", "hunter2", "--runner=DirectRunner"])
    ('--password', '***', '--runner=DirectRunner')
    """
    shown: list[str] = []
    is_value = False
    for flag in flags:
        name, separator, value = flag.partition("=")
        if is_value and not flag.startswith("--"):
            shown.append(HIDDEN)
        elif separator and name.startswith("-") and is_secret(name) and value:
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(redacted(flag))
        is_value = flag.startswith("-") and not separator and is_secret(flag)
    return tuple(shown)


def redacted_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, such as those of a file system, with ``***`` for each that tells of a secret.

    >>> redacted_options({"key": "AKIA", "secret": "hunter2", "client": {"token": "t"}})
    {'key': '***', 'secret': '***', 'client': {'token': '***'}}
    """
    return {name: _redacted_option(name, value) for name, value in options.items()}


def _redacted_option(name: str, value: Any) -> Any:
    if value is not None and (name == "key" or is_secret(str(name))):  # `key`: half of s3fs's credentials
        return HIDDEN
    if isinstance(value, Mapping):
        return redacted_options(value)
    return redacted(value) if isinstance(value, str) else value


def is_secret(name: str) -> bool:
    """Whether the name of an option tells of a secret.

    >>> is_secret("db_password"), is_secret("AccountKey"), is_secret("cache_key"), is_secret("max_tokens")
    (True, True, False, False)
    """
    words = _CAMEL.sub("_", name).lower()
    return _NAME.search(words) is not None and not words.endswith(_HARMLESS)
