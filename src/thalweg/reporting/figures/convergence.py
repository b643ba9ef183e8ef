"""How runs go: the loss along the run, panels for each schedule and batch size, a line for each optimizer."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, histories, legends, lines, panels, scales
from thalweg.reporting.figures import Figure

CELL = ["batch_size", "schedule", "optimizer"]


def draw(
    tables: Path, experiment: Experiment, problem: str, split: str = "train", against: str = "step"
) -> data.Drawing:
    """Draw the median over evaluation seeds, with a band from the first to the third quartile.

    Args:
        tables: The folder of tables.
        experiment: The experiment.
        problem: The problem.
        split: The split whose loss is drawn.
        against: What it is drawn against, a key of `lines.PROGRESS_LABELS`.
    """
    curves = data.read_table(tables, "curves", problem)
    curves = curves[(curves["split"] == split) & (curves["metric"] == "loss")]
    schedules = data.levels_present(list(experiment.schedules), curves["schedule"])
    batch_sizes = data.levels_present(sorted(experiment.problems[problem].batch_sizes), curves["batch_size"])
    styles = palette.line_styles(experiment.optimizers)
    limits = scales.positive_limits(curves[["median", "lower"]].to_numpy())
    rows = [size for size in batch_sizes for _ in panels.chunks(styles)]
    figure, axes = panels.make_grid(len(rows), len(schedules), 1.75)
    shown = scales.clip_spreads(lines.thin(curves, CELL), limits)
    # First of all, or every band would have the limits of all panels found anew.
    scales.set_log_scale(axes[0, 0], "y", limits)
    chunk = panels.chunk_numbers(shown["optimizer"], styles)
    for (batch_size, schedule, number), panel in shown.groupby(["batch_size", "schedule", chunk]):
        axis = axes[rows.index(batch_size) + number, schedules.index(schedule)]
        lines.draw_spreads(axis, panel, against, styles)
    cells = data.read_table(tables, "cells", problem)
    drawn = cells[cells["schedule"].isin(schedules) & cells["batch_size"].isin(batch_sizes)]
    chunk = panels.chunk_numbers(drawn["optimizer"], styles)
    for (batch_size, schedule, number), of_panel in drawn.groupby(["batch_size", "schedule", chunk]):
        axis = axes[rows.index(batch_size) + number, schedules.index(schedule)]
        panels.write_lost_runs(axis, of_panel, len(experiment.seeds.evaluation))
    scales.set_progress_scale(axes[0, 0], shown[against])
    panels.title_columns(axes, schedules)
    for row, batch_size in zip(axes, rows, strict=True):
        panels.label_row(row, f"batch size {batch_size}")
    panels.label_outer_axes(axes, lines.PROGRESS_LABELS[against], f"{split} loss")
    legends.draw_legend(figure, styles, "middle half of seeds")
    final = curves.drop_duplicates(CELL, keep="last")
    facts = {
        "split": split,
        "against": against,
        "optimizers": len(styles),
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        **data.count_seeds(cells, declared(experiment)[problem, "evaluation"]),
        "runs": int(final["n"].sum()),
        "unresolved": scales.any_unresolved(curves["median"]),
        "thinned": len(shown) < len(curves),
        **data.count_lost(final),
        **data.lowest_and_highest(final, "median", CELL),
    }
    table = final[[*CELL, "n", *histories.FAILURES, "median", "lower", "upper"]]
    return data.Drawing(figure, curves, table.sort_values("batch_size", kind="stable"), facts)


FIGURES = (
    Figure("convergence", draw, order=40, section="Convergence"),
    Figure("convergence_test", partial(draw, split="test"), order=41, section="Convergence", template="convergence"),
    Figure(
        "convergence_epochs",
        partial(draw, split="test", against="epoch"),
        order=42,
        section="Convergence",
        template="convergence",
        folded=True,
    ),
    Figure(
        "convergence_examples",
        partial(draw, split="test", against="examples"),
        order=43,
        section="Convergence",
        template="convergence",
        folded=True,
    ),
)
