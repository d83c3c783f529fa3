"""Options in the form of a command line, said at several levels: ``["--runner=FlinkRunner", ...]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zencache.exceptions import DeclarationError


def check_flags(flags: Any, where: str) -> tuple[str, ...]:
    """The options as a tuple.

    Raises:
        DeclarationError: they are not a list of texts, or begin with something other than an option.
    """
    if flags is None:
        return ()
    if (
        isinstance(flags, str)
        or not isinstance(flags, Sequence)
        or not all(isinstance(flag, str) for flag in flags)
        or (flags and not flags[0].startswith("--"))
    ):
        raise DeclarationError(
            "`beam_pipeline_args` takes a list of options.",
            facts={"at": where, "found": repr(flags)},
            hint='For example `["--runner=FlinkRunner", "--flink_master=localhost:8081"]`.',
        )
    return tuple(flags)


def merged(*levels: Sequence[str]) -> tuple[str, ...]:
    """The options of several levels, the strongest first: an option replaces the weaker levels' one.

    >>> merged(["--runner=FlinkRunner"], ["--runner", "FnApiRunner", "--streaming"])
    ('--runner=FlinkRunner', '--streaming')
    """
    taken: set[str] = set()
    result: list[str] = []
    for level in levels:
        options = list(_options(level))
        result += [token for name, tokens in options if name not in taken for token in tokens]
        taken |= {name for name, _ in options}
    return tuple(result)


def _options(flags: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """``(name, tokens)`` of each option; a token that is no option is the value of the one before it."""
    tokens: list[str] = []
    for flag in flags:
        if flag.startswith("--") and tokens:
            yield _name(tokens[0]), tokens
            tokens = []
        tokens.append(flag)
    if tokens:
        yield _name(tokens[0]), tokens


def _name(flag: str) -> str:
    return flag.partition("=")[0].lstrip("-").removeprefix("no_")
