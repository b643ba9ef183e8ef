"""Where runs went: the paths of each optimizer's best cell over the loss surface of a model with two weights."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import choose, data, histories, legends, mpl, np, panels, pd, style
from thalweg.reporting.figures import Figure

WEIGHTS = ["weight_0", "weight_1"]
MIN_WIDTH, CONTOURS = 1.6, 12
"""Inches of a panel, and how many contours the surface is drawn by."""

POINT: dict[str, Any] = {"linestyle": "none", "marker": "o"}
START_MARK = {**POINT, "markersize": 4, "markerfacecolor": "none", "markeredgewidth": 0.8}
END_MARK = {**POINT, "markersize": 5}
LOWEST_MARK: dict[str, Any] = {"linestyle": "none", "marker": "+", "markersize": 9, "color": palette.INK}
CONTOUR_LINE: dict[str, Any] = {"linewidth": 0.5, "alpha": 0.55, "color": palette.MUTED}


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw a panel for each optimizer and a line for each evaluation seed, of the cells of `comparisons`."""
    best, seed_count = data.best_cells(tables, problem), len(experiment.seeds.evaluation)
    runs = data.read_table(tables, "runs", problem)[["run", *choose.TRIAL, "outcome"]].drop_duplicates("run")
    paths = best[data.TRAINED_CELL].merge(data.read_table(tables, "paths", problem).merge(runs, on="run"))
    surface = data.read_table(tables, "surfaces", problem)
    heights = contour_heights(surface["train_loss"].to_numpy(dtype=float))
    lowest = surface[np.isfinite(surface["train_loss"])].nsmallest(1, "train_loss")
    ends = paths.drop_duplicates("run", keep="last")
    ends = ends[ends["outcome"].isin(histories.FINISHED)]
    styles = palette.line_styles(experiment.optimizers)
    panel_count = max(1, len(best))
    figure, axes = panels.make_grid(
        1, panel_count, 0.8 * style.width() / panels.panels_abreast(panel_count, MIN_WIDTH), MIN_WIDTH
    )
    for axis, cell in zip(axes.flat, best.itertuples(), strict=False):
        of_optimizer = paths[paths["optimizer"] == cell.optimizer]
        draw_surface(axis, surface, heights)
        draw_paths(axis, of_optimizer, ends[ends["optimizer"] == cell.optimizer], styles[cell.optimizer])
        axis.plot(*lowest[WEIGHTS].to_numpy().T, **LOWEST_MARK, zorder=4)
        panels.write_lost_runs(axis, best[best["optimizer"] == cell.optimizer], seed_count)
    settings = [
        f"{cell.schedule}, batch {cell.batch_size}, rate {cell.learning_rate:.3g}" for cell in best.itertuples()
    ]
    room = panels.letters_that_fit(
        0.8 * style.width() / panels.panels_abreast(panel_count, MIN_WIDTH), style.small_font()
    )
    panels.title_with_notes(
        axes[0][: len(best)], best["optimizer"].tolist(), [textwrap.wrap(setting, room) for setting in settings]
    )
    limits = surface[WEIGHTS].agg(["min", "max"]).to_numpy()
    axes[0, 0].set(xlim=limits[:, 0], ylim=limits[:, 1])
    panels.label_outer_axes(axes, "weight 0", "weight 1")
    marks = {
        "start": {**START_MARK, "color": palette.INK},
        "end": {**END_MARK, "color": palette.INK},
        "lowest train loss": LOWEST_MARK,
        "train loss": CONTOUR_LINE,
    }
    legends.place_legend(figure, [legends.mark_handle(label=label, **look) for label, look in marks.items()])
    inside = paths[WEIGHTS].ge(limits[0]).all(axis=1) & paths[WEIGHTS].le(limits[1]).all(axis=1)
    facts = {
        "optimizers": len(best),
        **data.count_seeds(best, len(styles) * seed_count),
        "ranges": limits.T.astype(float).tolist(),
        "lowest": lowest[[*WEIGHTS, "train_loss"]].to_numpy(dtype=float).ravel().tolist(),
        "runs": len(paths.drop_duplicates("run")),
        "leaving": int(paths.loc[~inside, "run"].nunique()),
        **data.count_lost(best),
    }
    reached = ends.groupby("optimizer")[WEIGHTS].median().add_prefix("median_final_").reset_index()
    shown = pd.concat([paths.assign(shown="path"), surface.assign(shown="surface")])
    shown = shown.astype(dict.fromkeys(("batch_size", "seed", "step"), "Int64"))
    order = ["shown", *data.TRAINED_CELL, "seed", "step", *WEIGHTS, "train_loss"]
    return data.Drawing(
        figure, shown[order], best[[*data.TRAINED_CELL, "n", *histories.FAILURES]].merge(reached, how="left"), facts
    )


def contour_heights(losses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the heights of contours: from the lowest loss on, evenly in the logarithm of what lies above it.

    The nearest one holds a hundredth of the surface's points, so that it is as round as the grid allows.
    """
    finite = np.sort(losses[np.isfinite(losses)])
    above = finite - finite[:1]
    nearest = above[len(above) // 100] if len(above) else 0.0
    return finite[0] + np.geomspace(nearest, above[-1], CONTOURS + 1)[:-1] if nearest > 0 else np.empty(0)


def draw_surface(axis: mpl.axes.Axes, surface: pd.DataFrame, heights: np.ndarray[Any, Any]) -> None:
    """Draw the loss surface by its contours alone: colours belong to optimizers."""
    if len(heights):
        losses = surface.pivot(index=WEIGHTS[1], columns=WEIGHTS[0], values="train_loss")
        look = {
            "colors": CONTOUR_LINE["color"],
            "linewidths": CONTOUR_LINE["linewidth"],
            "alpha": CONTOUR_LINE["alpha"],
        }
        axis.contour(losses.columns, losses.index, np.ma.masked_invalid(losses), levels=heights, **look)
    axis.grid(visible=False)


def draw_paths(axis: mpl.axes.Axes, paths: pd.DataFrame, ends: pd.DataFrame, line: palette.LineStyle) -> None:
    """Draw each run from point to point, where it began, and where it ended if it finished."""
    for _, path in paths.groupby("run", sort=False):
        axis.plot(path["weight_0"], path["weight_1"], color=line.colour, linewidth=0.8, alpha=0.8)
    starts = paths.drop_duplicates("run")
    axis.plot(starts["weight_0"], starts["weight_1"], color=line.colour, **START_MARK, zorder=3)
    axis.plot(ends["weight_0"], ends["weight_1"], color=line.colour, **END_MARK, zorder=3)


def records_weights(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether a problem records its two weights."""
    return problem is not None and "weights" in experiment.problems[problem].record


FIGURES = (Figure("paths", draw, order=60, section="Convergence", applies=records_weights),)
