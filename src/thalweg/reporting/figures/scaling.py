"""What a larger batch saves: steps to a target against the batch size, a panel an optimizer, a line a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, mpl, np, panels, pd, scales, style
from thalweg.reporting.figures import Figure

SERIES = ["optimizer", "target"]
CRITICAL_COLUMNS = [f"critical_batch_size{end}" for end in ("", "_lower", "_upper")]
MIN_WIDTH = 1.6
"""Inches of a panel, with room for its sizes."""

CURVE_POINTS = 65
"""Points by which a fitted curve is drawn."""

TARGET_LOOKS = [("o", "-"), ("s", (0, (5, 1.5))), ("^", (0, (1.5, 1.2)))]
"""Marker and dash of each target, an easy one first: colours belong to optimizers."""
PERFECT: dict[str, Any] = {"color": palette.MUTED, "linewidth": 0.6}
CRITICAL_MARK: dict[str, Any] = {"marker": "|", "markersize": 11, "markeredgewidth": 1.6, "linestyle": "none"}


OPEN_END: dict[str, Any] = {"xytext": (0, 15), "textcoords": "offset points"}
ARROW: dict[str, Any] = {"arrowstyle": "<-", "linewidth": 0.9, "alpha": 0.7, "shrinkA": 0, "shrinkB": 0}
"""The upper end of an interval that goes on beyond what was seen."""


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw medians with 95 % intervals, perfect scaling from the smallest batch size on, and the fit if any."""
    scaling = data.read_table(tables, "scaling", problem)
    ends = data.read_table(tables, "targets", problem)
    keys = [*data.TRAINED_CELL, "target"]
    scaling = scaling.merge(ends[[*keys, "lower", "upper", "interval"]], on=keys, how="left")
    targets = list(dict.fromkeys(scaling["target"]))
    sizes = sorted(experiment.problems[problem].batch_sizes)
    styles, seeds = palette.line_styles(experiment.optimizers), len(experiment.seeds.evaluation)
    schedules = data.best_cells(tables, problem)[["optimizer", "schedule"]]
    cells = data.read_table(tables, "cells", problem).merge(schedules)
    limits = limits_with_room(scales.positive_limits(scaling[["median", "lower", "upper"]].to_numpy()), scaling)
    figure, axes = panels.make_grid(1, len(styles), 2.1, MIN_WIDTH)
    for axis, (optimizer, line) in zip(axes.flat, styles.items(), strict=True):
        of_optimizer = scaling[scaling["optimizer"] == optimizer]
        for place, (_, series) in enumerate(of_optimizer.groupby("target", sort=False)):
            draw_series(axis, series, line.colour, *TARGET_LOOKS[place])
        mark_missed(axis, of_optimizer, line.colour, limits[1])
        axis.set_title(optimizer, fontweight="bold")
        by_size = cells[cells["optimizer"] == optimizer].sort_values("batch_size")
        notes = {row.batch_size: panels.runs_present(row.n, seeds) for row in by_size.itertuples()}
        panels.write_notes(axis, [f"batch {size}: {note}" for size, note in notes.items() if note])
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    axes[0, 0].set_xticks(sizes, [str(size) for size in sizes])
    axes[0, 0].xaxis.minorticks_off()
    scales.set_log_scale(axes[0, 0], "y", limits)
    panels.label_outer_axes(axes, "batch size", "steps to the target")
    interpolated = scaling[scaling["extrapolated"].isna() & (scaling["fit"] == "fitted")]
    legends.place_legend(figure, make_handles(targets, not interpolated.empty, scaling["median"].isna().any()))
    series = scaling.drop_duplicates(SERIES)
    reached = scaling[scaling["median"].notna()].groupby(SERIES)["batch_size"].agg(lambda at: ", ".join(map(str, at)))
    table = series[[*SERIES, "fit", *CRITICAL_COLUMNS, "extrapolated"]].merge(
        reached.rename("batch sizes"), on=SERIES, how="left"
    )
    fitted = series[series["fit"] == "fitted"]
    facts = {
        "optimizers": len(styles),
        "targets": [data.target_in_words(target) for target in targets],
        "batch_sizes": [int(size) for size in sizes],
        **data.count_seeds(cells, len(styles) * len(sizes) * seeds),
        "points": len(scaling),
        "missed": int(scaling["median"].isna().sum()),
        "fitted": len(fitted),
        "series": len(series),
        **data.lowest_and_highest(fitted, CRITICAL_COLUMNS[0], SERIES),
    }
    return data.Drawing(figure, scaling, table, facts)


