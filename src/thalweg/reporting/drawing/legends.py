"""Legends above all panels, in as few rows as their entries need."""

import math
from collections.abc import Collection, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from thalweg.reporting import palette, style
from thalweg.reporting.drawing.panels import LETTER_WIDTH
from thalweg.reporting.palette import LineStyle

ENTRY_SPACES = {"handlelength": 3.0, "handletextpad": 0.8, "columnspacing": 1.6}
"""The widths in a legend's entry, in units of the size of its letters."""


def draw_legend(
    figure: Figure,
    styles: dict[str, LineStyle],
    band: str | None = None,
    points: Collection[str] = (),
    more: Sequence[Any] = (),
) -> None:
    """Draw one legend above all panels.

    Args:
        figure: The figure.
        styles: The line of each optimizer.
        band: What bands mean, if there are any.
        points: The optimizers that are drawn without a line.
        more: Further handles.
    """
    dashes = {name: "none" if name in points else line.linestyle for name, line in styles.items()}
    handles: list[Any] = [
        Line2D([], [], color=line.colour, linestyle=dashes[name], marker=line.marker, label=name)
        for name, line in styles.items()
    ]
    if band:
        handles.append(Patch(facecolor=palette.MUTED, alpha=0.25, label=band))
    place_legend(figure, [*handles, *more])


def line_handle(line: LineStyle, label: str) -> Line2D:
    """Make the entry of an optimizer's line."""
    return mark_handle(label, color=line.colour, linestyle=line.linestyle, marker=line.marker)


def mark_handle(label: str, **look: Any) -> Line2D:
    """Make the entry of a mark or a line that looks like this."""
    return Line2D([], [], label=label, **look)


def patch_handle(label: str, **look: Any) -> Patch:
    """Make the entry of an area that looks like this."""
    return Patch(label=label, **look)


def place_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Place a legend above all panels, in as few rows as fit. Its rows are read one after the other.

    The figure grows by the rows beyond the second.
    """
    labels = [handle.get_label() for handle in handles]
    columns = next(columns for columns in balanced_columns(len(handles)) if columns == 1 or labels_fit(labels, columns))
    # Matplotlib fills columns.
    in_rows = [handle for column in range(columns) for handle in handles[column::columns]]
    figure.legend(handles=in_rows, loc="outside upper left", ncols=columns, **ENTRY_SPACES)
    further_rows = math.ceil(len(handles) / columns) - 2
    height = figure.get_figheight() + max(0, further_rows) * 1.5 * style.font() / 72
    figure.set_figheight(min(height, style.max_height()))


def balanced_columns(count: int) -> list[int]:
    """Return the numbers of columns that give rows of about equal length, the most columns first."""
    return list(dict.fromkeys(math.ceil(count / rows) for rows in range(1, count + 1)))


def labels_fit(labels: Sequence[str], columns: int) -> bool:
    """Tell whether labels in so many columns are no wider than a figure."""
    longest = [max(len(label) for label in labels[column::columns]) for column in range(columns)]
    mark = sum(ENTRY_SPACES.values()) + 0.25
    return sum((mark + LETTER_WIDTH * letters) * style.font() for letters in longest) <= 72 * style.width()
