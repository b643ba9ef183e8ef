"""How optimizers rank over all problems: a critical-difference diagram (Demšar 2006, Statistical comparisons of
classifiers over multiple data sets, section 3.2.4)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, matrix, mpl, panels, style
from thalweg.reporting.figures import Figure

MAX_LINE_LETTERS = 30
"""How many letters of a name stand in a line."""

NAME_STEP, BAR_STEP = 0.23, 0.11
"""Inches between two names, and between two bars."""


def draw(tables: Path, experiment: Experiment, problem: None) -> data.Drawing:
    """Draw mean ranks on an axis, the best on the left, and bars.

    A bar joins ranks that are no further apart than the critical difference. That is the same in every row of the
    table, as all of its test is.
    """
    ranks = data.read_table(tables, "ranks")
    over_all = ranks[ranks["problem"].isna() & ranks["rank"].notna()].sort_values("rank", kind="stable")
    test_results = {name: float(over_all[name].max()) for name in ("critical_difference", "permutation_p")}
    optimizers, means = over_all["optimizer"].tolist(), over_all["rank"].tolist()
    bars = find_groups(means, test_results["critical_difference"])
    lines = (len(means) + 1) // 2
    top, foot = 0.42, BAR_STEP * (len(bars) + 1)
    figure = panels.make_figure(0.55 + top + foot + NAME_STEP * lines)
    axis = figure.subplots()
    span = max(len(experiment.optimizers) - 1, 1)
    margin = side_margin(optimizers) * span
    axis.set(xlim=(1 - margin, 1 + span + margin), ylim=(-foot - NAME_STEP * lines, top))
    axis.set_axis_off()
    draw_scale(axis, span, test_results["critical_difference"])
    styles = palette.line_styles(experiment.optimizers)
    for place, (name, rank) in enumerate(zip(optimizers, means, strict=True)):
        left = place < lines
        line = place if left else len(means) - 1 - place
        draw_name(
            axis, rank, (1 - 0.05 * span if left else 1 + 1.05 * span, -foot - NAME_STEP * line), name, styles[name]
        )
    for level, (start, end) in enumerate(bars):
        reach = means[start] - 0.02 * span, means[end] + 0.02 * span
        axis.plot(reach, [-BAR_STEP * (level + 0.9)] * 2, color=palette.INK, linewidth=2.6, solid_capstyle="butt")
    caution = "".join(over_all["caution"].dropna().unique())
    facts = {
        "measures": data.measures(experiment, problem),
        "problems": int(over_all["problems"].max()) if means else 0,
        "left_out": ranks.loc[ranks["problem"].notna() & ranks["rank"].isna(), "problem"].nunique(),
        "ranks": [{"optimizer": name, "rank": rank} for name, rank in zip(optimizers, means, strict=True)],
        "groups": [optimizers[start : end + 1] for start, end in bars],
        "few": [what for what in ("problems", "optimizers") if what in caution],
        **{name: None if math.isnan(value) else value for name, value in test_results.items()},
    }
    return data.Drawing(figure, ranks, over_all[["optimizer", "rank", "ratio", "lower", "upper"]], facts)


def side_margin(names: Sequence[str]) -> float:
    """Return the room for names and ranks on each side of the axis, as a share of its length."""
    longest = max(
        (len(line) for name in names for line in matrix.wrap_name(name, MAX_LINE_LETTERS).split("\n")), default=0
    )
    share = min(0.4, (longest + 9) / panels.letters_that_fit(style.width()))
    return max(0.3, share / (1 - 2 * share))


def find_groups(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return the first and last place of each longest stretch of several sorted ranks within the difference."""
    if math.isnan(difference):
        return []
    ends = [bisect_right(ranks, rank + difference) - 1 for rank in ranks]
    return [(at, end) for at, end in enumerate(ends) if end > max([at, *ends[:at]])]


def draw_name(axis: mpl.axes.Axes, rank: float, to: tuple[float, float], name: str, line: palette.LineStyle) -> None:
    """Draw a line from a mean rank to the optimizer's name, at the side of the axis where it ends."""
    end, height = to
    axis.plot([rank, rank, end], [0, height, height], color=line.colour, linewidth=0.8)
    axis.plot([end], [height], line.marker, color=line.colour, markersize=5)
    offset, side = (-7, "right") if end < rank else (7, "left")
    text = f"{matrix.wrap_name(name, MAX_LINE_LETTERS)}  {rank:.2f}"
    axis.annotate(text, to, (offset, 0), textcoords="offset points", ha=side, va="center")


def draw_scale(axis: mpl.axes.Axes, span: int, difference: float) -> None:
    """Draw the axis of ranks, and above it the length of the critical difference."""
    axis.plot([1, 1 + span], [0, 0], color=palette.MUTED, linewidth=0.8)
    for rank in range(1, span + 2):
        axis.plot([rank, rank], [0, 0.06], color=palette.MUTED, linewidth=0.8)
        axis.annotate(str(rank), (rank, 0.08), ha="center", va="bottom", fontsize=style.small_font())
    axis.annotate("mean rank", (1 - 0.05 * span, 0), (-5, 0), textcoords="offset points", ha="right", va="center")
    if not math.isnan(difference):
        axis.plot([1, 1 + difference], [0.3, 0.3], "|-", color=palette.INK, linewidth=1, markersize=6)
        text = f"critical difference {difference:.2f}"
        axis.annotate(text, (1, 0.3), (0, 5), textcoords="offset points", va="bottom")


def can_rank(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether there are enough problems and optimizers to rank."""
    return len(experiment.problems) > 1 and len(experiment.optimizers) > 2


FIGURES = (Figure("ranks", draw, order=130, over_all=True, applies=can_rank),)
