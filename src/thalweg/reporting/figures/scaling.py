"""What a larger batch saves: steps to a target against the batch size, a panel an optimizer, a line a target."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from thalweg.analysis.choose import TRIAL
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

SERIES = ["optimizer", "target"]
CRITICAL = [f"critical_batch_size{end}" for end in ("", "_lower", "_upper")]
LEAST = 1.6
"""Inches of a panel, with room for its sizes."""

FINE = 65
"""Points by which a fitted curve is drawn."""

TARGETS = [("o", "-"), ("s", (0, (5, 1.5))), ("^", (0, (1.5, 1.2)))]
"""Marker and dash of each target, an easy one first: colours belong to optimizers."""
PERFECT: dict[str, Any] = {"color": style.MUTED, "linewidth": 0.6}
MARK: dict[str, Any] = {"marker": "|", "markersize": 11, "markeredgewidth": 1.6, "linestyle": "none"}


OPEN_END: dict[str, Any] = {"xytext": (0, 15), "textcoords": "offset points"}
ARROW: dict[str, Any] = {"arrowstyle": "<-", "linewidth": 0.9, "alpha": 0.7, "shrinkA": 0, "shrinkB": 0}
"""The upper end of an interval that goes on beyond what was seen."""


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Medians with their 95 % intervals, perfect scaling from the smallest batch size on, and the fit if any."""
    scaling = panels.read(tables, "scaling", problem)
    ends = panels.read(tables, "targets", problem)
    keys = ["optimizer", "schedule", "batch_size", *TRIAL, "target"]
    scaling = scaling.merge(ends[[*keys, "lower", "upper", "interval"]], on=keys, how="left")
    targets = list(dict.fromkeys(scaling["target"]))
    sizes = sorted(experiment.problems[problem].batch_sizes)
    styles, seeds = style.lines(experiment.optimizers), len(experiment.seeds.evaluation)
    schedules = panels.best_cells(tables, problem)[["optimizer", "schedule"]]
    cells = panels.read(tables, "cells", problem).merge(schedules)
    limits = with_room(panels.positive_limits(scaling[["median", "lower", "upper"]].to_numpy()), scaling)
    figure, axes = panels.grid(1, len(styles), 2.1, LEAST)
    for axis, (optimizer, line) in zip(axes.flat, styles.items(), strict=True):
        mine = scaling[scaling["optimizer"] == optimizer]
        for place, (_, series) in enumerate(mine.groupby("target", sort=False)):
            follow(axis, series, line.colour, *TARGETS[place])
        name_missed(axis, mine, line.colour, limits[1])
        axis.set_title(optimizer, fontweight="bold")
        of_optimizer = cells[cells["optimizer"] == optimizer].sort_values("batch_size")
        there = {row.batch_size: panels.run(row.n, seeds) for row in of_optimizer.itertuples()}
        panels.note(axis, [f"batch {size}: {said}" for size, said in there.items() if said])
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    axes[0, 0].set_xticks(sizes, [str(size) for size in sizes])
    axes[0, 0].xaxis.minorticks_off()
    panels.logarithmic(axes[0, 0], "y", limits)
    panels.name_axes(axes, "batch size", "steps to the target")
    within = scaling[scaling["extrapolated"].isna() & (scaling["fit"] == "fitted")]
    panels.place_legend(figure, looks(targets, not within.empty, scaling["median"].isna().any()))
    series = scaling.drop_duplicates(SERIES)
    reached = scaling[scaling["median"].notna()].groupby(SERIES)["batch_size"].agg(lambda at: ", ".join(map(str, at)))
    table = series[[*SERIES, "fit", *CRITICAL, "extrapolated"]].merge(
        reached.rename("batch sizes"), on=SERIES, how="left"
    )
    fitted = series[series["fit"] == "fitted"]
    facts = {
        "optimizers": len(styles),
        "targets": [panels.spoken(target) for target in targets],
        "batch_sizes": [int(size) for size in sizes],
        **panels.evaluated(cells, len(styles) * len(sizes) * seeds),
        "points": len(scaling),
        "missed": int(scaling["median"].isna().sum()),
        "fitted": len(fitted),
        "series": len(series),
        **panels.extremes(fitted, CRITICAL[0], SERIES),
    }
    return panels.Drawing(figure, scaling, table, facts)


def with_room(limits: tuple[float, float], scaling: pd.DataFrame) -> tuple[float, float]:
    """The limits with room at the top for the marks of as many targets as were missed at one batch size."""
    missed = scaling["median"].isna().groupby([scaling["optimizer"], scaling["batch_size"]]).sum()
    room = 0.13 * missed.max() if len(missed) else 0
    return limits[0], limits[1] * (limits[1] / limits[0]) ** (room / (1 - room))


def follow(axis: Axes, series: pd.DataFrame, colour: str, marker: str, dash: Any) -> None:
    """The points of one series, joined by the fitted curve, or by straight lines where there is none."""
    there = series[series["median"].notna()]
    sizes = there["batch_size"].to_numpy(float)
    upper = there["upper"].fillna(there["median"])
    axis.vlines(sizes, there["lower"], upper, color=colour, linewidth=1.8, alpha=0.5)
    for row in there[there["lower"].notna() & there["upper"].isna()].itertuples():
        axis.annotate("", (row.batch_size, row.median), **OPEN_END, arrowprops={**ARROW, "color": colour})
    axis.plot(series["batch_size"], series["perfect"], **PERFECT)
    axis.plot(sizes, there["median"], color=colour, marker=marker, linestyle="none")
    fit = series.iloc[0]
    if fit["fit"] != "fitted":
        axis.plot(sizes, there["median"], color=colour, linestyle=dash, linewidth=0.7)
        return
    fine = np.geomspace(sizes[0], sizes[-1], FINE)
    axis.plot(fine, fit["min_steps"] + fit["min_examples"] / fine, color=colour, linestyle=dash)
    if pd.isna(fit["extrapolated"]):
        axis.plot([fit[CRITICAL[0]]], [2 * fit["min_steps"]], **MARK, color=colour)


def name_missed(axis: Axes, rows: pd.DataFrame, colour: str, top: float) -> None:
    """Open marks at the upper edge where fewer than half of the runs reach a target, and how many did."""
    for _, at_size in rows.groupby("batch_size"):
        places = enumerate(at_size["median"].isna())
        for depth, place in enumerate(place for place, missed in places if missed):
            row = at_size.iloc[place]
            down = ScaledTranslation(0, -(2 + 16 * depth) / 72, axis.figure.dpi_scale_trans)
            look: dict[str, Any] = {"marker": TARGETS[place][0], "color": colour, "markerfacecolor": "none"}
            axis.plot([row["batch_size"]], [top], **look, transform=axis.transData + down, clip_on=False)
            axis.annotate(
                f"{row['reached']}/{row['n']}",
                (row["batch_size"], top),
                (0, -(5 + 16 * depth)),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=style.small(),
            )


def looks(targets: list[str], critical: bool, missed: bool) -> list[Line2D]:
    """The legend: targets, in ink, and what else is drawn."""
    handles = [
        Line2D([], [], color=style.INK, marker=marker, linestyle=dash, label=panels.spoken(target))
        for target, (marker, dash) in zip(targets, TARGETS, strict=False)
    ]
    handles.append(Line2D([], [], **PERFECT, label="perfect scaling"))
    if critical:
        handles.append(Line2D([], [], **MARK, color=style.INK, label="critical batch size"))
    if missed:
        look: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": style.INK, "markerfacecolor": "none"}
        handles.append(Line2D([], [], **look, label="fewer than half reached it"))
    return handles
