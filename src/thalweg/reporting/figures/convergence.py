"""How runs go: the loss along the run, panels for each schedule and batch size, a line for each optimizer."""

from pathlib import Path

from thalweg.analysis.histories import LOST
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import style
from thalweg.reporting.figures import panels

CELL = ["batch_size", "schedule", "optimizer"]


def draw(
    tables: Path, experiment: Experiment, problem: str, split: str = "train", against: str = "step"
) -> panels.Drawing:
    """Median over evaluation seeds with a band from the first to the third quartile, against a key of panels.ALONG."""
    curves = panels.read(tables, "curves", problem)
    curves = curves[(curves["split"] == split) & (curves["metric"] == "loss")]
    schedules = panels.present(list(experiment.schedules), curves["schedule"])
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), curves["batch_size"])
    styles = style.lines(experiment.optimizers)
    limits = panels.positive_limits(curves[["median", "lower"]].to_numpy())
    rows = [size for size in batch_sizes for _ in panels.sixes(styles)]
    figure, axes = panels.grid(len(rows), len(schedules), 1.75)
    shown = panels.within(panels.thinned(curves, CELL), limits)
    # First of all, or every band would have the limits of all panels found anew.
    panels.logarithmic(axes[0, 0], "y", limits)
    six = panels.six_of(shown["optimizer"], styles)
    for (batch_size, schedule, part), panel in shown.groupby(["batch_size", "schedule", six]):
        axis = axes[rows.index(batch_size) + part, schedules.index(schedule)]
        panels.spreads(axis, panel, against, styles)
    cells = panels.read(tables, "cells", problem)
    drawn = cells[cells["schedule"].isin(schedules) & cells["batch_size"].isin(batch_sizes)]
    six = panels.six_of(drawn["optimizer"], styles)
    for (batch_size, schedule, part), of_panel in drawn.groupby(["batch_size", "schedule", six]):
        axis = axes[rows.index(batch_size) + part, schedules.index(schedule)]
        panels.name_lost(axis, of_panel, len(experiment.seeds.evaluation))
    panels.along(axes[0, 0], shown[against])
    panels.name_columns(axes, schedules)
    for row, batch_size in zip(axes, rows, strict=True):
        panels.name_row(row, f"batch size {batch_size}")
    panels.name_axes(axes, panels.ALONG[against], f"{split} loss")
    panels.legend(figure, styles, "middle half of seeds")
    final = curves.drop_duplicates(CELL, keep="last")
    facts = {
        "split": split,
        "against": against,
        "optimizers": len(styles),
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        **panels.evaluated(cells, declared(experiment)[problem, "evaluation"]),
        "runs": int(final["n"].sum()),
        "unresolved": panels.on_the_edge(curves["median"]),
        "thinned": len(shown) < len(curves),
        **panels.all_lost(final),
        **panels.extremes(final, "median", CELL),
    }
    table = final[[*CELL, "n", *LOST, "median", "lower", "upper"]]
    return panels.Drawing(figure, curves, table.sort_values("batch_size", kind="stable"), facts)
