"""What heat maps share: cells that are painted by a number and carry it. They look the same on a light and a dark page.

Hence no colour of a cell, and none of the text in it, may be one that style.DARK replaces.
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

from thalweg.reporting import style

GAP = 0.035
"""Between a cell and its neighbours, on each side, in cells: there the page shows, and a frame has its place."""

BLACK, WHITE = "#000000", "#ffffff"
FRAME: dict[str, Any] = {"fill": False, "edgecolor": style.INK, "linewidth": 1.3}
HATCH: dict[str, Any] = {"hatch": "////////", "fill": False, "linewidth": 0, "hatch_linewidth": 0.6}


def ink_on(colour: Any) -> str:
    """Black or white, whichever stands out more.

    Against a luminance of √(0.05 × 1.05) − 0.05 = 0.179 both have WCAG's 4.58:1, and against any other one has more.
    """
    return BLACK if sns.utils.relative_luminance(colour) > 0.179 else WHITE


def paint(axis: Axes, x: float, y: float, colour: Any, text: str, raised: float = 0, **font: Any) -> None:
    """A cell in its colour, with its number, `raised` above the middle."""
    axis.add_patch(Rectangle((x - 0.5 + GAP, y - 0.5 + GAP), 1 - 2 * GAP, 1 - 2 * GAP, color=to_hex(colour), lw=0))
    write(axis, x, y - raised, text, color=ink_on(colour), **font)


def write(axis: Axes, x: float, y: float, text: str, **font: Any) -> None:
    axis.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": style.small(), "linespacing": 1.1, **font})


def frame(axis: Axes, x: float, y: float) -> None:
    axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **FRAME, clip_on=False, zorder=3))


def hatch(axis: Axes, x: float, y: float, height: float, colour: str) -> None:
    """Hatch the foot of a cell, of which it takes that share of the height."""
    inside = 1 - 2 * GAP
    foot = x - 0.5 + GAP, y + 0.5 - GAP - height * inside
    axis.add_patch(Rectangle(foot, inside, height * inside, edgecolor=colour, **HATCH))


def name(axis: Axes, rows: Sequence[str], columns: Sequence[str], width: int) -> None:
    """The names beside the rows and beneath the columns, upright where a line of `width` characters is too short."""
    axis.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axis.set_yticks(range(len(rows)), [wrapped(one, 24) for one in rows])
    upright = any(len(part) > width for one in columns for part in one.split("_"))
    axis.set_xticks(range(len(columns)), [wrapped(one, 24 if upright else width) for one in columns])
    axis.tick_params(axis="x", labelrotation=90 if upright else 0)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def wrapped(name: str, width: int) -> str:
    """A name in lines of at most `width` characters, broken after underscores where there are any."""
    lines = [""]
    for part in name.replace("_", "_ ").split(" "):
        for piece in (part[start : start + width] for start in range(0, len(part), width)):
            if len(lines[-1] + piece) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(lines)


def colour_bar(figure: Figure, norm: Normalize, colours: Colormap, label: str, form: Any) -> Colorbar:
    """What the colours mean, beside all panels; `form` writes the number at a tick."""
    scale = ScalarMappable(norm, colours.resampled(64))
    bar = figure.colorbar(scale, ax=figure.axes, fraction=0.03, pad=0.015, aspect=25, label=label)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form(value)))
    bar.outline.set_visible(False)
    return bar
