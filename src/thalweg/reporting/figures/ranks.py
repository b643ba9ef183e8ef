"""How optimizers rank over all problems: a critical-difference diagram (Demšar 2006, Statistical comparisons of
classifiers over multiple data sets, section 3.2.4)."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import matrix, panels

NAMED = 30
"""How many letters of a name stand in a line."""

STEP, BAR = 0.23, 0.11
"""Inches between two names, and between two bars."""


def draw(tables: Path, experiment: Experiment, problem: None) -> panels.Drawing:
    """Mean ranks on an axis, the best on the left. A bar joins those that are no further apart than the critical
    difference, which is the same in every row of the table, as all of its test is."""
    ranks = panels.read(tables, "ranks")
    over_all = ranks[ranks["problem"].isna() & ranks["rank"].notna()].sort_values("rank", kind="stable")
    tested = {name: float(over_all[name].max()) for name in ("critical_difference", "permutation_p")}
    optimizers, means = over_all["optimizer"].tolist(), over_all["rank"].tolist()
    bars = joined(means, tested["critical_difference"])
    lines = (len(means) + 1) // 2
    top, foot = 0.42, BAR * (len(bars) + 1)
    figure = Figure(figsize=(style.width(), 0.55 + top + foot + STEP * lines))
    axis = figure.subplots()
    span = max(len(experiment.optimizers) - 1, 1)
    margin = beside(optimizers) * span
    axis.set(xlim=(1 - margin, 1 + span + margin), ylim=(-foot - STEP * lines, top))
    axis.set_axis_off()
    scale(axis, span, tested["critical_difference"])
    styles = style.lines(experiment.optimizers)
    for place, (name, rank) in enumerate(zip(optimizers, means, strict=True)):
        left = place < lines
        line = place if left else len(means) - 1 - place
        lead(axis, rank, (1 - 0.05 * span if left else 1 + 1.05 * span, -foot - STEP * line), name, styles[name])
    for level, (start, end) in enumerate(bars):
        reach = means[start] - 0.02 * span, means[end] + 0.02 * span
        axis.plot(reach, [-BAR * (level + 0.9)] * 2, color=style.INK, linewidth=2.6, solid_capstyle="butt")
    caution = "".join(over_all["caution"].dropna().unique())
    facts = {
        "measures": panels.measures(experiment, problem),
        "problems": int(over_all["problems"].max()) if means else 0,
        "left_out": ranks.loc[ranks["problem"].notna() & ranks["rank"].isna(), "problem"].nunique(),
        "ranks": [{"optimizer": name, "rank": rank} for name, rank in zip(optimizers, means, strict=True)],
        "groups": [optimizers[start : end + 1] for start, end in bars],
        "few": [what for what in ("problems", "optimizers") if what in caution],
        **{name: None if math.isnan(value) else value for name, value in tested.items()},
    }
    return panels.Drawing(figure, ranks, over_all[["optimizer", "rank", "ratio", "lower", "upper"]], facts)


def beside(names: Sequence[str]) -> float:
    """The room for names and ranks on each side of the axis, as a share of its length."""
    longest = max((len(line) for name in names for line in matrix.wrapped(name, NAMED).split("\n")), default=0)
    share = min(0.4, (longest + 9) / panels.letters(style.width()))
    return max(0.3, share / (1 - 2 * share))


def joined(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """The first and last place of each longest stretch of two or more sorted ranks that lie within the difference."""
    if math.isnan(difference):
        return []
    ends = [bisect_right(ranks, rank + difference) - 1 for rank in ranks]
    return [(at, end) for at, end in enumerate(ends) if end > max([at, *ends[:at]])]


def lead(axis: Axes, rank: float, to: tuple[float, float], name: str, line: style.Line) -> None:
    """Lead from a mean rank to the optimizer's name, at the side of the axis where it ends."""
    end, height = to
    axis.plot([rank, rank, end], [0, height, height], color=line.colour, linewidth=0.8)
    axis.plot([end], [height], line.marker, color=line.colour, markersize=5)
    offset, side = (-7, "right") if end < rank else (7, "left")
    text = f"{matrix.wrapped(name, NAMED)}  {rank:.2f}"
    axis.annotate(text, to, (offset, 0), textcoords="offset points", ha=side, va="center")


def scale(axis: Axes, span: int, difference: float) -> None:
    """The axis of ranks, and above it how long the critical difference is."""
    axis.plot([1, 1 + span], [0, 0], color=style.MUTED, linewidth=0.8)
    for rank in range(1, span + 2):
        axis.plot([rank, rank], [0, 0.06], color=style.MUTED, linewidth=0.8)
        axis.annotate(str(rank), (rank, 0.08), ha="center", va="bottom", fontsize=style.small())
    axis.annotate("mean rank", (1 - 0.05 * span, 0), (-5, 0), textcoords="offset points", ha="right", va="center")
    if not math.isnan(difference):
        axis.plot([1, 1 + difference], [0.3, 0.3], "|-", color=style.INK, linewidth=1, markersize=6)
        text = f"critical difference {difference:.2f}"
        axis.annotate(text, (1, 0.3), (0, 5), textcoords="offset points", va="bottom")
