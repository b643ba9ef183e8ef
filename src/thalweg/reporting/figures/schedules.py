"""What ran: the learning rate that was applied at each evaluation point, relative to its peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, panels
from thalweg.reporting.figures import Figure


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw a panel for each schedule with marks for each batch size, in ink: colours belong to optimizers."""
    rates = data.read_table(tables, "schedules", problem)
    schedules = data.levels_present(list(experiment.schedules), rates["schedule"])
    batch_sizes = data.levels_present(sorted(experiment.problems[problem].batch_sizes), rates["batch_size"])
    figure, axes = panels.make_grid(1, len(schedules), 1.7)
    looks = {size: _mark(k) for k, size in enumerate(batch_sizes)}
    for axis, schedule in zip(axes[0], schedules, strict=True):
        for size, points in rates[rates["schedule"] == schedule].groupby("batch_size"):
            axis.plot(points["epoch"], points["relative"], **looks[size])
    axes[0, 0].set_ylim(-0.05, 1.08)
    panels.title_columns(axes, schedules)
    panels.label_outer_axes(axes, "epoch", "rate / peak rate")
    legends.place_legend(
        figure, [legends.mark_handle(label=f"batch size {size}", **look) for size, look in looks.items()]
    )
    ends = rates.drop_duplicates(["schedule", "batch_size"], keep="last")
    facts = {
        "ends": [
            {"schedule": name, "low": float(rows["relative"].min()), "high": float(rows["relative"].max())}
            for name, rows in ends.groupby("schedule", sort=False)
        ],
        "batch_sizes": [int(size) for size in batch_sizes],
    }
    return data.Drawing(figure, rates, ends[["schedule", "batch_size", "step", "epoch", "relative"]], facts)


def _mark(k: int) -> dict[str, Any]:
    """Return the look of marks without a line, for nothing is known between points. No two of six look alike."""
    ink = palette.MUTED if k % 2 else palette.INK
    return {
        "linestyle": "none",
        "marker": palette.MARKERS[k % len(palette.MARKERS)],
        "markersize": 2 + 1.5 * k,
        "markeredgewidth": 0.7,
        "markeredgecolor": ink,
        "markerfacecolor": "none" if k else ink,
    }


FIGURES = (Figure("schedules", draw, order=120, section="Schedules"),)
