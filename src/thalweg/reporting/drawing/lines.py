"""Lines of optimizers: medians with bands, interrupted where a value is missing, thinned where they are long."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from thalweg.reporting.palette import LineStyle

PROGRESS_LABELS = {"step": "step", "epoch": "epoch", "examples": "examples seen"}
"""What runs can be drawn against: columns of tables, each with the label of the axis."""

MAX_POINTS = 70
"""How many points of a line are drawn at most."""


def draw_lines(axis: Axes, rows: pd.DataFrame, x: str, y: str, styles: dict[str, LineStyle], **options: Any) -> None:
    """Draw a line for each optimizer through rows that are aggregated already, interrupted where a value is missing.

    Matplotlib draws them: seaborn leaves no gap where a value is missing, unless each stretch is a line of its own.
    """
    for optimizer, line in rows.groupby("optimizer", sort=False):
        look = styles[optimizer]
        axis.plot(line[x], line[y], color=look.colour, linestyle=look.linestyle, **options)


def is_isolated(values: pd.Series) -> pd.Series:
    """Tell which values of a line have no neighbour, so that they cannot be seen without a mark."""
    known = values.notna()
    return known & ~known.shift(fill_value=False) & ~known.shift(-1, fill_value=False)


def draw_marked_lines(axis: Axes, rows: pd.DataFrame, x: str, y: str, styles: dict[str, LineStyle]) -> None:
    """Draw a line for each optimizer, with the optimizer's mark wherever the line ends."""
    for optimizer, line in rows.groupby("optimizer", sort=False):
        ends = line[y].notna() & line[y].shift(-1).isna()
        mark = {"marker": styles[optimizer].marker, "markevery": ends.to_numpy(), "markeredgewidth": 0}
        draw_lines(axis, line, x, y, styles, **mark, clip_on=False)


def thin(rows: pd.DataFrame, line: Sequence[str]) -> pd.DataFrame:
    """Keep at most MAX_POINTS rows of each line, where the columns `line` tell lines apart.

    A line is cut into stretches that are even in the logarithm of the step. What stays are the first and the last of
    all its rows, and of each stretch those where the median is lowest and highest.
    """
    if rows.empty or rows.groupby(list(line)).size().max() <= MAX_POINTS:
        return rows
    horizons = rows.groupby(list(line))["step"].transform("max")
    stretch = np.floor(np.log1p(rows["step"]) / np.log1p(horizons) * (MAX_POINTS // 2 - 1)).rename("stretch")
    stretch = stretch.clip(upper=MAX_POINTS // 2 - 2)
    ordered = rows.assign(stretch=stretch).sort_values("median", kind="stable")
    ends = [rows.drop_duplicates(line, keep=which).index for which in ("first", "last")]
    extremes = [ordered.drop_duplicates([*line, "stretch"], keep=which).index for which in ("first", "last")]
    return rows[rows.index.isin(np.concatenate([*ends, *extremes]))]


def draw_spreads(axis: Axes, rows: pd.DataFrame, x: str, styles: dict[str, LineStyle]) -> None:
    """Draw each optimizer's median as a line with a mark at its end, and a band from `lower` to `upper`.

    The rows have been through `scales.clip_spreads`.
    """
    # Or the limits of all panels would be found anew for every line; `set_progress_scale` gives them.
    axis.set_autoscalex_on(False)
    axis.add_collection(make_bands(rows, x, styles, 0.16), autolim=False)
    medians = rows.dropna(subset="median")
    if len(medians):
        places, names = pd.factorize(medians["optimizer"])
        # Where there are labels already, seaborn does not look through all ticks for whether there should be.
        axis.set(xlabel=" ", ylabel=" ")
        # A median that is lost once stays lost, so that no line has a gap. As units, lines cost seaborn half of what
        # they would with a hue each.
        sns.lineplot(
            x=medians[x],
            y=medians["median"],
            units=places,
            markevery=[-1],
            markeredgewidth=0,
            clip_on=False,
            estimator=None,
            errorbar=None,
            legend=False,
            ax=axis,
        )
        axis.set(xlabel="", ylabel="")
        for name, line in zip(names, axis.get_lines()[-len(names) :], strict=True):
            look = styles[name]
            line.set(color=look.colour, linestyle=look.linestyle, marker=look.marker)


def make_bands(rows: pd.DataFrame, x: str, styles: dict[str, LineStyle], alpha: float) -> PolyCollection:
    """Make the bands from `lower` to `upper` of each optimizer, where both are known."""
    known = rows.dropna(subset=["lower", "upper"])
    places, names = pd.factorize(known["optimizer"])
    points = known[[x, "lower", "upper"]].to_numpy(float)
    of_each = [points[places == place] for place in range(len(names))]
    outlines = [np.concatenate([band[:, [0, 1]], band[::-1, [0, 2]]]) for band in of_each]
    return PolyCollection(outlines, facecolors=[styles[name].colour for name in names], alpha=alpha, linewidths=0)
