"""What the figures share: small multiples with one set of axes, one legend, one style an optimizer."""

import math
import textwrap
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from thalweg import templates
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.histories import LOST, RESOLUTION
from thalweg.analysis.tables import comparisons
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.reporting import style

ALONG = {"step": "step", "epoch": "epoch", "examples": "examples seen"}
"""What runs can be drawn against, columns of tables, with the label of the axis."""

POINTS = 70
"""How many points of a line are drawn at most."""

NAMED = 4
"""How many optimizers are named at most in a panel where they lost runs, if it has room for their names."""


class Drawing(NamedTuple):
    """A figure, all the data that it shows, a short table of its main numbers, and the facts that describe it."""

    figure: Figure
    data: pd.DataFrame
    table: pd.DataFrame
    facts: dict[str, Any]


def read(tables: Path, name: str, problem: str | None = None) -> pd.DataFrame:
    """The rows of a table that belong to a problem; with None all rows."""
    return pd.read_parquet(tables / f"{name}.parquet", filters=[("problem", "==", problem)] if problem else None)


def present(names: Sequence[Any], column: pd.Series) -> list[Any]:
    """Those of `names` that a column holds, in their own order; all of them where it holds none."""
    there = set(column)
    return [name for name in names if name in there] or list(names)


LEAST = 1.3
"""Inches that a panel with its labels has at least; where a figure is too narrow for that, its rows are broken."""


def abreast(columns: int, least: float = LEAST) -> int:
    """How many of a row's panels stand side by side, so that its lines are about as long as each other."""
    lines = math.ceil(columns / max(1, int(style.width() / least)))
    return math.ceil(columns / lines)


def grid(
    rows: int,
    columns: int,
    height: float,
    least: float = LEAST,
    stacked: Sequence[float] = (1,),
    of_text: bool = False,
    **options: Any,
) -> tuple[Figure, Any]:
    """Panels that share their axes: the figure and the axes, `columns` in each of `rows`, however rows are broken.

    A row is `height` inches high; less where the figure would be too tall, or panels higher than wide, unless they are
    made `of_text`. A row of `stacked` panels has as many rows of axes, with such heights relative to each other.
    """
    side_by_side = abreast(columns, least)
    lines, parts = math.ceil(columns / side_by_side), len(stacked)
    height = min(height, (style.tallest() - 0.7) / (rows * lines))
    if not of_text:
        height = min(height, style.width() / side_by_side + 0.2)
    figure = Figure(figsize=(style.width(), height * rows * lines + 0.7))
    heights = {"height_ratios": [*stacked] * rows * lines}
    options = {"sharex": True, "sharey": True, "squeeze": False, **heights, **options}
    placed: Any = figure.subplots(rows * lines * parts, side_by_side, **options)
    axes = placed.reshape(rows, lines, parts, side_by_side).swapaxes(1, 2).reshape(rows * parts, lines * side_by_side)
    for axis in axes[:, columns:].flat:
        axis.remove()
    # They end where ticks do, and to find out where would take most of the time of laying out.
    for axis in axes[:, :columns].flat:
        axis.spines[:].set_in_layout(False)
    return figure, axes[:, :columns]


def is_first(axis: Any) -> bool:
    """Whether a panel begins a line."""
    first: bool = axis.get_subplotspec().is_first_col()
    return first


def is_lowest(axis: Any) -> bool:
    """Whether no panel stands beneath."""
    place, others = axis.get_subplotspec(), [other.get_subplotspec() for other in axis.figure.axes]
    return not any(
        other.colspan == place.colspan and other.rowspan.start >= place.rowspan.stop for other in others if other
    )


def name_axes(axes: Any, x: str, y: str | None = None) -> None:
    """Label the outer axes of a grid: x beneath the lowest panel of each column, y beside the first of each line."""
    for axis in axes.flat:
        if is_lowest(axis):
            axis.set_xlabel(x)
            axis.tick_params(labelbottom=True)
        if y and is_first(axis):
            axis.set_ylabel(y)


