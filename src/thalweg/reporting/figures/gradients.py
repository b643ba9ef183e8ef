"""What drives runs: gradients and their noise along the run, rows for each batch size, a line for each optimizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from thalweg.analysis.histories import LOST
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

SIZES, NOISE = ("gradient_norm", "update_ratio"), ("gradient_noise_scale", "batch_gradient_variance")
TITLES = {
    "gradient_norm": "norm of a batch’s gradient",
    "update_ratio": "norm of a step / norm of the weights",
    "gradient_noise_scale": "gradient noise scale, in examples",
    "batch_gradient_variance": "variance of a batch’s gradient",
}
CELL = ["batch_size", "optimizer", "schedule"]
FALLING = ("gradient_norm", "batch_gradient_variance")
"""They fall with the loss, so that the lower left corner is free for words."""

BATCH_SIZE: dict[str, Any] = {"color": style.INK, "linestyle": (0, (1, 2)), "linewidth": 1}

STILL = 1e-4
"""A rate below this share of its peak moves nothing."""


def draw(tables: Path, experiment: Experiment, problem: str, quantities: Sequence[str] = SIZES) -> panels.Drawing:
    """A column for each quantity: the median over evaluation seeds with a band from the first to the third quartile.

    Each optimizer has the schedule of its best cell at all batch sizes. A step at a rate of nearly zero, the first
    of a warmup or the last of a cosine, tells of the schedule alone and is left out. The noise scale is shown with the
    batch size, for it says up to which one a larger batch gives a better step (McCandlish et al. 2018).
    """
    preferred = panels.best_cells(tables, problem)[["optimizer", "schedule"]]
    recorded = panels.read(tables, "diagnostics", problem)
    recorded = recorded[recorded["quantity"].isin(quantities)].merge(preferred)
    recorded = without_still(recorded, panels.read(tables, "schedules", problem))
    cells, seeds = panels.read(tables, "cells", problem).merge(preferred), len(experiment.seeds.evaluation)
    sizes = sorted(experiment.problems[problem].batch_sizes)
    batch_sizes = panels.present(sizes, recorded["batch_size"])
    styles = style.lines(experiment.optimizers)
    rows = [(size, part) for size in batch_sizes for part in panels.sixes(styles)]
    figure, axes = panels.grid(len(rows), len(quantities), 1.75, sharey="col")
    shown = panels.thinned(recorded, [*CELL, "quantity"])
    for column, quantity in enumerate(quantities):
        of_quantity = shown[shown["quantity"] == quantity]
        limits = panels.positive_limits(of_quantity[["median", "lower"]].to_numpy())
        of_quantity = panels.within(of_quantity, limits)
        panels.logarithmic(axes[0, column], "y", limits)
        for axis, (batch_size, names) in zip(axes[:, column], rows, strict=True):
            panel = of_quantity[(of_quantity["batch_size"] == batch_size) & of_quantity["optimizer"].isin(names)]
            panels.spreads(axis, panel, "step", styles)
            if quantity in FALLING:
                there = cells[(cells["batch_size"] == batch_size) & cells["optimizer"].isin(names)]
                panels.name_lost(axis, there, seeds)
            if quantity == "gradient_noise_scale":
                axis.axhline(batch_size, **BATCH_SIZE)
    panels.along(axes[0, 0], shown["step"])
    panels.name_columns(axes, [TITLES[quantity] for quantity in quantities])
    for row, (batch_size, _) in zip(axes, rows, strict=True):
        panels.name_row(row, f"batch size {batch_size}")
    panels.name_axes(axes, panels.ALONG["step"])
    scale = "gradient_noise_scale" in quantities
    panels.legend(
        figure, styles, "middle half of seeds", more=[Line2D([], [], label="batch size", **BATCH_SIZE)] * scale
    )
    final = recorded.drop_duplicates([*CELL, "quantity"], keep="last")
    ended = final.drop_duplicates(CELL)
    scales = final[final["quantity"] == "gradient_noise_scale"]
    facts = {
        "optimizers": len(styles),
        "batch_sizes": [int(size) for size in batch_sizes],
        **panels.evaluated(cells, len(styles) * len(sizes) * seeds),
        "runs": int(ended["n"].sum()),
        "ends": [
            {"quantity": name, **panels.extremes(final[final["quantity"] == name], "median", CELL)}
            for name in quantities
        ],
        "cells": len(ended),
        "noisier": int((scales["median"] > scales["batch_size"]).sum()),
        "still": STILL,
        "unresolved": panels.on_the_edge(recorded["median"]),
        "thinned": len(shown) < len(recorded),
        **panels.all_lost(ended),
    }
    table = final[[*CELL, "quantity", "n", *LOST, "median", "lower", "upper"]]
    return panels.Drawing(figure, recorded, table.sort_values("batch_size", kind="stable"), facts)


def without_still(recorded: pd.DataFrame, applied: pd.DataFrame) -> pd.DataFrame:
    """The rows of which the norm of a step is not one at a rate below STILL."""
    keys = ["schedule", "batch_size", "step"]
    still = applied.loc[applied["relative"] < STILL, keys].drop_duplicates()
    found = recorded.merge(still.assign(still=True), on=keys, how="left")
    return recorded[~((found["quantity"] == "update_ratio") & found["still"].notna()).to_numpy()]
