"""Two people share a cache: what one has made the other need not make, and what both want is made once.

Each of them is a process with a pipeline of its own. They share a metadata store and an artifact store, here
in the folder `team`; for people on different machines these are a database and a bucket.
"""

import subprocess
import sys
import time

from zencache import Repository, pipeline, step
from zencache.events import WillWait
from zencache.testing import capture_events


@step
def prepare(rows: int) -> list:
    """What everybody needs, and what takes long."""
    time.sleep(3)
    return [(37 * row) % 101 for row in range(rows)]


@step
def average(numbers: list) -> float:
    return sum(numbers) / len(numbers)


@step
def largest(numbers: list) -> int:
    return max(numbers)


@pipeline
def anns_pipeline(rows: int):
    average(prepare(rows))


@pipeline
def bobs_pipeline(rows: int):
    largest(prepare(rows))


PIPELINES = {"ann": anns_pipeline, "bob": bobs_pipeline}


def work(person, rows):
    """What a person's process does: run when it is told to, and say what became of each step."""
    team = Repository(metadata="team/metadata.db", artifacts="team/artifacts")
    print("ready", flush=True)
    input()
    with capture_events() as events:
        run = PIPELINES[person](rows).run(repository=team)
    waited = " (and waited for it)" if any(isinstance(event, WillWait) for event in events) else ""
    for name, one in run.steps.items():
        print(f"{name} {one.status}{waited if name == 'prepare' else ''}")


def together(people, rows):
    """Let them run at the same time. Who comes first is chance, so the lines are sorted."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, person, str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for person in people
    ]
    for process in processes:
        process.stdout.readline()  # it is ready
    for process in processes:
        print("go", file=process.stdin, flush=True)
    lines = [line for process in processes for line in process.communicate()[0].splitlines()]
    print(*(f"  {line}" for line in sorted(lines)), sep="\n", flush=True)


def main():
    print("Ann runs her pipeline:", flush=True)
    together(["ann"], rows=100)
    print("Then Bob runs his, which begins with the same step:", flush=True)
    together(["bob"], rows=100)
    print("Both at the same time, with more rows:", flush=True)
    together(["ann", "bob"], rows=200)


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2])) if sys.argv[1:] else main()