def letters(inches: float, points: float | None = None) -> int:
    """How many letters of that size, or of a label's, find room."""
    return int(72 * inches / (LETTER * (points or style.font())))


def letters_of(axis: Any, points: float | None = None) -> int:
    """How many letters find room in the width of a panel."""
    return letters(0.8 * style.width() / axis.get_gridspec().ncols, points)


LETTER = 0.575
"""How wide a letter is on average, in its size."""


def name_columns(axes: Any, titles: Sequence[str]) -> None:
    """Name the panels of a row; where rows are broken, those of every row."""
    for row in axes if any(map(is_first, axes[0, 1:])) else axes[:1]:
        for axis, title in zip(row, titles, strict=True):
            axis.set_title(textwrap.fill(title, letters_of(axis)), fontweight="bold")


def name_row(row: Sequence[Axes], text: str) -> None:
    """Write beside the last panel of each line of a row what the row is."""
    ends = [axis for axis, after in zip(row, [*row[1:], None], strict=True) if after is None or is_first(after)]
    beside: dict[str, Any] = {"xycoords": "axes fraction", "rotation": 270, "va": "center", "ha": "left"}
    for axis in ends:
        axis.annotate(text, (1.03, 0.5), **beside, fontsize=style.font() if len(ends) == 1 else style.small())


def sixes(names: Collection[str]) -> list[list[str]]:
    """The names in parts of six at most: no more lines of a panel can be told apart."""
    listed = list(names)
    return [listed[first : first + 6] for first in range(0, len(listed), 6)]


