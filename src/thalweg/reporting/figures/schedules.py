"""What ran: the learning rate that was applied at each evaluation point, relative to its peak."""

from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """A panel for each schedule, marks for each batch size, in ink: colours belong to optimizers."""
    rates = panels.read(tables, "schedules", problem)
    schedules = panels.present(list(experiment.schedules), rates["schedule"])
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), rates["batch_size"])
    figure, axes = panels.grid(1, len(schedules), 1.7)
    looks = {size: _look(k) for k, size in enumerate(batch_sizes)}
    for axis, schedule in zip(axes[0], schedules, strict=True):
        for size, points in rates[rates["schedule"] == schedule].groupby("batch_size"):
            axis.plot(points["epoch"], points["relative"], **looks[size])
    axes[0, 0].set_ylim(-0.05, 1.08)
    panels.name_columns(axes, schedules)
    panels.name_axes(axes, "epoch", "rate / peak rate")
    panels.place_legend(figure, [Line2D([], [], label=f"batch size {size}", **look) for size, look in looks.items()])
    ends = rates.drop_duplicates(["schedule", "batch_size"], keep="last")
    facts = {
        "ends": [
            {"schedule": name, "low": float(rows["relative"].min()), "high": float(rows["relative"].max())}
            for name, rows in ends.groupby("schedule", sort=False)
        ],
        "batch_sizes": [int(size) for size in batch_sizes],
    }
    return panels.Drawing(figure, rates, ends[["schedule", "batch_size", "step", "epoch", "relative"]], facts)


def _look(k: int) -> dict[str, Any]:
    """Marks without a line, because nothing is known between two points; no two of six are alike, nor hide another."""
    ink = style.MUTED if k % 2 else style.INK
    return {
        "linestyle": "none",
        "marker": style.MARKERS[k % len(style.MARKERS)],
        "markersize": 2 + 1.5 * k,
        "markeredgewidth": 0.7,
        "markeredgecolor": ink,
        "markerfacecolor": "none" if k else ink,
    }
