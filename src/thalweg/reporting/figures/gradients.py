"""What drives runs: gradients and their noise along the run, rows for each batch size, a line for each optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, histories, legends, lines, panels, pd, scales
from thalweg.reporting.figures import Figure

NORMS, NOISE = ("gradient_norm", "update_ratio"), ("gradient_noise_scale", "batch_gradient_variance")
TITLES = {
    "gradient_norm": "norm of a batch’s gradient",
    "update_ratio": "norm of a step / norm of the weights",
    "gradient_noise_scale": "gradient noise scale, in examples",
    "batch_gradient_variance": "variance of a batch’s gradient",
}
CELL = ["batch_size", "optimizer", "schedule"]
FALLING_QUANTITIES = ("gradient_norm", "batch_gradient_variance")
"""Quantities that fall with the loss, so that the lower left corner of their panels is free for words."""

BATCH_SIZE_LINE: dict[str, Any] = {"color": palette.INK, "linestyle": (0, (1, 2)), "linewidth": 1}

MIN_RELATIVE_RATE = 1e-4
"""A learning rate below this share of its peak moves nothing."""


def draw(tables: Path, experiment: Experiment, problem: str, quantities: Sequence[str] = NORMS) -> data.Drawing:
    """Draw a column for each quantity: the median over evaluation seeds, with a band between its quartiles.

    Each optimizer has the schedule of its best cell at all batch sizes. A step at a rate of nearly zero, the first
    of a warmup or the last of a cosine, shows the schedule alone and is left out. The noise scale is shown with the
    batch size, for it says up to which one a larger batch gives a better step (McCandlish et al. 2018).
    """
    preferred = data.best_cells(tables, problem)[["optimizer", "schedule"]]
    recorded = data.read_table(tables, "diagnostics", problem)
    recorded = recorded[recorded["quantity"].isin(quantities)].merge(preferred)
    recorded = without_idle_steps(recorded, data.read_table(tables, "schedules", problem))
    cells, seeds = data.read_table(tables, "cells", problem).merge(preferred), len(experiment.seeds.evaluation)
    sizes = sorted(experiment.problems[problem].batch_sizes)
    batch_sizes = data.levels_present(sizes, recorded["batch_size"])
    styles = palette.line_styles(experiment.optimizers)
    rows = [(size, chunk) for size in batch_sizes for chunk in panels.chunks(styles)]
    figure, axes = panels.make_grid(len(rows), len(quantities), 1.75, sharey="col")
    shown = lines.thin(recorded, [*CELL, "quantity"])
    for column, quantity in enumerate(quantities):
        of_quantity = shown[shown["quantity"] == quantity]
        limits = scales.positive_limits(of_quantity[["median", "lower"]].to_numpy())
        of_quantity = scales.clip_spreads(of_quantity, limits)
        scales.set_log_scale(axes[0, column], "y", limits)
        for axis, (batch_size, names) in zip(axes[:, column], rows, strict=True):
            panel = of_quantity[(of_quantity["batch_size"] == batch_size) & of_quantity["optimizer"].isin(names)]
            lines.draw_spreads(axis, panel, "step", styles)
            if quantity in FALLING_QUANTITIES:
                of_panel = cells[(cells["batch_size"] == batch_size) & cells["optimizer"].isin(names)]
                panels.write_lost_runs(axis, of_panel, seeds)
            if quantity == "gradient_noise_scale":
                axis.axhline(batch_size, **BATCH_SIZE_LINE)
    scales.set_progress_scale(axes[0, 0], shown["step"])
    panels.title_columns(axes, [TITLES[quantity] for quantity in quantities])
    for row, (batch_size, _) in zip(axes, rows, strict=True):
        panels.label_row(row, f"batch size {batch_size}")
    panels.label_outer_axes(axes, lines.PROGRESS_LABELS["step"])
    has_scale = "gradient_noise_scale" in quantities
    legends.draw_legend(
        figure,
        styles,
        "middle half of seeds",
        more=[legends.mark_handle(label="batch size", **BATCH_SIZE_LINE)] * has_scale,
    )
    final = recorded.drop_duplicates([*CELL, "quantity"], keep="last")
    cell_ends = final.drop_duplicates(CELL)
    noise_scales = final[final["quantity"] == "gradient_noise_scale"]
    facts = {
        "optimizers": len(styles),
        "batch_sizes": [int(size) for size in batch_sizes],
        **data.count_seeds(cells, len(styles) * len(sizes) * seeds),
        "runs": int(cell_ends["n"].sum()),
        "ends": [
            {"quantity": name, **data.lowest_and_highest(final[final["quantity"] == name], "median", CELL)}
            for name in quantities
        ],
        "cells": len(cell_ends),
        "noisier": int((noise_scales["median"] > noise_scales["batch_size"]).sum()),
        "still": MIN_RELATIVE_RATE,
        "unresolved": scales.any_unresolved(recorded["median"]),
        "thinned": len(shown) < len(recorded),
        **data.count_lost(cell_ends),
    }
    table = final[[*CELL, "quantity", "n", *histories.FAILURES, "median", "lower", "upper"]]
    return data.Drawing(figure, recorded, table.sort_values("batch_size", kind="stable"), facts)


def without_idle_steps(recorded: pd.DataFrame, applied: pd.DataFrame) -> pd.DataFrame:
    """Drop the norms of steps at a learning rate below MIN_RELATIVE_RATE of its peak."""
    keys = ["schedule", "batch_size", "step"]
    idle = applied.loc[applied["relative"] < MIN_RELATIVE_RATE, keys].drop_duplicates()
    marked = recorded.merge(idle.assign(idle=True), on=keys, how="left")
    return recorded[~((marked["quantity"] == "update_ratio") & marked["idle"].notna()).to_numpy()]


def has_noise(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether a problem records the noise of its gradients."""
    return problem is not None and "gradient_noise" in experiment.problems[problem].record


FIGURES = (
    Figure("gradients", draw, order=50, section="Convergence"),
    Figure(
        "gradient_noise",
        partial(draw, quantities=NOISE),
        order=51,
        section="Convergence",
        applies=has_noise,
        template="gradients",
    ),
)
