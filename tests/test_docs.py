"""Every Python block of the README and the docs runs, and prints what the text block after it shows.

Every command on them is one that there is, and so is every setting.
"""

import itertools
import re
import shlex
import sys
from pathlib import Path

import click
import pytest

from zencache.cli import main
from zencache.settings import find_settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page):
    """``(code, expected output)`` of each Python block that is followed by a text block."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        (code, expected)
        for (language, code), (following, expected) in itertools.pairwise([*blocks, ("", "")])
        if language == "python" and following == "text"
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(*example, id=f"{page.name}-{i}")
        for page in PAGES
        for i, example in enumerate(examples(page))
    ],
)
def test_an_example_prints_what_the_page_shows(run_forked, code, expected):
    printed = run_forked(code).stdout
    assert [line.rstrip() for line in printed.splitlines()] == [
        line.rstrip() for line in expected.splitlines()
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_shows_its_output(page):
    languages = [language for language, _ in BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert languages.count("python") == len(examples(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def commands(page):
    """The commands of zencache on a page: lines of blocks as they are, and those named in a sentence."""
    text = page.read_text(encoding="utf-8")
    for language, block in BLOCK.findall(text):
        for line in block.splitlines() if language in ("bash", "console") else []:
            yield re.sub(r"^(\$ |[A-Z_]+=\S+ )+", "", line), True
    for named in re.findall(r"`(zencache [a-z][^`.|]+)`", BLOCK.sub("", text)):
        yield " ".join(named.split()), False


def wrong_usage(command, is_whole):
    """What the command line says of a command, without executing it."""
    named, context = main, None
    words = shlex.split(command, comments=True)
    try:
        while True:
            context = named.make_context(words[0], words[1:], parent=context)
            if not isinstance(named, click.Group):
                return None
            taken = "_protected_args" if hasattr(context, "_protected_args") else "protected_args"
            words = [*getattr(context, taken), *context.args]
            _, named, rest = named.resolve_command(context, words)
            words = [words[0], *rest]
    except click.exceptions.Exit:  # of --help and --version, which have said what they say
        return None
    except (click.MissingParameter, click.BadOptionUsage) as error:
        return error.format_message() if is_whole else None
    except click.UsageError as error:
        return error.format_message()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_on_a_page_are_ones_that_there_are(page):
    told = {
        command: wrong_usage(command, is_whole)
        for command, is_whole in commands(page)
        if command.startswith("zencache ") and not command.startswith("zencache cannot")
    }
    assert {command: wrong for command, wrong in told.items() if wrong} == {}


def test_a_command_that_there_is_not_would_be_found():
    assert "No such command" in wrong_usage("zencache shwo latest", True)
    assert "No such option" in wrong_usage("zencache gc --delte", False)
    assert "Missing argument" in wrong_usage("zencache show", True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_settings_on_a_page_are_ones_that_there_are(project, page):
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "toml":
            (project / "pyproject.toml").write_text(block, encoding="utf-8")
            settings = find_settings()
            for name in tomllib.loads(block)["tool"]["zencache"]:
                assert getattr(settings, name) is not None
