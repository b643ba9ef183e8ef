"""How hard each optimizer is to tune: the final validation loss against the learning rate, and what diverged."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from thalweg.grid.experiment import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

CELL = ["optimizer", "schedule", "batch_size"]


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Median over tuning seeds with the quartiles as strokes; beneath it the share of runs that diverged.

    The axis ends at ten times the loss of the initial weights, so that what is worse than not training leaves it.
    """
    rates = panels.read(tables, "rates", problem)
    cells = panels.read(tables, "cells", problem)[[*CELL, "learning_rate"]].rename(columns={"learning_rate": "chosen"})
    rates = rates.merge(cells, how="left")
    rates["share"] = rates["diverged"] / rates["n"]
    curves = panels.read(tables, "curves", problem)
    start = curves[(curves["split"] == "validation") & (curves["metric"] == "loss") & (curves["step"] == 0)]
    schedules = panels.present(list(experiment.schedules), rates["schedule"])
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), rates["batch_size"])
    styles = style.lines(experiment.optimizers)
    limits = panels.positive_limits(rates[["median", "lower"]].to_numpy())
    if len(start):
        limits = limits[0], min(limits[1], 10 * float(start["median"].median()))
    figure = Figure(figsize=(style.WIDTH, 2.2 * len(batch_sizes) + 0.7))
    heights = [3.2, 1] * len(batch_sizes)
    axes: Any = figure.subplots(
        len(heights), len(schedules), squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for (batch_size, schedule), panel in rates.groupby(["batch_size", "schedule"]):
        place = 2 * batch_sizes.index(batch_size), schedules.index(schedule)
        loss, share = axes[place], axes[place[0] + 1, place[1]]
        for optimizer, line in panel.groupby("optimizer", sort=False):
            drawn = styles[optimizer]
            lower, upper = (line[end].clip(limits[0], 10 * limits[1]) for end in ("lower", "upper"))
            loss.vlines(line["learning_rate"], lower, upper, color=drawn.colour, linewidth=1.6, alpha=0.35)
            best = line[line["learning_rate"] == line["chosen"]]
            median = panels.drawable(best["median"], limits)
            loss.plot(best["learning_rate"], median, drawn.marker, color=drawn.colour, markersize=6)
        medians = panel.assign(median=panels.drawable(panel["median"], limits))
        panels.lines(loss, medians, "learning_rate", "median", styles)
        panels.lines(share, panel, "learning_rate", "share", styles)
        loss.set_xscale("log")
        panels.logarithmic(loss, "y", limits)
        share.set(ylim=(-0.08, 1.08), yticks=(0, 1), yticklabels=("0", "1"))
    for panel_row in axes:
        for axis in panel_row[1:]:
            axis.tick_params(labelleft=False)
    panels.name_columns(axes, schedules)
    for row, batch_size in enumerate(batch_sizes):
        axes[2 * row, 0].set_ylabel("validation loss")
        axes[2 * row + 1, 0].set_ylabel("diverged", fontsize=6.5)
        panels.name_row(axes[2 * row, -1], f"batch size {batch_size}")
    for axis in axes[-1]:
        axis.set_xlabel("peak learning rate")
    panels.legend(figure, styles)
    best = rates[rates["learning_rate"] == rates["chosen"]]
    declared = [rate for one in experiment.optimizers.values() for rate in one.learning_rates]
    facts = {
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        "optimizers": len(styles),
        "runs": int(rates["n"].sum()),
        "diverged": int(rates["diverged"].sum()),
        "lowest_rate": min(declared),
        "highest_rate": max(declared),
        "best": [
            {"optimizer": name, "low": float(chosen.min()), "high": float(chosen.max())}
            for name, chosen in best.groupby("optimizer", sort=False)["chosen"]
        ],
    }
    lost = rates.groupby(CELL, sort=False)[["n", "diverged"]].sum().reset_index()
    lost = lost.rename(columns={"n": "runs at all rates", "diverged": "diverged at all rates"})
    table = best[["batch_size", *CELL[1::-1], "learning_rate", "n", "median", "lower", "upper"]].merge(lost)
    return panels.Drawing(figure, rates, table.sort_values("batch_size", kind="stable"), facts)
