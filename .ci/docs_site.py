"""What MkDocs does not do by itself for the docs: examples that pages link to lie in the site, too."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
# What docstrings say for Sphinx, such as :class:`Run`.
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):(?=`)")
EXAMPLE = re.compile(r"^Example::\n\n((?:    .*\n?|\n)+)", re.MULTILINE)
SESSION = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)
# In the repository the examples lie beside docs/; in the site they lie in it.
BESIDE = re.compile(r"\]\(\.\./(examples/[^)#]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add each example that a page links to, so that the link is checked and leads to the file."""
    linked = set()
    for file in files.documentation_pages():
        linked |= set(BESIDE.findall(Path(file.abs_src_path).read_text(encoding="utf-8")))
    for path in sorted(linked):
        if (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    return BESIDE.sub(r"](\1", markdown)


class Docstrings(griffe.Extension):
    """Docstrings, which are read in the source as well, as Markdown: examples as blocks of code, no roles."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    text = ROLE.sub("", docstring).replace("``", "`")
    text = EXAMPLE.sub(lambda m: f"```python\n{textwrap.dedent(m[1]).strip()}\n```\n\n", text)
    return SESSION.sub(lambda m: f"```pycon\n{m[0]}\n```", text)
