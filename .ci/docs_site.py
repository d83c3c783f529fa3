"""What MkDocs does not do by itself for the docs: examples that pages link to are in the site, too."""

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
    """Add each example that a page links to: a program as a page, to be read; any other file as it is."""
    linked = set()
    for file in files.documentation_pages():
        linked |= set(BESIDE.findall(Path(file.abs_src_path).read_text(encoding="utf-8")))
    for path in sorted(linked):
        if path.endswith(".py") and (ROOT / path).is_file():
            code = (ROOT / path).read_text(encoding="utf-8")
            title = path.removeprefix("examples/")
            page = f"---\nhide: [toc]\n---\n# `{title}`\n\n```python\n{code}```\n"
            files.append(File.generated(config, as_page(path), content=page))
        elif (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    return BESIDE.sub(lambda link: f"]({as_page(link[1])}", markdown)


def as_page(path: str) -> str:
    """Where a file of an example lies in the site: a program stands on a page."""
    return f"{path.removesuffix('.py')}.md" if path.endswith(".py") else path


class Docstrings(griffe.Extension):
    """Docstrings, which are read in the source as well, as Markdown: examples as blocks of code, no roles."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
        if isinstance(obj, griffe.Function):  # what takes any other option does so to say that there is none
            obj.parameters = griffe.Parameters(*(one for one in obj.parameters if one.name != "unknown"))

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Leave out attributes of which the docstring of the class tells, or which a method makes."""
        griffe.DataclassesExtension().on_package(pkg=pkg)  # makes parameters of them first
        modules = [pkg]
        for module in modules:  # grows
            modules += [one for one in module.modules.values() if not one.is_alias]
            for kind in module.classes.values():
                if not kind.is_alias:
                    leave_out_told(kind)


def leave_out_told(kind: griffe.Class) -> None:
    told = kind.docstring.value if kind.docstring else ""
    for name, member in list(kind.attributes.items()):
        is_told = re.search(rf"^ +{re.escape(name)}(, \w+)*:", told, re.MULTILINE)
        if not member.is_alias and not member.docstring and (is_told or member.annotation is None):
            kind.del_member(name)


def as_markdown(docstring: str) -> str:
    text = ROLE.sub("", docstring).replace("``", "`")
    text = EXAMPLE.sub(lambda m: f"```python\n{textwrap.dedent(m[1]).strip()}\n```\n\n", text)
    return SESSION.sub(lambda m: f"```pycon\n{m[0]}\n```", text)
