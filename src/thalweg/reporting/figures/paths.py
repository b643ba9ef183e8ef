"""Where runs went: the paths of each optimizer's best cell over the loss surface of a model with two weights."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from thalweg.analysis.choose import TRIAL
from thalweg.analysis.histories import FINISHED, LOST
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

CELL = ["optimizer", "schedule", "batch_size", *TRIAL]
WEIGHTS = ["weight_0", "weight_1"]
LEAST, CONTOURS = 1.6, 12
"""Inches of a panel, and how many contours the surface is drawn by."""

POINT: dict[str, Any] = {"linestyle": "none", "marker": "o"}
START = {**POINT, "markersize": 4, "markerfacecolor": "none", "markeredgewidth": 0.8}
END = {**POINT, "markersize": 5}
LOWEST: dict[str, Any] = {"linestyle": "none", "marker": "+", "markersize": 9, "color": style.INK}
SURFACE: dict[str, Any] = {"linewidth": 0.5, "alpha": 0.55, "color": style.MUTED}


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """A panel an optimizer, a line an evaluation seed. Cells are those of `comparisons`."""
    best, declared = panels.best_cells(tables, problem), len(experiment.seeds.evaluation)
    runs = panels.read(tables, "runs", problem)[["run", *TRIAL, "outcome"]].drop_duplicates("run")
    paths = best[CELL].merge(panels.read(tables, "paths", problem).merge(runs, on="run"))
    surface = panels.read(tables, "surfaces", problem)
    heights = contours(surface["train_loss"].to_numpy(dtype=float))
    lowest = surface[np.isfinite(surface["train_loss"])].nsmallest(1, "train_loss")
    ends = paths.drop_duplicates("run", keep="last")
    ends = ends[ends["outcome"].isin(FINISHED)]
    styles = style.lines(experiment.optimizers)
    panes = max(1, len(best))
    figure, axes = panels.grid(1, panes, 0.8 * style.width() / panels.abreast(panes, LEAST), LEAST)
    for axis, cell in zip(axes.flat, best.itertuples(), strict=False):
        mine = paths[paths["optimizer"] == cell.optimizer]
        over(axis, surface, heights)
        follow(axis, mine, ends[ends["optimizer"] == cell.optimizer], styles[cell.optimizer])
        axis.plot(*lowest[WEIGHTS].to_numpy().T, **LOWEST, zorder=4)
        panels.name_lost(axis, best[best["optimizer"] == cell.optimizer], declared)
    told = [f"{cell.schedule}, batch {cell.batch_size}, rate {cell.learning_rate:.3g}" for cell in best.itertuples()]
    room = panels.letters(0.8 * style.width() / panels.abreast(panes, LEAST), style.small())
    panels.head(axes[0][: len(best)], best["optimizer"].tolist(), [textwrap.wrap(one, room) for one in told])
    limits = surface[WEIGHTS].agg(["min", "max"]).to_numpy()
    axes[0, 0].set(xlim=limits[:, 0], ylim=limits[:, 1])
    panels.name_axes(axes, "weight 0", "weight 1")
    marks = {
        "start": {**START, "color": style.INK},
        "end": {**END, "color": style.INK},
        "lowest train loss": LOWEST,
        "train loss": SURFACE,
    }
    panels.place_legend(figure, [Line2D([], [], label=label, **look) for label, look in marks.items()])
    inside = paths[WEIGHTS].ge(limits[0]).all(axis=1) & paths[WEIGHTS].le(limits[1]).all(axis=1)
    facts = {
        "optimizers": len(best),
        **panels.evaluated(best, len(styles) * declared),
        "ranges": limits.T.astype(float).tolist(),
        "lowest": lowest[[*WEIGHTS, "train_loss"]].to_numpy(dtype=float).ravel().tolist(),
        "runs": len(paths.drop_duplicates("run")),
        "leaving": int(paths.loc[~inside, "run"].nunique()),
        **panels.all_lost(best),
    }
    reached = ends.groupby("optimizer")[WEIGHTS].median().add_prefix("median_final_").reset_index()
    data = pd.concat([paths.assign(shown="path"), surface.assign(shown="surface")])
    data = data.astype(dict.fromkeys(("batch_size", "seed", "step"), "Int64"))
    order = ["shown", *CELL, "seed", "step", *WEIGHTS, "train_loss"]
    return panels.Drawing(figure, data[order], best[[*CELL, "n", *LOST]].merge(reached, how="left"), facts)


def contours(losses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The heights of the contours: from the lowest loss on, evenly in the logarithm of what lies above it.

    The nearest one holds a hundredth of the surface's points, so that it is as round as the grid allows.
    """
    finite = np.sort(losses[np.isfinite(losses)])
    above = finite - finite[:1]
    nearest = above[len(above) // 100] if len(above) else 0.0
    return finite[0] + np.geomspace(nearest, above[-1], CONTOURS + 1)[:-1] if nearest > 0 else np.empty(0)


def over(axis: Axes, surface: pd.DataFrame, heights: np.ndarray[Any, Any]) -> None:
    """The loss surface, by its contours alone: colours belong to optimizers."""
    if len(heights):
        losses = surface.pivot(index=WEIGHTS[1], columns=WEIGHTS[0], values="train_loss")
        look = {"colors": SURFACE["color"], "linewidths": SURFACE["linewidth"], "alpha": SURFACE["alpha"]}
        axis.contour(losses.columns, losses.index, np.ma.masked_invalid(losses), levels=heights, **look)
    axis.grid(visible=False)


def follow(axis: Axes, paths: pd.DataFrame, ends: pd.DataFrame, line: style.Line) -> None:
    """Each run from point to point, where it began, and where it ended if it finished."""
    for _, path in paths.groupby("run", sort=False):
        axis.plot(path["weight_0"], path["weight_1"], color=line.colour, linewidth=0.8, alpha=0.8)
    starts = paths.drop_duplicates("run")
    axis.plot(starts["weight_0"], starts["weight_1"], color=line.colour, **START, zorder=3)
    axis.plot(ends["weight_0"], ends["weight_1"], color=line.colour, **END, zorder=3)
