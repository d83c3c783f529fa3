"""Files as inputs: edit one, and see which steps run again. What counts is what the files hold."""

from pathlib import Path

from zencache import ExternalFile, pipeline, step

SALES = Path("sales")


@step
def read(files: list[Path]) -> dict:
    """Month -> its amounts. The step is given the paths of the files."""
    return {file.stem: [float(line) for line in file.read_text().split()] for file in files}


@step
def add_up(amounts: dict) -> float:
    return sum(map(sum, amounts.values()))


@step
def report(total: float, template: Path) -> str:
    return template.read_text().strip().format(total=total)


@pipeline
def reporting():
    total = add_up(read(ExternalFile("sales/*.csv")))
    report(total, template=ExternalFile("sales/report.txt"))


def run(what):
    steps = reporting().run().steps
    print(f"{what}:")
    print("  ", ", ".join(f"{name} {one.status}" for name, one in steps.items()))
    print("  ", steps["report"].output.read(), flush=True)


def main():
    SALES.mkdir(exist_ok=True)
    for file in SALES.iterdir():
        file.unlink()
    (SALES / "january.csv").write_text("10\n20\n")
    (SALES / "february.csv").write_text("30\n")
    (SALES / "report.txt").write_text("We sold {total}.\n")
    run("The first time")

    (SALES / "january.csv").touch()
    run("A file has another time, and the same content")

    (SALES / "january.csv").write_text("10\n25\n")
    run("An amount was corrected")

    (SALES / "january.csv").write_text("25\n10\n")
    run("Two lines changed places, so the total is the same")

    (SALES / "march.csv").write_text("40\n")
    run("There is one more file")

    (SALES / "report.txt").write_text("The total is {total}.\n")
    run("The template was edited, which only the report reads")


if __name__ == "__main__":
    main()
