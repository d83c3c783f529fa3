"""Check a built site: every page is there, and no page asks another server for anything.

    python .ci/check_docs_site.py SITE
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
NOT_LOADED = {"canonical", "prev", "next", "alternate", "edit"}


class Page(HTMLParser):
    """What a browser loads for a page, beside what the reader clicks on."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag in LOADS and not NOT_LOADED & set((found.get("rel") or "").split()):
            self.loads.append(found.get(LOADS[tag]) or "")


def is_elsewhere(address: str) -> bool:
    return bool(re.match(r"(https?:)?//", address))


def find_problems(site: Path) -> list[str]:
    problems = [
        f"{page.name} is not in the site"
        for page in sorted(DOCS.glob("*.md"))
        if not (site / page.with_suffix(".html").name).is_file()
    ]
    for file in sorted(site.rglob("*.html")):
        page = Page()
        page.feed(file.read_text(encoding="utf-8"))
        problems += [f"{file.name} loads {address}" for address in page.loads if is_elsewhere(address)]
    for file in sorted(site.rglob("*.css")):
        for address in re.findall(r"url\(['\"]?([^'\")]+)", file.read_text(encoding="utf-8")):
            if is_elsewhere(address):
                problems.append(f"{file.name} loads {address}")
    return problems


if __name__ == "__main__":
    found = find_problems(Path(sys.argv[1]))
    for problem in found:
        print(f"docs: {problem}", file=sys.stderr)
    if not found:
        print(f"docs: {len(list(Path(sys.argv[1]).glob('*.html')))} pages, none of which asks another server")
    sys.exit(1 if found else 0)
