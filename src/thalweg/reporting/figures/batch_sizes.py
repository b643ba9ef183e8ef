"""What the batch size does to what runs are compared by: panels for each schedule, a line for each optimizer."""

from itertools import product
from pathlib import Path

import numpy as np

from thalweg.analysis.choose import TRIAL
from thalweg.analysis.histories import LOST
from thalweg.analysis.tables import comparisons
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import style
from thalweg.reporting.figures import panels


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Interquartile mean over evaluation seeds with its 95 % interval; the rate was chosen for each batch size."""
    columns = ["optimizer", "schedule", "batch_size", *TRIAL, "n", *LOST]
    measure = comparisons.measures(experiment)[problem]
    column = comparisons.COLUMNS[measure]
    columns += [column, f"{column}_lower", f"{column}_upper"]
    cells = panels.read(tables, "cells", problem)[columns]
    schedules = panels.present(list(experiment.schedules), cells["schedule"])
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), cells["batch_size"])
    styles = style.lines(experiment.optimizers)
    limits = panels.positive_limits(cells[columns[-3:]].to_numpy())
    parts = panels.sixes(styles)
    figure, axes = panels.grid(len(parts), len(schedules), 2.3)
    for axis, (names, schedule) in zip(axes.flat, product(parts, schedules), strict=True):
        offsets = np.linspace(-0.22, 0.22, len(names)) if len(names) > 1 else np.zeros(1)
        for offset, optimizer in zip(offsets, names, strict=True):
            line = styles[optimizer]
            rows = cells[(cells["schedule"] == schedule) & (cells["optimizer"] == optimizer)].sort_values("batch_size")
            if rows.empty:
                continue
            places = np.array([batch_sizes.index(size) for size in rows["batch_size"]]) + offset
            values = panels.drawable(rows[column], limits)
            lower, upper = (rows[f"{column}_{end}"].clip(*limits) for end in ("lower", "upper"))
            look = {"color": line.colour, "linestyle": line.linestyle, "marker": line.marker}
            axis.plot(places, values, linewidth=0.9, clip_on=False, **look)
            axis.vlines(places, lower, upper, color=line.colour, linewidth=2, alpha=0.6)
            lost = np.isposinf(rows[column].to_numpy(dtype=float))
            if lost.any():
                axis.plot(places[lost], np.full(lost.sum(), limits[1]), "x", color=line.colour, clip_on=False)
        axis.grid(axis="x", visible=False)
    axes[0, 0].set(xlim=(-0.5, len(batch_sizes) - 0.5))
    panels.logarithmic(axes[0, 0], "y", limits)
    axes[0, 0].set_xticks(range(len(batch_sizes)), [str(size) for size in batch_sizes])
    panels.name_columns(axes, schedules)
    panels.name_axes(axes, "batch size", measure)
    panels.legend(figure, styles)
    facts = {
        "measure": measure,
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        "optimizers": len(styles),
        "interval": bool(cells[f"{column}_lower"].notna().any()),
        "unresolved": measure == comparisons.LOSS and panels.on_the_edge(cells[column]),
        **panels.evaluated(cells, declared(experiment)[problem, "evaluation"]),
        **panels.all_lost(cells),
        **panels.extremes(cells, column, columns[:3]),
    }
    return panels.Drawing(figure, cells, cells, facts)
