"""Speeds of the library and of what it is compared with, as one table: `python bench [ROW …] [--whole]`.

All ways of a row are measured in turn, in processes of their own, warmed up and on one core: medians of 5, and ratios
with the least and the greatest of those taken in one turn. It wants an idle machine.
"""

import argparse
import os
import platform
from functools import partial

import digits_cnn
import grid
import job
import linear_snippet
import report
import tables
import third_snippet
import turns
import workspace

MICRO, MILLI = 1e-6, 1e-3
NOTES = """
thalweg: as a job does it, which draws the order of the data and records loss, metrics and diagnostics on three splits
at up to 40 points of a run. Training only: evaluated at its beginning and its end, the order of the data made before.
The others do nothing but train, and check nothing; JAX and PyTorch train from the same weights in the same order.
"""


def steps(title: str, workload, unit: float, ways=None) -> None:
    """Time for a step of every way, all on one run of that workload."""
    times = turns.measure(workload.__name__, ways or workload.WAYS)
    turns.table(title, {name: taken.warm for name, taken in times.items()}, unit)


def digits() -> None:
    for batch, number in digits_cnn.STEPS.items():
        ways = {name: way for name, way in digits_cnn.WAYS.items() if name.endswith(f"({batch})")}
        steps(f"digits CNN, batch {batch}, {number} steps of Adam, ms a step", digits_cnn, MILLI * number, ways)


def first() -> None:
    firsts = {name: [] for name in third_snippet.FIRST}
    for _ in range(turns.ROUNDS):
        for name in firsts:
            taken = turns.measure(third_snippet.__name__, {name: third_snippet.WAYS[name]}, rounds=0)
            firsts[name].append(taken[name].first)
    turns.table("first run of the third snippet, everything included, s", firsts)


def fixed_cost() -> None:
    print("fixed cost of a job, s (median, least to greatest)", flush=True)
    for name, seconds in {**job.parts(), **job.whole_jobs()}.items():
        turns.line(name, turns.statistics.median(seconds), seconds)


def grid_of_runs(whole: bool) -> None:
    print("grid of the third snippet, from the start of Snakemake to its tables, s (once)", flush=True)
    seconds_by_cores = {}
    for cores in (2, 1):
        seconds_by_cores[cores], runs = grid.measure(cores, grid.TENTH)
        turns.line(f"{runs:,} runs on {cores} cores", seconds_by_cores[cores])
        turns.line(f"  so {grid.RUNS:,} would take, minutes", seconds_by_cores[cores] * grid.RUNS / runs / 60)
    turns.line("two cores are × as fast as one", seconds_by_cores[1] / seconds_by_cores[2])
    if whole:
        seconds, runs = grid.measure(2, grid.WHOLE)
        turns.line(f"{runs:,} runs on 2 cores, minutes", seconds / 60)


def tables_of_runs() -> None:
    print("all tables from the shards of 50,000 runs (once)", flush=True)
    for cores, cost in zip((2, 1), tables.measure(2, 1), strict=True):
        turns.line(f"on {cores} core{'s' * (cores > 1)}, s", cost.seconds)
        turns.line("  memory at the peak, GiB", cost.gib)


def report_of_cells() -> None:
    print("report of 1,500 cells of 10 seeds, from their runs to its index (once)", flush=True)
    with workspace.workspace(report.experiment()) as root:
        report.make_up(root)
        cost = report.build(root, cores=2)
        turns.line("on 2 cores, s", cost.seconds)
        turns.line("  of the processors, s", cost.processor_seconds)
        pages = [root / "results" / workspace.NAME / "report" / name for name in ("index.html", "cells.html")]
        for page, seen in zip(pages, report.opened(pages), strict=True):
            turns.line(f"{page.name}, KiB", seen.kib)
            turns.line("  until Chromium has drawn it, s", seen.seconds)
        turns.line(f"{pages[0].name} on paper, pages of A4", report.printed(pages[0]))


def main() -> None:
    rows = {
        "third_snippet": partial(
            steps, "third snippet, 2,000 steps of Adam, µs a step", third_snippet, MICRO * third_snippet.STEPS
        ),
        "linear_snippet": partial(
            steps, "linear snippet, 500 steps of SGD, µs a step", linear_snippet, MICRO * linear_snippet.STEPS
        ),
        "digits_cnn": digits,
        "first_run": first,
        "job": fixed_cost,
        "grid": grid_of_runs,
        "tables": tables_of_runs,
        "report": report_of_cells,
    }
    parser = argparse.ArgumentParser(prog="python bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(rows)}; all of them if none is named")
    parser.add_argument("--whole", action="store_true", help="train the whole grid of 50,000 runs too")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - rows.keys()
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    rows["grid"] = partial(grid_of_runs, arguments.whole)
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores{load}")
    turns.heading()
    for name in arguments.rows or rows:
        rows[name]()
    print(NOTES.strip())


if __name__ == "__main__":
    main()
