"""What the figures share: small multiples with one set of axes, one legend, one style an optimizer."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from thalweg.analysis.histories import LOST, RESOLUTION
from thalweg.reporting import style

ALONG = {"step": "step", "epoch": "epoch", "examples": "examples seen"}
"""What runs can be drawn against, columns of tables, with the label of the axis."""

POINTS = 70
"""How many points of a line are drawn at most."""

NAMED = 4
"""How many optimizers are named at most in a panel where they lost runs."""


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


def grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """Panels that share their axes, `height` inches a row; returns the figure and its axes, always two-dimensional."""
    figure = Figure(figsize=(style.WIDTH, height * rows + 0.7))
    return figure, figure.subplots(rows, columns, squeeze=False, **{"sharex": True, "sharey": True, **options})


def name_columns(axes: Any, titles: Sequence[str]) -> None:
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontweight="bold")


def name_row(axis: Axes, text: str) -> None:
    """Write beside the last panel of a row what the row is."""
    axis.annotate(text, (1.03, 0.5), xycoords="axes fraction", rotation=270, va="center", ha="left")


def sixes(names: Collection[str]) -> list[list[str]]:
    """The names in parts of six at most: no more lines of a panel can be told apart."""
    listed = list(names)
    return [listed[first : first + 6] for first in range(0, len(listed), 6)]


def head(axes: Sequence[Axes], titles: Sequence[str], notes: Sequence[Sequence[str]]) -> None:
    """Name the panels of a row, and say above each in lines of small print what else is to be known."""
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
    for axis, title, said in zip(axes, titles, notes, strict=True):
        axis.set_title(title, fontweight="bold", pad=6 + 9 * max(map(len, notes)))
        axis.annotate("\n".join(said), (0.5, 1), (0, 4), **above, fontsize=6.5)


def spoken(target: str) -> str:
    """A target as people write it: validation loss ≤ 0.01."""
    return target.replace("_", " ").replace("<=", "≤").replace(">=", "≥")


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


def place_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """In as few rows as fit, which are read one after the other, though matplotlib fills columns."""
    labels = [handle.get_label() for handle in handles]
    columns = next(columns for columns in balanced(len(handles)) if columns == 1 or fit(labels, columns))
    in_rows = [handle for column in range(columns) for handle in handles[column::columns]]
    figure.legend(handles=in_rows, loc="outside upper left", ncols=columns, handlelength=3.2)


def balanced(number: int) -> list[int]:
    """How many columns things may stand in, so that rows are about as long as each other; the most columns first."""
    return list(dict.fromkeys(math.ceil(number / rows) for rows in range(1, number + 1)))


def fit(labels: Sequence[str], columns: int) -> bool:
    """Whether labels, in so many columns, are no wider than a figure: 50 points for a mark, 4.6 for a letter."""
    widest = [max(len(label) for label in labels[column::columns]) for column in range(columns)]
    return sum(50 + 4.6 * letters for letters in widest) <= 72 * style.WIDTH


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


def drawable(values: pd.Series, limits: tuple[float, float]) -> pd.Series:
    """Values on a logarithmic axis: what is below it, such as zero, lies on its edge. The infinite is not drawn."""
    return values.where(np.isfinite(values)).clip(lower=limits[0])


def logarithmic(axis: Axes, which: str, limits: tuple[float, float]) -> None:
    """Make an axis (`x` or `y`) logarithmic; over less than two decades its ticks are written out."""
    getattr(axis, f"set_{which}scale")("log")
    getattr(axis, f"set_{which}lim")(limits)
    if limits[1] < 100 * limits[0]:
        decades = range(math.floor(math.log10(limits[0])), math.ceil(math.log10(limits[1])) + 1)
        mantissas = (1, 2, 5) if limits[1] > 10 * limits[0] else (1, 1.5, 2, 3, 5, 7)
        ticks = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in mantissas]
        ticks = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
        getattr(axis, f"set_{which}ticks")(ticks, [f"{tick:g}" for tick in ticks])
    # They are not to be seen, but would be placed and measured again and again.
    getattr(axis, f"{which}axis").set_minor_locator(NullLocator())


def lost(row: Any) -> str:
    """How many of a row's runs diverged or were out of time; nothing where all of them finished."""
    there = [(getattr(row, column), outcome) for column, outcome in LOST.items()]
    return ", ".join(f"{count} of {row.n} {outcome}" for count, outcome in there if count)


def name_lost(axis: Axes, rows: pd.DataFrame) -> None:
    """Write into a panel how many runs of which optimizer diverged or were out of time; of many, how many in all."""
    told = [f"{row.optimizer}: {lost(row)}" for row in rows.itertuples() if lost(row)]
    if len(told) > NAMED:
        (all_of_them,) = rows[["n", *LOST]].sum().to_frame().T.itertuples()
        told = [lost(all_of_them)]
    if told:
        text = axis.text(0.03, 0.04, "\n".join(told), transform=axis.transAxes, fontsize=6, va="bottom")
        text.set_in_layout(False)


def lines(axis: Axes, rows: pd.DataFrame, x: str, y: str, styles: dict[str, style.Line], **options: Any) -> None:
    """Draw what was aggregated before, a line for each optimizer, interrupted where a value is missing.

    By matplotlib itself: seaborn leaves no gap where a value is missing, unless each stretch is a line of its own.
    """
    for optimizer, line in rows.groupby("optimizer", sort=False):
        look = styles[optimizer]
        axis.plot(line[x], line[y], color=look.colour, linestyle=look.linestyle, **options)


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


def spreads(axis: Axes, rows: pd.DataFrame, x: str, styles: dict[str, style.Line], limits: tuple[float, float]) -> None:
    """The median of each optimizer as a line with a mark at its end, and a band from `lower` to `upper`."""
    for optimizer, line in rows.groupby("optimizer", sort=False):
        lower, upper = (line[end].clip(*limits) for end in ("lower", "upper"))
        axis.fill_between(line[x], lower, upper, color=styles[optimizer].colour, alpha=0.16, linewidth=0)
    medians = rows.assign(median=drawable(rows["median"], limits)).dropna(subset="median")
    if len(medians):
        # A median that is lost once stays lost, so that no line has a gap.
        sns.lineplot(
            medians,
            x=x,
            y="median",
            hue="optimizer",
            style="optimizer",
            palette={name: line.colour for name, line in styles.items()},
            dashes={name: line.dash for name, line in styles.items()},
            markers={name: line.marker for name, line in styles.items()},
            markevery=[-1],
            markeredgewidth=0,
            clip_on=False,
            estimator=None,
            errorbar=None,
            legend=False,
            ax=axis,
        )
        axis.set(xlabel="", ylabel="")


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
        axis.set_xlim(0)


def all_lost(rows: pd.DataFrame) -> dict[str, int]:
    """How many runs of all rows diverged, and how many were out of time, for words about a figure."""
    return {column: int(rows[column].sum()) for column in LOST}


def extremes(rows: pd.DataFrame, value: str, names: list[str]) -> dict[str, Any]:
    """The rows with the lowest and the highest finite value, for words about a figure."""
    finite = rows[np.isfinite(rows[value].astype(float))].sort_values(value, kind="stable")
    if finite.empty:
        return {"lowest": None, "highest": None}
    ends = {"lowest": finite.iloc[0], "highest": finite.iloc[-1]}
    return {end: {name: plain(row[name]) for name in [*names, value]} for end, row in ends.items()}


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
