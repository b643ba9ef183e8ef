"""Which combination does best: optimizers by schedules, a panel for each batch size, by what runs are compared by."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Any

from thalweg import templates
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import (
    choose,
    comparing,
    data,
    findings,
    histories,
    legends,
    matrix,
    mpl,
    np,
    panels,
    pd,
    sns,
    style,
)
from thalweg.reporting.figures import Figure

CELL = ["optimizer", "schedule", "batch_size"]
MIN_CELL_WIDTH = 0.7
"""Inches: room for a cell's number."""


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw interquartile means over evaluation seeds at the chosen rates. Colour: how many times the lowest it is."""
    all_cells = data.read_table(tables, "cells", problem)
    measure = comparing.measures(experiment)[problem]
    column = comparing.MEASURE_COLUMNS[measure]
    cells = all_cells[
        [*CELL, *choose.TRIAL, "n", *histories.FAILURES, *(column + end for end in ("", "_lower", "_upper"))]
    ].copy()
    values = histories.resolved(cells[column].astype(float))
    cells["times_lowest"] = (values / values.min()).where(np.isfinite(values), values)
    best = findings.find_chosen_cell(data.read_table(tables, "comparisons", problem), all_cells)
    chosen = None if best is None else findings.records(best[CELL])[0]
    cells["chosen"] = (cells[CELL] == pd.Series(chosen, index=CELL)).all(axis=1)
    optimizers, schedules = list(experiment.optimizers), list(experiment.schedules)
    batch_sizes = data.levels_present(sorted(experiment.problems[problem].batch_sizes), cells["batch_size"])
    seeds = len(experiment.seeds.evaluation)
    min_width = MIN_CELL_WIDTH * len(schedules)
    abreast = panels.panels_abreast(len(batch_sizes), min_width)
    highest = max([1.1, *cells.loc[np.isfinite(cells["times_lowest"]), "times_lowest"]])
    norm, colours = mpl.colors.LogNorm(1, highest), sns.color_palette("crest", as_cmap=True)
    figure, axes = panels.make_grid(
        1, len(batch_sizes), max(0.42 * len(optimizers), 0.8) + 0.3, min_width, of_text=True
    )
    for place, axis in enumerate(axes.flat):
        matrix.label_cells(
            axis, optimizers, schedules, panels.letters_that_fit(0.8 * style.width() / (abreast * len(schedules)))
        )
        axis.set_title(f"batch size {batch_sizes[place]}", fontweight="bold")
        axis.tick_params(labelbottom=panels.is_lowest(axis))
        rows = cells[cells["batch_size"] == batch_sizes[place]]
        by_name = {(row.optimizer, row.schedule): row for row in rows.itertuples()}
        for (y, optimizer), (x, schedule) in product(enumerate(optimizers), enumerate(schedules)):
            draw_cell(axis, x, y, by_name.get((optimizer, schedule)), seeds, column, lambda value: colours(norm(value)))
    bar = matrix.add_colour_bar(figure, norm, colours, "times\nthe lowest", format_times)
    bar.ax.yaxis.set_major_locator(
        mpl.ticker.LogLocator(subs=(1, 1.2, 1.5, 2) if highest < 3 else (1, 2, 5) if highest < 100 else (1,))
    )
    marks: list[Any] = [legends.patch_handle(label="chosen by the tuning runs", **matrix.FRAME)]
    if cells[list(histories.FAILURES)].any(axis=None):
        lost = "diverged or out of time" if cells["out_of_time"].any() else "diverged"
        marks.append(
            legends.patch_handle(label=f"foot: {lost}, how many of all", **matrix.HATCH, edgecolor=palette.MUTED)
        )
    if np.isposinf(cells[column]).any():
        marks.append(legends.patch_handle(label="all over: infinite", **matrix.HATCH, edgecolor=palette.GRID))
    legends.place_legend(figure, marks)
    facts = {
        "measure": measure,
        "optimizers": len(optimizers),
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        **data.count_seeds(cells, declared(experiment)[problem, "evaluation"]),
        "infinite": int(np.isposinf(cells[column]).sum()),
        **data.count_lost(cells),
        **data.lowest_and_highest(cells, column, CELL),
        "chosen": chosen,
    }
    return data.Drawing(figure, cells, cells, facts)


def format_times(value: float) -> str:
    """Write a tick of the colour bar."""
    return f"{value:g}" if value < 1000 else templates.number(value, 1)


def draw_cell(axis: mpl.axes.Axes, x: int, y: int, cell: Any, seeds: int, column: str, colour: Any) -> None:
    """Draw a cell with its value of a column; an infinite one is hatched all over.

    It says how many of its runs there are, if not those of all seeds, and over a hatched foot how many were lost.
    """
    if cell is None or not cell.n:
        matrix.write_text(axis, x, y, "not run", color=palette.MUTED)
        return
    lost = sum(getattr(cell, name) for name in histories.FAILURES)
    present = panels.runs_present(cell.n, seeds)
    text = templates.number(getattr(cell, column)).replace(" × ", "·" if lost or present else "\n× ")
    text = "\n".join(filter(None, [text, present, f"{lost} of {cell.n}" if lost else ""]))
    if math.isfinite(cell.times_lowest):
        painted = colour(cell.times_lowest)
        matrix.paint_cell(axis, x, y, painted, text, raised=0.08 if lost else 0)
        if lost:
            matrix.hatch_foot(axis, x, y, 0.16, matrix.text_colour(painted))
    else:
        matrix.hatch_foot(axis, x, y, 1, palette.GRID)
        matrix.write_text(axis, x, y, text)
    if cell.chosen:
        matrix.frame_cell(axis, x, y)


def has_several_cells(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether a panel would have more than one cell."""
    return max(len(experiment.optimizers), len(experiment.schedules)) > 1


FIGURES = (Figure("heat_map", draw, order=10, section="Optimizer, schedule and batch size", applies=has_several_cells),)
