"""Check what examples/taxi/run.py printed in an empty project, run twice, the second time with --gain 0.9.

Its output and log come on stdin.
"""

import re
import sys

DATA = ["Importer", "ExampleGen", "StatisticsGen", "SchemaGen", "TransformRides"]
MODEL = ["Trainer", "Evaluator"]
STEPS = [*DATA, *MODEL, "Blesser", "Pusher"]
# By process and trainer, the wide one first. A pusher has no output, so it is never cached.
CACHED = [[], DATA], [[*DATA, *MODEL], [*DATA, *MODEL]]
CELL = r"\d+\.\d+ s (\w+)"
ROW = re.compile(rf"^\W*(\w+)\W+{CELL}\W+{CELL}\W*$", re.MULTILINE)


def find_problems(text: str) -> list[str]:
    problems = []

    def check(what: str, found: object, expected: object) -> None:
        if found != expected:
            problems.append(f"{what}: found {found}, expected {expected}")

    rows = [row.groups() for row in ROW.finditer(text)]
    check("components in the tables", [name for name, *_ in rows], 2 * STEPS)
    for process, of_trainers in enumerate(CACHED):
        table = rows[process * len(STEPS) : (process + 1) * len(STEPS)]
        for column, expected in enumerate(of_trainers, start=1):
            statuses = {name: "cached" if name in expected else "completed" for name in STEPS}
            check(f"process {process}, trainer {column}", {row[0]: row[column] for row in table}, statuses)

    verdicts = re.findall(r"^(\w+): (\w+), accuracy ([\d.]+), a constant ([\d.]+)", text, re.MULTILINE)
    check(
        "verdicts",
        [verdict[:2] for verdict in verdicts],
        [(trainer, blessing) for blessing in ("BLESSED", "NOT_BLESSED") for trainer in ("wide", "deep")],
    )
    if len(verdicts) == 4:
        check("the results of the cached models are the same", verdicts[2][2:], verdicts[0][2:])
        wide, deep, constant = (float(x) for x in (verdicts[0][2], verdicts[1][2], verdicts[0][3]))
        check(f"constant {constant} < wide {wide} < deep {deep}", constant < wide < deep, True)
    pushed = re.findall(r"the model is blessed and pushed to taxi_models/(\d+)", text)
    check("pushed versions", pushed, ["1", "2"])
    check("models that were not pushed", text.count("is not blessed ("), 2)
    return problems


if __name__ == "__main__":
    problems = find_problems(sys.stdin.read())
    for problem in problems:
        print(f"taxi example: {problem}", file=sys.stderr)
    if not problems:
        print("taxi example: the second trainer reused 5 of 9 components; two models pushed, no other")
    sys.exit(1 if problems else 0)
