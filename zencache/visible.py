"""Text of others as it may be shown: what acts on a terminal or cannot be seen is written as an escape."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_JOINER = "\u200d"  # holds emoji together


def visible(text: str, keep: str = "") -> str:
    """A text without control characters, marks of direction, or halves of characters.

    Args:
        text: anything.
        keep: control characters that are meant, such as the newlines of a message.

    >>> visible("a\\x1b[2Jb\\n")
    'a\\\\x1b[2Jb\\\\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in keep or character == _JOINER or unicodedata.category(character) not in _HIDDEN
        else character.encode("unicode_escape").decode()
        for character in text
    )


def shortened(text: str, length: int) -> str:
    """A text of at most so many characters; its middle is left out, since names differ at their ends.

    >>> shortened("a_rather_long_name_2", 10)
    'a_rat…me_2'
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return text[: length - 1 - tail] + "…" + text[len(text) - tail :]


def without_password(url: str) -> str:
    """A URL as it may be shown and recorded: without the user and password in it.

    A name before an ``@`` without a password stays for Azure, where it is the container.

    >>> without_password("sftp://me:secret@host/cache")
    'sftp://host/cache'
    >>> without_password("abfs://container@account.dfs.core.windows.net/cache")
    'abfs://container@account.dfs.core.windows.net/cache'
    """
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    userinfo, at, bare = host.rpartition("@")
    if not separator or not at or (scheme.startswith(("abfs", "az")) and ":" not in userinfo):
        return url
    return f"{scheme}{separator}{bare}{slash}{path}"
