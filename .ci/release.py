"""The check-list of a release, performed: a line for each thing that has to hold, and the tag when all do.

    python3 .ci/with_venv.py --extra release .ci/release.py          # a dry run: checks, and changes nothing
    python3 .ci/with_venv.py --extra release .ci/release.py --tag    # also runs .ci/run, and then tags

The version is that of pyproject.toml. The files are left in `dist`, of which a person uploads them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where the version is written, and how.
VERSIONS = {
    "pyproject.toml": r'^version = "(.+)"$',
    "zencache/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
}
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def found(root: Path, file: str, pattern: str) -> str | None:
    path = root / file
    match = path.is_file() and re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1) if match else None


def version_of(root: Path) -> str:
    return found(root, "pyproject.toml", VERSIONS["pyproject.toml"]) or "without a version"


def sections(root: Path) -> dict[str, str]:
    """Heading of the changelog -> what is below it."""
    parts = HEADING.split((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def the_version_is_the_same_everywhere(root: Path) -> Iterator[str]:
    for file, pattern in VERSIONS.items():
        if (other := found(root, file, pattern)) != version_of(root):
            yield f"{file} has {other}, pyproject.toml has {version_of(root)}"


def the_changelog_has_a_section_of_this_version(root: Path) -> Iterator[str]:
    version = version_of(root)
    dated = [
        name for name in sections(root) if re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", name)
    ]
    if not dated:
        yield f"CHANGELOG.md has no heading `## {version} - YYYY-MM-DD`"
    elif not re.search(r"^- ", sections(root)[dated[0]], re.MULTILINE):
        yield f"nothing stands below `## {dated[0]}`"
    elif (date := found(root, "CITATION.cff", r'^date-released: "?([\d-]+)"?$')) != dated[0][-10:]:
        yield f"CITATION.cff has the date {date}, CHANGELOG.md has {dated[0][-10:]}"


def nothing_is_left_unreleased(root: Path) -> Iterator[str]:
    if re.search(r"^- ", sections(root).get("Unreleased", ""), re.MULTILINE):
        yield f"CHANGELOG.md has entries under Unreleased, and not below `## {version_of(root)} - YYYY-MM-DD`"


def the_tree_is_clean(root: Path) -> Iterator[str]:
    if changed := git(root, "status", "--porcelain"):
        yield f"there are changes that are not committed:\n{changed}"


def the_tag_is_new(root: Path) -> Iterator[str]:
    if git(root, "tag", "--list", f"v{version_of(root)}"):
        yield f"v{version_of(root)} exists"


def wheel_and_sdist_work_by_themselves(root: Path) -> Iterator[str]:
    command = [sys.executable, ".ci/check_package.py", "--clean", "--into", "dist"]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        yield done.stdout


def everything_passes(root: Path) -> Iterator[str]:
    if code := subprocess.run([".ci/run"], cwd=root).returncode:
        yield f".ci/run ended with {code}"


CHECKS = [
    the_version_is_the_same_everywhere,
    the_changelog_has_a_section_of_this_version,
    nothing_is_left_unreleased,
    the_tree_is_clean,
    the_tag_is_new,
    wheel_and_sdist_work_by_themselves,
]


def hold(checks: list[Callable[[Path], Iterator[str]]], root: Path) -> bool:
    """Whether all of them do; each is told, with what is wrong."""
    problems = 0
    for check in checks:
        wrong = list(check(root))
        print("NO " if wrong else "yes", check.__name__.replace("_", " "), flush=True)
        for one in wrong:
            print(f"      {one}", flush=True)
        problems += len(wrong)
    return not problems


def main(arguments: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tag", action="store_true", help="run .ci/run too, and tag when all holds")
    options = parser.parse_args(arguments)
    tag = f"v{version_of(root)}"
    print(f"{tag}:")
    if not hold([*CHECKS, everything_passes] if options.tag else CHECKS, root):
        print("Not released.")
        return 1
    if not options.tag:
        print("A dry run: .ci/run was not run and nothing was tagged. Go on with --tag.")
        return 0
    git(root, "tag", "--annotate", tag, "--message", f"zencache {version_of(root)}")
    print(f"Tagged {tag}. By hand, once `pip index versions zencache` shows this project and no other:")
    print(f"git push origin {tag}; python -m twine upload dist/*")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
