"""What ran: the learning rate that was applied at each evaluation point, relative to its peak."""

from pathlib import Path

from thalweg.grid.experiment import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """A panel for each schedule, a line for each batch size, in ink: colours belong to optimizers."""
    rates = panels.read(tables, "schedules", problem)
    schedules = panels.present(list(experiment.schedules), rates["schedule"])
    batch_sizes = sorted(set(rates["batch_size"]))
    figure, axes = panels.grid(1, len(schedules), 1.7)
    inks = {str(size): style.Line(*ink) for size, ink in zip(batch_sizes, _inks(len(batch_sizes)), strict=True)}
    for axis, schedule in zip(axes[0], schedules, strict=True):
        for size, line in rates[rates["schedule"] == schedule].groupby("batch_size"):
            ink = inks[str(size)]
            axis.plot(
                line["epoch"],
                line["relative"],
                color=ink.colour,
                linestyle=ink.linestyle,
                linewidth=1,
                marker=ink.marker,
                markersize=2.6,
            )
        axis.set_xlabel("epoch")
    axes[0, 0].set_ylabel("rate / peak rate")
    axes[0, 0].set_ylim(-0.05, 1.08)
    panels.name_columns(axes, schedules)
    panels.legend(figure, {f"batch size {size}": ink for size, ink in inks.items()})
    ends = rates.drop_duplicates(["schedule", "batch_size"], keep="last")
    facts = {
        "ends": [
            {"schedule": name, "low": float(rows["relative"].min()), "high": float(rows["relative"].max())}
            for name, rows in ends.groupby("schedule", sort=False)
        ],
        "batch_sizes": [int(size) for size in batch_sizes],
    }
    return panels.Drawing(figure, rates, ends[["schedule", "batch_size", "step", "epoch", "relative"]], facts)


def _inks(count: int) -> list[tuple[str, object, str]]:
    return [
        (
            style.INK if k % 2 else style.MUTED,
            style.DASHES[k % len(style.DASHES)],
            style.MARKERS[k % len(style.MARKERS)],
        )
        for k in range(count)
    ]
