"""Matrices of cells that are coloured by a number and carry it.

They look the same on a light and a dark page. So no colour of a cell or of its text may be one that palette.DARK
replaces.
"""

from collections.abc import Sequence
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from thalweg.reporting import palette, style

CELL_GAP = 0.035
"""The gap between a cell and its neighbours on each side, in cells: the page shows there, and frames lie in it."""

BLACK, WHITE = "#000000", "#ffffff"
FRAME: dict[str, Any] = {"fill": False, "edgecolor": palette.INK, "linewidth": 1.3}
HATCH: dict[str, Any] = {"hatch": "////////", "fill": False, "linewidth": 0, "hatch_linewidth": 0.6}


def text_colour(colour: Any) -> str:
    """Return black or white, whichever stands out more from a colour.

    Against a luminance of √(0.05 × 1.05) − 0.05 = 0.179 both have WCAG's 4.58:1, and against any other one has more.
    """
    return BLACK if sns.utils.relative_luminance(colour) > 0.179 else WHITE


def paint_cell(axis: Axes, x: float, y: float, colour: Any, text: str, raised: float = 0, **font: Any) -> None:
    """Draw a cell in its colour with its text, which is `raised` above the middle by that many cells."""
    axis.add_patch(
        Rectangle(
            (x - 0.5 + CELL_GAP, y - 0.5 + CELL_GAP), 1 - 2 * CELL_GAP, 1 - 2 * CELL_GAP, color=to_hex(colour), lw=0
        )
    )
    write_text(axis, x, y - raised, text, color=text_colour(colour), **font)


def write_text(axis: Axes, x: float, y: float, text: str, **font: Any) -> None:
    """Write text into the middle of a cell."""
    axis.text(
        x, y, text, **{"ha": "center", "va": "center", "fontsize": style.small_font(), "linespacing": 1.1, **font}
    )


def frame_cell(axis: Axes, x: float, y: float) -> None:
    """Draw a frame around a cell."""
    axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **FRAME, clip_on=False, zorder=3))


def hatch_foot(axis: Axes, x: float, y: float, height: float, colour: str) -> None:
    """Hatch the foot of a cell, up to that share of its height."""
    inside = 1 - 2 * CELL_GAP
    foot = x - 0.5 + CELL_GAP, y + 0.5 - CELL_GAP - height * inside
    axis.add_patch(Rectangle(foot, inside, height * inside, edgecolor=colour, **HATCH))


def label_cells(axis: Axes, rows: Sequence[str], columns: Sequence[str], width: int) -> None:
    """Label rows and columns. Columns are labelled upright where a line of `width` characters is too short."""
    axis.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axis.set_yticks(range(len(rows)), [wrap_name(name, 24) for name in rows])
    upright = any(len(part) > width for name in columns for part in name.split("_"))
    axis.set_xticks(range(len(columns)), [wrap_name(name, 24 if upright else width) for name in columns])
    axis.tick_params(axis="x", labelrotation=90 if upright else 0)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def wrap_name(name: str, width: int) -> str:
    """Break a name into lines of at most `width` characters, after underscores where there are any."""
    lines = [""]
    for part in name.replace("_", "_ ").split(" "):
        for piece in (part[start : start + width] for start in range(0, len(part), width)):
            if len(lines[-1] + piece) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(lines)


def add_colour_bar(figure: Figure, norm: Normalize, colours: Colormap, label: str, form: Any) -> Colorbar:
    """Draw what the colours mean, beside all panels; `form` writes the number at a tick."""
    scale = ScalarMappable(norm, colours.resampled(64))
    bar = figure.colorbar(scale, ax=figure.axes, fraction=0.03, pad=0.015, aspect=25, label=label)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form(value)))
    bar.outline.set_visible(False)
    return bar
