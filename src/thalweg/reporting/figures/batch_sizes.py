"""What the batch size does to what runs are compared by: panels for each schedule, a line for each optimizer."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import choose, comparing, data, histories, legends, np, panels, scales
from thalweg.reporting.figures import Figure


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw interquartile means over evaluation seeds with 95 % intervals; rates were chosen for each batch size."""
    columns = ["optimizer", "schedule", "batch_size", *choose.TRIAL, "n", *histories.FAILURES]
    measure = comparing.measures(experiment)[problem]
    column = comparing.MEASURE_COLUMNS[measure]
    columns += [column, f"{column}_lower", f"{column}_upper"]
    cells = data.read_table(tables, "cells", problem)[columns]
    schedules = data.levels_present(list(experiment.schedules), cells["schedule"])
    batch_sizes = data.levels_present(sorted(experiment.problems[problem].batch_sizes), cells["batch_size"])
    styles = palette.line_styles(experiment.optimizers)
    limits = scales.positive_limits(cells[columns[-3:]].to_numpy())
    chunks = panels.chunks(styles)
    figure, axes = panels.make_grid(len(chunks), len(schedules), 2.3)
    for axis, (names, schedule) in zip(axes.flat, product(chunks, schedules), strict=True):
        offsets = np.linspace(-0.22, 0.22, len(names)) if len(names) > 1 else np.zeros(1)
        for offset, optimizer in zip(offsets, names, strict=True):
            line = styles[optimizer]
            rows = cells[(cells["schedule"] == schedule) & (cells["optimizer"] == optimizer)].sort_values("batch_size")
            if rows.empty:
                continue
            places = np.array([batch_sizes.index(size) for size in rows["batch_size"]]) + offset
            values = scales.clip_to_axis(rows[column], limits)
            lower, upper = (rows[f"{column}_{end}"].clip(*limits) for end in ("lower", "upper"))
            look = {"color": line.colour, "linestyle": line.linestyle, "marker": line.marker}
            axis.plot(places, values, linewidth=0.9, clip_on=False, **look)
            axis.vlines(places, lower, upper, color=line.colour, linewidth=2, alpha=0.6)
            lost = np.isposinf(rows[column].to_numpy(dtype=float))
            if lost.any():
                axis.plot(places[lost], np.full(lost.sum(), limits[1]), "x", color=line.colour, clip_on=False)
        axis.grid(axis="x", visible=False)
    axes[0, 0].set(xlim=(-0.5, len(batch_sizes) - 0.5))
    scales.set_log_scale(axes[0, 0], "y", limits)
    axes[0, 0].set_xticks(range(len(batch_sizes)), [str(size) for size in batch_sizes])
    panels.title_columns(axes, schedules)
    panels.label_outer_axes(axes, "batch size", measure)
    legends.draw_legend(figure, styles)
    facts = {
        "measure": measure,
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        "optimizers": len(styles),
        "interval": bool(cells[f"{column}_lower"].notna().any()),
        "unresolved": measure == comparing.LOSS and scales.any_unresolved(cells[column]),
        **data.count_seeds(cells, declared(experiment)[problem, "evaluation"]),
        **data.count_lost(cells),
        **data.lowest_and_highest(cells, column, columns[:3]),
    }
    return data.Drawing(figure, cells, cells, facts)


FIGURES = (Figure("batch_sizes", draw, order=100, section="Batch sizes"),)
