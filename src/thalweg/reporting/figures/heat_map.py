"""Which combination does best: optimizers by schedules, a panel for each batch size, by what runs are compared by."""

import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from thalweg import templates
from thalweg.analysis import histories
from thalweg.analysis.choose import TRIAL
from thalweg.analysis.histories import LOST
from thalweg.analysis.tables import comparisons
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import style
from thalweg.reporting.figures import matrix, panels
from thalweg.reporting.html import findings

CELL = ["optimizer", "schedule", "batch_size"]
CELL_WIDTH = 0.7
"""Inches: room for a cell's number."""


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Interquartile mean over evaluation seeds at the chosen rates; colour by how many times the lowest one it is."""
    every = panels.read(tables, "cells", problem)
    measure = comparisons.measures(experiment)[problem]
    column = comparisons.COLUMNS[measure]
    cells = every[[*CELL, *TRIAL, "n", *LOST, *(column + end for end in ("", "_lower", "_upper"))]].copy()
    values = histories.resolved(cells[column].astype(float))
    cells["times_lowest"] = (values / values.min()).where(np.isfinite(values), values)
    best = findings.chosen(panels.read(tables, "comparisons", problem), every)
    chosen = None if best is None else findings.records(best[CELL])[0]
    cells["chosen"] = (cells[CELL] == pd.Series(chosen, index=CELL)).all(axis=1)
    optimizers, schedules = list(experiment.optimizers), list(experiment.schedules)
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), cells["batch_size"])
    seeds = len(experiment.seeds.evaluation)
    least = CELL_WIDTH * len(schedules)
    abreast = panels.abreast(len(batch_sizes), least)
    highest = max([1.1, *cells.loc[np.isfinite(cells["times_lowest"]), "times_lowest"]])
    norm, colours = LogNorm(1, highest), sns.color_palette("crest", as_cmap=True)
    figure, axes = panels.grid(1, len(batch_sizes), max(0.42 * len(optimizers), 0.8) + 0.3, least, of_text=True)
    for place, axis in enumerate(axes.flat):
        matrix.name(axis, optimizers, schedules, panels.letters(0.8 * style.width() / (abreast * len(schedules))))
        axis.set_title(f"batch size {batch_sizes[place]}", fontweight="bold")
        axis.tick_params(labelbottom=panels.is_lowest(axis))
        rows = cells[cells["batch_size"] == batch_sizes[place]]
        by_name = {(row.optimizer, row.schedule): row for row in rows.itertuples()}
        for (y, optimizer), (x, schedule) in product(enumerate(optimizers), enumerate(schedules)):
            show(axis, x, y, by_name.get((optimizer, schedule)), seeds, column, lambda value: colours(norm(value)))
    bar = matrix.colour_bar(figure, norm, colours, "times\nthe lowest", times)
    bar.ax.yaxis.set_major_locator(
        LogLocator(subs=(1, 1.2, 1.5, 2) if highest < 3 else (1, 2, 5) if highest < 100 else (1,))
    )
    marks: list[Patch] = [Patch(label="chosen by the tuning runs", **matrix.FRAME)]
    if cells[list(LOST)].any(axis=None):
        lost = "diverged or out of time" if cells["out_of_time"].any() else "diverged"
        marks.append(Patch(label=f"foot: {lost}, how many of all", **matrix.HATCH, edgecolor=style.MUTED))
    if np.isposinf(cells[column]).any():
        marks.append(Patch(label="all over: infinite", **matrix.HATCH, edgecolor=style.GRID))
    panels.place_legend(figure, marks)
    facts = {
        "measure": measure,
        "optimizers": len(optimizers),
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        **panels.evaluated(cells, declared(experiment)[problem, "evaluation"]),
        "infinite": int(np.isposinf(cells[column]).sum()),
        **panels.all_lost(cells),
        **panels.extremes(cells, column, CELL),
        "chosen": chosen,
    }
    return panels.Drawing(figure, cells, cells, facts)


def times(value: float) -> str:
    """A tick of the colour bar."""
    return f"{value:g}" if value < 1000 else templates.number(value, 1)


def show(axis: Axes, x: int, y: int, cell: Any, seeds: int, column: str, colour: Any) -> None:
    """One cell: its value of a column, how many of its runs are there, if not those of all seeds, and how many were
    lost, if any, over a hatched foot; if infinite hatched all over."""
    if cell is None or not cell.n:
        matrix.write(axis, x, y, "not run", color=style.MUTED)
        return
    lost = sum(getattr(cell, name) for name in LOST)
    there = panels.run(cell.n, seeds)
    text = templates.number(getattr(cell, column)).replace(" × ", "·" if lost or there else "\n× ")
    text = "\n".join(filter(None, [text, there, f"{lost} of {cell.n}" if lost else ""]))
    if math.isfinite(cell.times_lowest):
        painted = colour(cell.times_lowest)
        matrix.paint(axis, x, y, painted, text, raised=0.08 if lost else 0)
        if lost:
            matrix.hatch(axis, x, y, 0.16, matrix.ink_on(painted))
    else:
        matrix.hatch(axis, x, y, 1, style.GRID)
        matrix.write(axis, x, y, text)
    if cell.chosen:
        matrix.frame(axis, x, y)