def limits_with_room(limits: tuple[float, float], scaling: pd.DataFrame) -> tuple[float, float]:
    """Widen limits at the top, for the marks of as many targets as were missed at one batch size."""
    missed = scaling["median"].isna().groupby([scaling["optimizer"], scaling["batch_size"]]).sum()
    room = 0.13 * missed.max() if len(missed) else 0
    return limits[0], limits[1] * (limits[1] / limits[0]) ** (room / (1 - room))


def draw_series(axis: mpl.axes.Axes, series: pd.DataFrame, colour: str, marker: str, dash: Any) -> None:
    """Draw the points of one series, joined by the fitted curve, or by straight lines where there is none."""
    reached = series[series["median"].notna()]
    sizes = reached["batch_size"].to_numpy(float)
    upper = reached["upper"].fillna(reached["median"])
    axis.vlines(sizes, reached["lower"], upper, color=colour, linewidth=1.8, alpha=0.5)
    for row in reached[reached["lower"].notna() & reached["upper"].isna()].itertuples():
        axis.annotate("", (row.batch_size, row.median), **OPEN_END, arrowprops={**ARROW, "color": colour})
    axis.plot(series["batch_size"], series["perfect"], **PERFECT)
    axis.plot(sizes, reached["median"], color=colour, marker=marker, linestyle="none")
    fit = series.iloc[0]
    if fit["fit"] != "fitted":
        axis.plot(sizes, reached["median"], color=colour, linestyle=dash, linewidth=0.7)
        return
    curve_sizes = np.geomspace(sizes[0], sizes[-1], CURVE_POINTS)
    axis.plot(curve_sizes, fit["min_steps"] + fit["min_examples"] / curve_sizes, color=colour, linestyle=dash)
    if pd.isna(fit["extrapolated"]):
        axis.plot([fit[CRITICAL_COLUMNS[0]]], [2 * fit["min_steps"]], **CRITICAL_MARK, color=colour)


def mark_missed(axis: mpl.axes.Axes, rows: pd.DataFrame, colour: str, top: float) -> None:
    """Draw open marks at the upper edge where fewer than half of the runs reach a target, with how many did."""
    for _, at_size in rows.groupby("batch_size"):
        places = enumerate(at_size["median"].isna())
        for depth, place in enumerate(place for place, missed in places if missed):
            row = at_size.iloc[place]
            down = panels.shifted(axis, axis.transData, 0, -(2 + 16 * depth) / 72)
            look: dict[str, Any] = {"marker": TARGET_LOOKS[place][0], "color": colour, "markerfacecolor": "none"}
            axis.plot([row["batch_size"]], [top], **look, transform=down, clip_on=False)
            axis.annotate(
                f"{row['reached']}/{row['n']}",
                (row["batch_size"], top),
                (0, -(5 + 16 * depth)),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=style.small_font(),
            )


def make_handles(targets: list[str], critical: bool, missed: bool) -> list[Any]:
    """Make the entries of the legend: targets, in ink, and what else is drawn."""
    handles = [
        legends.mark_handle(color=palette.INK, marker=marker, linestyle=dash, label=data.target_in_words(target))
        for target, (marker, dash) in zip(targets, TARGET_LOOKS, strict=False)
    ]
    handles.append(legends.mark_handle(**PERFECT, label="perfect scaling"))
    if critical:
        handles.append(legends.mark_handle(**CRITICAL_MARK, color=palette.INK, label="critical batch size"))
    if missed:
        look: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": palette.INK, "markerfacecolor": "none"}
        handles.append(legends.mark_handle(**look, label="fewer than half reached it"))
    return handles


def has_several_batch_sizes(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether a problem has more than one batch size."""
    return problem is not None and len(experiment.problems[problem].batch_sizes) > 1


FIGURES = (Figure("scaling", draw, order=110, section="Batch sizes", applies=has_several_batch_sizes),)
