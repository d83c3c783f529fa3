"""Synthetic taxi rides, made by a seeded generator: no ride, company or tip in them is real.

The same seed and number of rows give the same files, byte for byte:

    python data.py --rows 20000 --folder rides
"""

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np

COLUMNS = (
    "trip_miles",
    "trip_seconds",
    "fare",
    "tips",
    "pickup_hour",
    "pickup_weekday",
    "payment_type",
    "company",
)
ROWS_IN_FILE = 25_000
COMPANIES = ("Amber Cabs", "Blue Line", "Checker", "Dispatch One", "Eastside", "Flagship")
PAYMENTS = ("Credit Card", "Cash", "Mobile")


def make_rides(rows, seed, file_number):
    """The columns of one file. Each file has a seed of its own, so that no file depends on another."""
    random = np.random.default_rng([seed, file_number])
    hour = random.integers(0, 24, rows)
    weekday = random.integers(0, 7, rows)
    miles = np.clip(random.lognormal(0.9, 0.8, rows), 0.1, 60).round(2)
    miles_an_hour = np.where((hour >= 7) & (hour < 19), 11, 19) * random.lognormal(0, 0.2, rows)
    seconds = (60 + 3600 * miles / miles_an_hour).round()
    fare = (3.25 + 2.25 * miles + 0.004 * seconds).round(2)
    payment = random.choice(len(PAYMENTS), rows, p=[0.55, 0.3, 0.15])
    company = random.choice(len(COMPANIES), rows, p=[0.35, 0.25, 0.15, 0.12, 0.08, 0.05])

    # Who tips well: nearly nobody who pays cash; else it is late on a working day, or early on a free one.
    # A model has to combine columns to see that, which the deep one can and the wide one cannot.
    is_late, is_free_day = (hour >= 20) | (hour < 5), weekday >= 5
    liking = np.where(is_late != is_free_day, 1.8, -1.2) + 0.3 * np.log(miles) + 0.15 * (company - 2)
    tips_well = random.random(rows) < np.where(payment == 1, 0.03, 1 / (1 + np.exp(-liking)))
    share = np.where(tips_well, random.uniform(0.22, 0.35, rows), random.uniform(0, 0.18, rows))
    tips = (fare * share).round(2)

    seconds_text = seconds.astype(int).astype(str)
    seconds_text[random.random(rows) < 0.01] = ""  # a meter that failed
    company_text = np.array(COMPANIES)[company]
    company_text[random.random(rows) < 0.02] = ""
    payment_text = np.array(PAYMENTS)[payment]
    return miles, seconds_text, fare, tips, hour, weekday, payment_text, company_text


def write_rides(folder, rows, seed=0):
    """Write the rides into CSV files in ``folder``, unless it is there; returns the folder."""
    folder = Path(folder)
    if folder.is_dir():
        return folder
    partial = folder.with_name(folder.name + ".partial")  # renamed when it is complete
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for number, start in enumerate(range(0, rows, ROWS_IN_FILE)):
        columns = make_rides(min(ROWS_IN_FILE, rows - start), seed, number)
        with open(partial / f"rides-{number:05}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return partial.rename(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", default="rides")
    given = parser.parse_args()
    print(write_rides(given.folder, given.rows, given.seed))
