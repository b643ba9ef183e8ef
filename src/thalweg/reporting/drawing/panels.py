"""Small multiples: panels with one set of axes, their titles, and the notes written into them."""

import math
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, Transform

from thalweg.analysis.histories import FAILURES
from thalweg.reporting import style

MAX_LINES = 6
"""How many lines of a panel can be told apart."""

MAX_NAMED_OPTIMIZERS = 4
"""How many optimizers a panel names that lost runs, if it has room for their names."""

MIN_PANEL_WIDTH = 1.3
"""Inches that a panel with its labels has at least. Where a figure is too narrow for that, its rows are broken."""

LETTER_WIDTH = 0.575
"""How wide a letter is on average, in units of its size."""


def make_figure(height: float) -> Figure:
    """Make an empty figure, so many inches high and as wide as the style says."""
    return Figure(figsize=(style.width(), height))


def panels_abreast(columns: int, min_width: float = MIN_PANEL_WIDTH) -> int:
    """Return how many of a row's panels stand side by side, so that its lines are about as long as each other."""
    lines = math.ceil(columns / max(1, int(style.width() / min_width)))
    return math.ceil(columns / lines)


def make_grid(
    rows: int,
    columns: int,
    height: float,
    min_width: float = MIN_PANEL_WIDTH,
    stacked: Sequence[float] = (1,),
    of_text: bool = False,
    **options: Any,
) -> tuple[Figure, Any]:
    """Make panels that share their axes.

    Args:
        rows: How many rows there are.
        columns: How many panels a row has, however rows are broken.
        height: Inches of a row. It is less where the figure would be too tall, or panels higher than wide.
        min_width: Inches of a panel.
        stacked: The heights, relative to each other, of the axes that make up a panel.
        of_text: Whether panels are made of text, so that they may be higher than wide.
        **options: More for `matplotlib.figure.Figure.subplots`.

    Returns:
        The figure, and its axes in an array of (rows × stacked, columns).
    """
    side_by_side = panels_abreast(columns, min_width)
    lines, parts = math.ceil(columns / side_by_side), len(stacked)
    height = min(height, (style.max_height() - 0.7) / (rows * lines))
    if not of_text:
        height = min(height, style.width() / side_by_side + 0.2)
    figure = make_figure(height * rows * lines + 0.7)
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


def begins_line(axis: Any) -> bool:
    """Tell whether a panel is the first of a line."""
    first: bool = axis.get_subplotspec().is_first_col()
    return first


def is_lowest(axis: Any) -> bool:
    """Tell whether no panel stands beneath."""
    place, others = axis.get_subplotspec(), [other.get_subplotspec() for other in axis.figure.axes]
    return not any(
        other.colspan == place.colspan and other.rowspan.start >= place.rowspan.stop for other in others if other
    )


def label_outer_axes(axes: Any, x: str, y: str | None = None) -> None:
    """Label x beneath the lowest panel of each column, and y beside the first panel of each line."""
    for axis in axes.flat:
        if is_lowest(axis):
            axis.set_xlabel(x)
            axis.tick_params(labelbottom=True)
        if y and begins_line(axis):
            axis.set_ylabel(y)


def letters_that_fit(inches: float, points: float | None = None) -> int:
    """Return how many letters of a size in points, by default that of labels, find room."""
    return int(72 * inches / (LETTER_WIDTH * (points or style.font())))


def letters_across(axis: Any, points: float | None = None) -> int:
    """Return how many letters find room in the width of a panel."""
    return letters_that_fit(0.8 * style.width() / axis.get_gridspec().ncols, points)


def title_columns(axes: Any, titles: Sequence[str]) -> None:
    """Title the panels of the first row; where rows are broken, those of every row."""
    for row in axes if any(map(begins_line, axes[0, 1:])) else axes[:1]:
        for axis, title in zip(row, titles, strict=True):
            axis.set_title(textwrap.fill(title, letters_across(axis)), fontweight="bold")


def label_row(row: Sequence[Axes], text: str) -> None:
    """Write what a row is beside the last panel of each of its lines."""
    ends = [axis for axis, after in zip(row, [*row[1:], None], strict=True) if after is None or begins_line(after)]
    beside: dict[str, Any] = {"xycoords": "axes fraction", "rotation": 270, "va": "center", "ha": "left"}
    for axis in ends:
        axis.annotate(text, (1.03, 0.5), **beside, fontsize=style.font() if len(ends) == 1 else style.small_font())


def title_with_notes(axes: Sequence[Axes], titles: Sequence[str], notes: Sequence[Sequence[str]]) -> None:
    """Title the panels of a row, with lines of small print beneath each title."""
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
    for axis, title, note in zip(axes, titles, notes, strict=True):
        axis.set_title(
            textwrap.fill(title, letters_across(axis)),
            fontweight="bold",
            pad=6 + 1.3 * style.small_font() * max(map(len, notes)),
        )
        axis.annotate("\n".join(note), (0.5, 1), (0, 4), **above, fontsize=style.small_font())


def chunks(names: Collection[str]) -> list[list[str]]:
    """Split names into lists of at most MAX_LINES, one for each panel."""
    listed = list(names)
    return [listed[first : first + MAX_LINES] for first in range(0, len(listed), MAX_LINES)]


def chunk_numbers(optimizers: pd.Series, names: Iterable[str]) -> pd.Series:
    """Return which of the `chunks` of names each optimizer is in, counted from 0."""
    return optimizers.map({name: place // MAX_LINES for place, name in enumerate(names)}).rename("chunk")


def runs_present(n: int, seeds: int) -> str:
    """Write how many of a cell's runs there are; nothing where those of all seeds are."""
    return "not run" if not n else f"{n} of {seeds} run" if n < seeds else ""


def runs_lost(row: Any, seeds: int) -> str:
    """Write how many of a row's runs there are, diverged or ran out of time; nothing where all seeds finished."""
    counts = [(getattr(row, column), outcome) for column, outcome in FAILURES.items()]
    parts = [runs_present(row.n, seeds), *(f"{count} of {row.n} {outcome}" for count, outcome in counts if count)]
    return ", ".join(filter(None, parts))


def write_lost_runs(axis: Axes, rows: pd.DataFrame, seeds: int) -> None:
    """Write into a panel how many runs each optimizer lost or lacks; of many optimizers, how many in all."""
    notes = [f"{row.optimizer}: {runs_lost(row, seeds)}" for row in rows.itertuples() if runs_lost(row, seeds)]
    room = letters_across(axis, style.small_font())
    if len(notes) > MAX_NAMED_OPTIMIZERS or any(len(note) > room for note in notes):
        (total,) = rows[["n", *FAILURES]].sum().to_frame().T.itertuples()
        notes = [runs_lost(total, seeds * len(rows))]
    write_notes(axis, notes)


def write_notes(axis: Axes, notes: Sequence[str]) -> None:
    """Write lines into the lower left corner of a panel."""
    if notes:
        text = axis.text(
            0.03, 0.04, "\n".join(notes), transform=axis.transAxes, fontsize=style.small_font(), va="bottom"
        )
        text.set_in_layout(False)


def shifted(axis: Axes, transform: Transform, x: float, y: float) -> Transform:
    """Return a transform of a panel, moved by so many inches."""
    return transform + ScaledTranslation(x, y, axis.figure.dpi_scale_trans)
