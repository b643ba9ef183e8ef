"""How hard each optimizer is to tune: the final validation loss against the learning rate, and what was lost."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import NullLocator

from thalweg.analysis.choose import TRIAL
from thalweg.experiment.schema import Experiment
from thalweg.grid import trials
from thalweg.reporting import style
from thalweg.reporting.figures import panels

CELL = ["optimizer", "schedule", "batch_size"]
SHARE = ["n", "lost_share", "lost_share_lower", "lost_share_upper"]


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Median over tuning seeds with the quartiles as strokes; beneath it the share of runs that did not finish.

    The rates of a grid are joined by a line. The trials of a search are points, because they differ in more than the
    rate.

    The axis ends at ten times the loss of the initial weights, so that what is worse than not training leaves it.
    """
    rates = panels.read(tables, "rates", problem)
    cells = panels.read(tables, "cells", problem)[[*CELL, *TRIAL]].assign(chosen=True)
    rates = rates.merge(cells, how="left")
    rates["chosen"] = rates["chosen"].notna()
    gridded = {name: one for name, one in experiment.optimizers.items() if not one.search}
    curves = panels.read(tables, "curves", problem)
    start = curves[(curves["split"] == "validation") & (curves["metric"] == "loss") & (curves["step"] == 0)]
    schedules = panels.present(list(experiment.schedules), rates["schedule"])
    batch_sizes = panels.present(sorted(experiment.problems[problem].batch_sizes), rates["batch_size"])
    styles = style.lines(experiment.optimizers)
    limits = panels.positive_limits(rates[["median", "lower"]].to_numpy())
    if len(start):
        limits = limits[0], min(limits[1], 10 * float(start["median"].median()))
    rows = [size for size in batch_sizes for _ in panels.sixes(styles)]
    figure, axes = panels.grid(len(rows), len(schedules), 2.2, stacked=(3.2, 1), sharey=False)
    tried = [trial.learning_rate for one in experiment.optimizers.values() for trial in trials(one)]
    # First of all, or every stroke would have the limits of all panels found anew.
    axes[0, 0].set_xscale("log")
    axes[0, 0].xaxis.set_minor_locator(NullLocator())
    axes[0, 0].xaxis.set_major_formatter(panels.power)
    axes[0, 0].update_datalim([(min(tried), 1), (max(tried), 1)], updatey=False)
    axes[0, 0].autoscale_view(scaley=False)
    for axis in axes.flat:
        axis.set_autoscalex_on(False)
    for axis in axes[::2].flat:
        panels.logarithmic(axis, "y", limits)
    shown = panels.within(rates, (limits[0], 10 * limits[1]))
    six = panels.six_of(rates["optimizer"], styles)
    for (batch_size, schedule, part), panel in shown.groupby(["batch_size", "schedule", six]):
        place = 2 * (rows.index(batch_size) + part), schedules.index(schedule)
        loss, share = axes[place], axes[place[0] + 1, place[1]]
        joined = panel["optimizer"].isin(gridded)
        loss.vlines(
            panel["learning_rate"],
            panel["lower"],
            panel["upper"],
            color=[styles[optimizer].colour for optimizer in panel["optimizer"]],
            linewidth=joined.map({True: 1.6, False: 0.8}),
            alpha=0.35,
        )
        for optimizer, line in panel[~joined].groupby("optimizer", sort=False):
            for axis, name in ((loss, "median"), (share, "lost_share")):
                axis.plot(line["learning_rate"], line[name], **_point(styles[optimizer]))
        for best in panel[panel["chosen"] & (panel["median"] <= limits[1])].itertuples():
            mark = {"marker": styles[best.optimizer].marker, "color": styles[best.optimizer].colour, "markersize": 6}
            loss.plot(best.learning_rate, best.median, linestyle="none", clip_on=False, **mark)
        for optimizer, line in panel[joined].groupby("optimizer", sort=False):
            for axis, name in ((loss, "median"), (share, "lost_share")):
                panels.lines(axis, line, "learning_rate", name, styles)
                lone = line[panels.alone(line[name])]
                if len(lone):
                    axis.plot(lone["learning_rate"], lone[name], **_point(styles[optimizer]))
        share.set(ylim=(-0.08, 1.08), yticks=(0, 1), yticklabels=("0", "1"))
    for axis in axes.flat:
        axis.tick_params(labelleft=panels.is_first(axis))
    panels.name_columns(axes[::2], schedules)
    lost = "diverged,\nout of time" if rates["out_of_time"].any() else "diverged"
    for row, batch_size in enumerate(rows):
        panels.name_row(axes[2 * row], f"batch size {batch_size}")
    panels.name_axes(axes, "peak learning rate")
    for axis in filter(panels.is_first, axes[::2].flat):
        axis.set_ylabel("validation loss")
    for axis in filter(panels.is_first, axes[1::2].flat):
        axis.set_ylabel(lost, fontsize=style.small())
    panels.legend(figure, styles, points=styles.keys() - gridded)
    best = rates[rates["chosen"]]
    facts = {
        "schedules": schedules,
        "batch_sizes": [int(size) for size in batch_sizes],
        "gridded": len(gridded),
        "searched": len(styles) - len(gridded),
        "runs": int(rates["n"].sum()),
        "unresolved": panels.on_the_edge(rates["median"]),
        "infinite": bool(np.isinf(rates["median"]).any()),
        **panels.tuned(tables, experiment, problem),
        **panels.all_lost(rates),
        "shares": [
            {"lost": round(row.lost_share * row.n), **row._asdict()}
            for row in rates[SHARE].drop_duplicates().sort_values(SHARE).itertuples(index=False)
        ],
        "lowest_rate": min(tried),
        "highest_rate": max(tried),
        "best": [
            {"optimizer": name, "low": float(chosen.min()), "high": float(chosen.max())}
            for name, chosen in best.groupby("optimizer", sort=False)["learning_rate"]
        ],
    }
    at_all_rates = rates.groupby(CELL, sort=False)[["n", "diverged"]].sum().reset_index()
    at_all_rates = at_all_rates.rename(columns={"n": "runs at all rates", "diverged": "diverged at all rates"})
    table = best[["batch_size", *CELL[1::-1], *TRIAL, "n", "median", "lower", "upper"]].merge(at_all_rates)
    return panels.Drawing(figure, rates, table.sort_values("batch_size", kind="stable"), facts)


def _point(drawn: style.Line) -> dict[str, Any]:
    """How a rate is drawn that no line leads to: small and pale, so that the chosen one stands out of many."""
    look = {"color": drawn.colour, "marker": drawn.marker, "linestyle": "none"}
    return {**look, "markersize": 3, "markeredgewidth": 0, "alpha": 0.6}
