"""Check what examples/mnist_caching/run.py printed in an empty project: its output and log come on stdin."""

import re
import sys

STEPS = ["importer_mnist", "normalizer", "tf_trainer", "tf_evaluator"]
CACHED = [set(), {"importer_mnist", "normalizer"}, set(STEPS)]  # in run 1, 2 and 3
SECONDS = r"(\d+\.\d+)( cached)?"
ROW = re.compile(rf"^\W*(\w+)\W+{SECONDS}\W+{SECONDS}\W+{SECONDS}\W", re.MULTILINE)


def find_problems(text: str) -> list[str]:
    problems = []

    def check(what: str, found: object, expected: object) -> None:
        if found != expected:
            problems.append(f"{what}: found {found}, expected {expected}")

    rows = {row[1]: row for row in ROW.finditer(text)}
    check("steps in the table", list(rows), STEPS)
    for run, expected in enumerate(CACHED, start=1):
        cached = {name for name, row in rows.items() if row[2 * run + 1]}
        check(f"cached in run {run}", sorted(cached), sorted(expected))

    said = re.findall(r"Using cached version of `(\w+)`", text)
    for name in STEPS:
        expected_times = sum(name in cached for cached in CACHED)
        check(f"times that the log says {name} was cached", said.count(name), expected_times)
        check(f"times that {name} has finished", len(re.findall(rf"`{name}` has finished in", text)), 3)
    check("runs that have finished", len(re.findall(r"Pipeline run `.*` has finished in", text)), 3)

    found = re.search(r"^Accuracy: ([\d.]+) .*?, ([\d.]+) .*?, ([\d.]+) ", text, re.MULTILINE)
    accuracy = [float(number) for number in found.groups()] if found else []
    check("accuracies", len(accuracy), 3)
    if accuracy:
        check("accuracy of run 3, as of run 1", accuracy[2], accuracy[0])
        check("accuracy above 0.7", all(number > 0.7 for number in accuracy), True)
    for label in ("Data", "Lineage", "Results"):
        check(f"lines that begin with {label}", len(re.findall(rf"^{label}: +\S", text, re.MULTILINE)), 1)
    return problems


if __name__ == "__main__":
    problems = find_problems(sys.stdin.read())
    for problem in problems:
        print(f"example: {problem}", file=sys.stderr)
    if not problems:
        print("example: 4 steps; cached 0, 2 and 4 of them in runs 1, 2 and 3; accuracy of run 3 as of run 1")
    sys.exit(1 if problems else 0)
