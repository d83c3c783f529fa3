"""Run the benchmarks, keep what they found, and write `docs/benchmarks.md` from it.

    python3 .ci/with_venv.py --extra test tests/benchmarks/run.py [options]

Each benchmark is a process of its own and leaves a file in `tests/benchmarks/results`, which is committed
with the page; the page is written from all that lie there. So `--only` repeats one in a fresh clone, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
from page import write_page
from result import Benchmark, read

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RECENT = timedelta(hours=12)
NAMES = sorted(path.stem.removeprefix("test_") for path in HERE.glob("test_*.py"))


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Run this one; may be repeated.")
@click.option("--resume", is_flag=True, help="Leave out those that were measured within 12 hours.")
@click.option("--million", is_flag=True, help="Also a store of a million executions: 4 GB, some minutes.")
@click.option("--quick", is_flag=True, help="Small sizes, to try whether all works; the page goes to build/.")
@click.option("--page-only", is_flag=True, help="Run nothing: write the page from what there is.")
def main(only: tuple[str, ...], resume: bool, million: bool, quick: bool, page_only: bool) -> None:
    results = ROOT / "build" / "benchmarks-quick" if quick else HERE / "results"
    docs = results / "docs" if quick else ROOT / "docs"
    recent = {name for name, benchmark in read(results).items() if is_recent(benchmark)} if resume else ()
    failed = []
    for name in () if page_only else only or NAMES:
        if name in recent:
            continue
        started = time.perf_counter()
        if run(name, results, million=million, quick=quick):
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - started:.0f} s", flush=True)
    found = read(results)
    if not found:
        raise click.ClickException(f"There are no results in {results}: run without --page-only first.")
    write_page(found, docs)
    print(f"\nwritten: {docs / 'benchmarks.md'}")
    missed = [result for benchmark in found.values() for result in benchmark.results if result.is_missed]
    for result in missed:
        print(f"  {result.title}: {result}")
    if failed or (missed and not quick):
        raise click.ClickException(f"failed: {', '.join(failed) or 'none'}; missed goals: {len(missed)}")


def is_recent(benchmark: Benchmark) -> bool:
    return datetime.now(timezone.utc) - datetime.fromisoformat(benchmark.measured) < RECENT


def run(name: str, results: Path, *, million: bool, quick: bool) -> int:
    """The exit code of a benchmark's own process; what it found is kept also if it fails."""
    settings = {"ZENCACHE_BENCHMARK_RESULTS": str(results), "TF_CPP_MIN_LOG_LEVEL": "2"}
    settings |= {"ZENCACHE_BENCHMARK_MILLION": "1"} if million else {}
    settings |= {"ZENCACHE_BENCHMARK_QUICK": "1"} if quick else {}
    options = ["-n", "0", "-p", "no:randomly", "-m", "benchmark", "-s", "--tb=short"]
    command = [sys.executable, "-m", "pytest", *options, str(HERE / f"test_{name}.py")]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=False).returncode


if __name__ == "__main__":
    main()
