"""Every Python block of the README and the docs runs, and prints what the text block after it shows."""

import itertools
import re
from pathlib import Path

import pytest

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
def test_an_example_prints_what_the_page_shows(run_script, code, expected):
    printed = run_script(code).stdout
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