def six_of(optimizers: pd.Series, names: Iterable[str]) -> pd.Series:
    """Which of these parts each optimizer is in, counted from 0."""
    return optimizers.map({name: place // 6 for place, name in enumerate(names)}).rename("six")


def head(axes: Sequence[Axes], titles: Sequence[str], notes: Sequence[Sequence[str]]) -> None:
    """Name the panels of a row, and say above each in lines of small print what else is to be known."""
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
    for axis, title, said in zip(axes, titles, notes, strict=True):
        axis.set_title(
            textwrap.fill(title, letters_of(axis)),
            fontweight="bold",
            pad=6 + 1.3 * style.small() * max(map(len, notes)),
        )
        axis.annotate("\n".join(said), (0.5, 1), (0, 4), **above, fontsize=style.small())


def spoken(target: str) -> str:
    """A target as people write it: validation loss ≤ 0.01."""
    column, way, value = target.split()
    return f"{column.replace('_', ' ')} {'≥' if way == '>=' else '≤'} {templates.rate(float(value))}"


def legend(
    figure: Figure,
    styles: dict[str, style.Line],
    band: str | None = None,
    points: Collection[str] = (),
    more: Sequence[Any] = (),
) -> None:
    """One legend above all panels: each line with its dash and marker, what the band is, and what `more` there is.

    `points` are the names of those that are drawn without a line.
    """
    dashes = {name: "none" if name in points else line.linestyle for name, line in styles.items()}
    handles: list[Any] = [
        Line2D([], [], color=line.colour, linestyle=dashes[name], marker=line.marker, label=name)
        for name, line in styles.items()
    ]
    if band:
        handles.append(Patch(facecolor=style.MUTED, alpha=0.25, label=band))
    place_legend(figure, [*handles, *more])


def key(line: style.Line, label: str) -> Line2D:
    """An optimizer's line in a legend."""
    return Line2D([], [], color=line.colour, linestyle=line.linestyle, marker=line.marker, label=label)


SPACES = {"handlelength": 3.0, "handletextpad": 0.8, "columnspacing": 1.6}
"""Of a legend's entry, in the size of its letters."""


def place_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """In as few rows as fit, which are read one after the other, though matplotlib fills columns."""
    labels = [handle.get_label() for handle in handles]
    columns = next(columns for columns in balanced(len(handles)) if columns == 1 or fit(labels, columns))
    in_rows = [handle for column in range(columns) for handle in handles[column::columns]]
    figure.legend(handles=in_rows, loc="outside upper left", ncols=columns, **SPACES)
    further = math.ceil(len(handles) / columns) - 2
    height = figure.get_figheight() + max(0, further) * 1.5 * style.font() / 72
    figure.set_figheight(min(height, style.tallest()))


def balanced(number: int) -> list[int]:
    """How many columns things may stand in, so that rows are about as long as each other; the most columns first."""
    return list(dict.fromkeys(math.ceil(number / rows) for rows in range(1, number + 1)))


def fit(labels: Sequence[str], columns: int) -> bool:
    """Whether labels, in so many columns, are no wider than a figure."""
    widest = [max(len(label) for label in labels[column::columns]) for column in range(columns)]
    mark = sum(SPACES.values()) + 0.25
    return sum((mark + LETTER * count) * style.font() for count in widest) <= 72 * style.width()


def positive_limits(values: pd.Series | np.ndarray[Any, Any]) -> tuple[float, float]:
    """Limits of a logarithmic axis around all positive, finite values; (0.1, 10) where there is none.

    The axis ends at the RESOLUTION, since what is below counts as it.
    """
    shown = np.asarray(values, dtype=float)
    shown = shown[np.isfinite(shown) & (shown > 0)]
    if not len(shown):
        return 0.1, 10.0
    lower, upper = (max(float(end), RESOLUTION) for end in (shown.min() / 1.6, shown.max()))
    return lower, upper * 1.6


def linear_limits(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Limits of a linear axis around all finite values, with a little room; (0, 1) where there is none."""
    shown = values[np.isfinite(values)]
    if not len(shown):
        return 0.0, 1.0
    room = 0.05 * (shown.max() - shown.min()) or 0.05 * abs(shown.max()) or 0.05
    return float(shown.min() - room), float(shown.max() + room)


def on_the_edge(values: pd.Series) -> bool:
    """Whether some values are below the RESOLUTION, and so on the edge of a logarithmic axis."""
    return bool((values < RESOLUTION).any())


def drawable(values: pd.Series, limits: tuple[float, float]) -> pd.Series:
    """Values on a logarithmic axis: what is below it, such as zero, lies on its edge. The infinite is not drawn."""
    return values.where(np.isfinite(values)).clip(lower=limits[0])


def within(rows: pd.DataFrame, limits: tuple[float, float]) -> pd.DataFrame:
    """Rows of which medians are `drawable`, and quartiles end where the limits do, but for those that are both infinite
    and so bound nothing."""
    finite = np.isfinite(rows["lower"])
    ends = {end: rows[end].where(finite).clip(*limits) for end in ("lower", "upper")}
    return rows.assign(median=drawable(rows["median"], limits), **ends)


def power(value: float, _: Any = None) -> str:
    """A tick at a power of ten. Its exponent is a letter of the font, since what is set as one would be too small."""
    return "0" if value == 0 else f"10{templates.superscript(round(math.log10(value)))}"


def logarithmic(axis: Axes, which: str, limits: tuple[float, float]) -> None:
    """Make an axis (`x` or `y`) logarithmic; over less than two decades its ticks are written out."""
    getattr(axis, f"set_{which}scale")("log")
    getattr(axis, f"set_{which}lim")(limits)
    if limits[1] < 100 * limits[0]:
        decades = range(math.floor(math.log10(limits[0])), math.ceil(math.log10(limits[1])) + 1)
        mantissas = (1, 2, 5) if limits[1] > 10 * limits[0] else (1, 1.5, 2, 3, 5, 7)
        ticks = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in mantissas]
        ticks = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
        while which == "x" and sum(len(f"{tick:g}") + 2 for tick in ticks) > letters_of(axis, style.small()):
            ticks = ticks[::2]
        getattr(axis, f"set_{which}ticks")(ticks, [f"{tick:g}" for tick in ticks])
    else:
        getattr(axis, f"{which}axis").set_major_formatter(power)
    # They are not to be seen, but would be placed and measured again and again.
    getattr(axis, f"{which}axis").set_minor_locator(NullLocator())


def run(n: int, seeds: int) -> str:
    """How many of a cell's runs are there; nothing where those of all seeds are."""
    return "not run" if not n else f"{n} of {seeds} run" if n < seeds else ""


def lost(row: Any, seeds: int) -> str:
    """How many of a row's runs are there, and how many diverged or were out of time; nothing where those of all seeds
    finished."""
    there = [(getattr(row, column), outcome) for column, outcome in LOST.items()]
    told = [run(row.n, seeds), *(f"{count} of {row.n} {outcome}" for count, outcome in there if count)]
    return ", ".join(filter(None, told))


def name_lost(axis: Axes, rows: pd.DataFrame, seeds: int) -> None:
    """Write into a panel how many runs of which optimizer are missing, diverged or were out of time; of many, how many
    in all."""
    told = [f"{row.optimizer}: {lost(row, seeds)}" for row in rows.itertuples() if lost(row, seeds)]
    if len(told) > NAMED or any(len(one) > letters_of(axis, style.small()) for one in told):
        (all_of_them,) = rows[["n", *LOST]].sum().to_frame().T.itertuples()
        told = [lost(all_of_them, seeds * len(rows))]
    note(axis, told)


def note(axis: Axes, told: Sequence[str]) -> None:
    """Write lines into the lower left corner of a panel."""
    if told:
        text = axis.text(0.03, 0.04, "\n".join(told), transform=axis.transAxes, fontsize=style.small(), va="bottom")
        text.set_in_layout(False)


def lines(axis: Axes, rows: pd.DataFrame, x: str, y: str, styles: dict[str, style.Line], **options: Any) -> None:
    """Draw what was aggregated before, a line for each optimizer, interrupted where a value is missing.

    By matplotlib itself: seaborn leaves no gap where a value is missing, unless each stretch is a line of its own.
    """
    for optimizer, line in rows.groupby("optimizer", sort=False):
        look = styles[optimizer]
        axis.plot(line[x], line[y], color=look.colour, linestyle=look.linestyle, **options)


def alone(values: pd.Series) -> pd.Series:
    """Which values of a line have no neighbour, so that it is not to be seen there without a mark."""
    there = values.notna()
    return there & ~there.shift(fill_value=False) & ~there.shift(-1, fill_value=False)


def marked_lines(axis: Axes, rows: pd.DataFrame, x: str, y: str, styles: dict[str, style.Line]) -> None:
    """The same, with the optimizer's mark wherever a line ends."""
    for optimizer, line in rows.groupby("optimizer", sort=False):
        ends = line[y].notna() & line[y].shift(-1).isna()
        mark = {"marker": styles[optimizer].marker, "markevery": ends.to_numpy(), "markeredgewidth": 0}
        lines(axis, line, x, y, styles, **mark, clip_on=False)


def thinned(rows: pd.DataFrame, line: Sequence[str]) -> pd.DataFrame:
    """Rows of which each line, told by some columns, has at most POINTS: of stretches that are even in the logarithm of
    the step, the first of all, the last of all, and those where the median is lowest and highest."""
    if rows.empty or rows.groupby(list(line)).size().max() <= POINTS:
        return rows
    horizons = rows.groupby(list(line))["step"].transform("max")
    stretch = np.floor(np.log1p(rows["step"]) / np.log1p(horizons) * (POINTS // 2 - 1)).rename("stretch")
    stretch = stretch.clip(upper=POINTS // 2 - 2)
    ordered = rows.assign(stretch=stretch).sort_values("median", kind="stable")
    ends = [rows.drop_duplicates(line, keep=which).index for which in ("first", "last")]
    extremes = [ordered.drop_duplicates([*line, "stretch"], keep=which).index for which in ("first", "last")]
    return rows[rows.index.isin(np.concatenate([*ends, *extremes]))]


def spreads(axis: Axes, rows: pd.DataFrame, x: str, styles: dict[str, style.Line]) -> None:
    """The median of each optimizer as a line with a mark at its end, and a band from `lower` to `upper`, of rows that
    are `within` the limits."""
    # Or the limits of all panels would be found anew for every line; `along` gives them.
    axis.set_autoscalex_on(False)
    axis.add_collection(bands(rows, x, styles, 0.16), autolim=False)
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
        for name, drawn in zip(names, axis.get_lines()[-len(names) :], strict=True):
            look = styles[name]
            drawn.set(color=look.colour, linestyle=look.linestyle, marker=look.marker)


def bands(rows: pd.DataFrame, x: str, styles: dict[str, style.Line], alpha: float) -> PolyCollection:
    """From `lower` to `upper`, of each optimizer, where both are known."""
    known = rows.dropna(subset=["lower", "upper"])
    places, names = pd.factorize(known["optimizer"])
    points = known[[x, "lower", "upper"]].to_numpy(float)
    of_each = [points[places == place] for place in range(len(names))]
    outlines = [np.concatenate([band[:, [0, 1]], band[::-1, [0, 2]]]) for band in of_each]
    return PolyCollection(outlines, facecolors=[styles[name].colour for name in names], alpha=alpha, linewidths=0)


def along(axis: Axes, values: pd.Series) -> None:
    """A logarithmic x axis for how far runs are, with a place for zero where it is among the values."""
    above = values[values > 0]
    first, last = (float(above.min()), float(above.max())) if len(above) else (1.0, 10.0)
    decades = range(math.ceil(math.log10(first)), math.ceil(math.log10(max(10 * first, last))))
    if len(above) == len(values):
        logarithmic(axis, "x", (first, max(10 * first, last)))
    else:
        axis.set_xscale("symlog", linthresh=first, linscale=0.5)
        axis.set_xticks([0, *(10.0**decade for decade in decades)])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(power)
        axis.set_xlim(0, last + 0.05 * last)


def all_lost(rows: pd.DataFrame) -> dict[str, int]:
    """How many runs of all rows diverged, and how many were out of time, for words about a figure."""
    return {column: int(rows[column].sum()) for column in LOST}


def evaluated(cells: pd.DataFrame, wanted: int) -> dict[str, int]:
    """Of how many seeds cells are, the most and of those that were run the fewest, and how many of the runs `wanted`
    are missing, for words about a figure."""
    there = cells["n"][cells["n"] > 0]
    most, fewest = (int(there.max()), int(there.min())) if len(there) else (0, 0)
    return {"seeds": most, "fewest": fewest, "missing": wanted - int(there.sum())}


def tuned(tables: Path, experiment: Experiment, problem: str) -> dict[str, int]:
    """How many tuning runs of a problem are missing, for words about a figure."""
    return {"missing": declared(experiment)[problem, "tuning"] - int(read(tables, "rates", problem)["n"].sum())}


def best_cells(tables: Path, problem: str) -> pd.DataFrame:
    """The row of `cells` of each optimizer's best cell, which is that of `comparisons`."""
    levels = read(tables, "comparisons", problem)
    return levels.loc[levels["factor"] == "optimizer", [*CELL, *TRIAL]].merge(read(tables, "cells", problem))


def extremes(rows: pd.DataFrame, value: str, names: list[str]) -> dict[str, Any]:
    """The rows with the lowest and the highest finite value, of equal ones the first, for words about a figure."""
    finite = rows[np.isfinite(rows[value].astype(float))]
    if finite.empty:
        return {"lowest": None, "highest": None}
    values = finite[value].to_numpy(float)
    ends = {"lowest": finite.iloc[values.argmin()], "highest": finite.iloc[values.argmax()]}
    return {end: {name: plain(row[name]) for name in [*names, value]} for end, row in ends.items()}


def measures(experiment: Experiment, problem: str | None) -> list[str]:
    """What runs are compared by on a problem, or with None on all of them, each once."""
    of_problems = comparisons.measures(experiment)
    return list(dict.fromkeys(of_problems.values())) if problem is None else [of_problems[problem]]


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
