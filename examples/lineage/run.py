"""What made this model, and what came of this data? A pipeline runs twice, then its record is asked.

lineage.ipynb, beside this file, asks more, of real digits, and draws the answers.
"""

from zencache import Output, Repository, pipeline, step


@step
def import_flats() -> Output(sizes=list, rents=list):
    """Square metres and rents. The last rent is a typing error."""
    return [25, 40, 55, 70, 85, 100], [400, 560, 720, 880, 1040, 12000]


@step
def import_limits() -> Output(lowest=int, highest=int):
    """What a rent can be."""
    return 100, 5000


@step
def clean(sizes: list, rents: list, lowest: int, highest: int) -> Output(clean_sizes=list, clean_rents=list):
    flats = [(size, rent) for size, rent in zip(sizes, rents, strict=True) if lowest < rent < highest]
    return [size for size, _ in flats], [rent for _, rent in flats]


@step
def train(sizes: list, rents: list, rounds: int) -> dict:
    """A line through the rents, found in so many rounds of gradient descent."""
    slope = offset = 0.0
    for _ in range(rounds):
        for size, rent in zip(sizes, rents, strict=True):
            error = rent - slope * size - offset
            slope, offset = slope + error * size / 1e4, offset + error / 10
    return {"slope": slope, "offset": offset}


@step
def evaluate(model: dict, sizes: list, rents: list) -> float:
    errors = [model["slope"] * size + model["offset"] - rent for size, rent in zip(sizes, rents, strict=True)]
    return sum(map(abs, errors)) / len(errors)


@pipeline
def rents(rounds: int):
    sizes, rents = clean(*import_flats(), *import_limits())
    evaluate(train(sizes, rents, rounds=rounds), sizes, rents)


def main():
    short = rents(rounds=10).run()
    long = rents(rounds=500).run()
    for run in (short, long):
        print(
            f"{run.steps['train'].parameters}: wrong by {run.steps['evaluate'].output.read():.1f} on average"
        )

    repo = Repository()
    model = long.steps["train"].output
    print("\nWhat made the second model?")
    for artifact in (*model.upstream(), model):
        maker = artifact.producer_step
        print(f"  {artifact.type} {artifact.id}, made by {maker.name} {maker.parameters or ''}".rstrip())

    flats = short.steps["import_flats"].outputs["rents"]
    print("\nWhat came of the rents that were imported?")
    for artifact in flats.downstream():
        print(f"  {artifact.type} {artifact.id}, made by {artifact.producer_step.name}")

    print("\nWhere do the two runs part?")
    for step_comparison in repo.compare(short.name, long.name).steps:
        for difference in step_comparison.differences:
            print(f"  {step_comparison.step}: {difference}")

    print("\nIf those rents are bad, what is spoiled?")
    spoiled = repo.impact(flats)
    print(
        f"  {len(spoiled.artifacts)} artifacts, in {len(spoiled.runs)} runs of {', '.join(spoiled.pipelines)}"
    )

    print("\nThe same on the command line:")
    print("  zencache lineage latest/train")
    print("  zencache diff RUN latest")
    print("  zencache impact latest/import_flats/rents")


if __name__ == "__main__":
    main()
