"""The look of every figure: matplotlib's settings, which nothing else touches, and how drawings are saved.

The settings hold inside the context of `applied` alone.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from thalweg.reporting import palette
from thalweg.reporting.sizes import SCREEN, Sizes
from thalweg.results.files import write_atomically

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "text.color": palette.INK,
    "axes.labelcolor": palette.INK,
    "axes.titlecolor": palette.INK,
    "axes.edgecolor": palette.MUTED,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "xtick.labelcolor": palette.INK,
    "ytick.labelcolor": palette.INK,
    "grid.color": palette.GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "thalweg",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "axes.formatter.use_mathtext": False,
}

NO_DATES: dict[str, Any] = {"CreationDate": None, "Producer": None, "Creator": None}
"""Metadata of a PDF without a date, and without the version of matplotlib."""

PRINT_DPI = 300
"""Dots an inch of a PNG for print."""

_FONT_SETTINGS = ("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize")
_SMALL_FONT_SETTINGS = ("xtick.labelsize", "ytick.labelsize")


@contextmanager
def applied(sizes: Sizes = SCREEN) -> Iterator[None]:
    """Draw and save inside this context, in these sizes; outside it matplotlib is as it was."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        matplotlib.rcParams.update(
            dict.fromkeys(_FONT_SETTINGS, sizes.font) | dict.fromkeys(_SMALL_FONT_SETTINGS, sizes.small)
        )
        matplotlib.rcParams["figure.figsize"] = sizes.width, sizes.height
        yield


def width() -> float:
    """Return the width of figures, in inches."""
    inches: float = matplotlib.rcParams["figure.figsize"][0]
    return inches


def max_height() -> float:
    """Return how high figures may be, in inches."""
    inches: float = matplotlib.rcParams["figure.figsize"][1]
    return inches


def small_font() -> float:
    """Return the size of small print, in points."""
    points: float = matplotlib.rcParams["xtick.labelsize"]
    return points


def font() -> float:
    """Return the size of all other letters, in points."""
    points: float = matplotlib.rcParams["font.size"]
    return points


def save(figure: Figure, svg: Path) -> None:
    """Write the figure as SVG, which turns dark with its page, and beside it as PDF; the same bytes every time.

    Panels are laid out once, for both, and without the drawing by which `savefig` would have them laid out: in a figure
    of many panels each takes seconds.
    """
    pdf, text = io.BytesIO(), io.BytesIO()
    lay_out(figure)
    FigureCanvasPdf(figure).print_pdf(pdf, metadata=NO_DATES)
    FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    write_atomically(svg.with_suffix(".pdf"), pdf.getvalue())
    write_atomically(svg, add_dark_mode(text.getvalue().decode()).encode())


def save_for_print(figure: Figure, file: Path, pgf: bool = False) -> None:
    """Write the figure as PDF and as PNG, on white, and if wanted as PGF; the same bytes every time."""
    pdf, png, text = io.BytesIO(), io.BytesIO(), io.BytesIO()
    lay_out(figure)
    FigureCanvasPdf(figure).print_pdf(pdf, metadata=NO_DATES)
    figure.savefig(png, format="png", dpi=PRINT_DPI, facecolor="white", metadata={"Software": None})
    write_atomically(file.with_suffix(".pdf"), pdf.getvalue())
    write_atomically(file.with_suffix(".png"), png.getvalue())
    if pgf:
        with matplotlib.rc_context({"pgf.texsystem": "xelatex", "pgf.rcfonts": False}):
            figure.savefig(text, format="pgf", backend="pgf")
        write_atomically(file.with_suffix(".pgf"), text.getvalue())


def lay_out(figure: Figure) -> None:
    """Give all panels their places for good, as text is measured in a PDF, which sets the figure to 72 dots an inch.

    Bare axes keep their gridlines but lose their ticks, which most of the time of a figure of many panels went to.
    """
    dpi = figure.dpi
    FigureCanvasPdf(figure)
    bare = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if _is_bare(axis)]
    for axis in bare:
        axis.set_in_layout(False)
        axis.set_label_coords(0, 0)
        axis.set_tick_params(left=False, bottom=False)
        axis.grid(False)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set(dpi=dpi, layout_engine="none")
    for axis in bare:
        _rule(axis)


def _is_bare(axis: Axis) -> bool:
    """Tell whether an axis has gridlines, but neither a label nor labels of ticks, as in a panel in the midst."""
    ticks = axis.get_tick_params()
    labelled = axis.get_label_text() or ticks.get("labelbottom") or ticks.get("labelleft")
    return ticks["gridOn"] and not labelled


def _rule(axis: Axis) -> None:
    """Draw the gridlines of a bare axis as one path, where a tick would be an object of five parts."""
    panel, is_x = axis.axes, isinstance(axis, XAxis)
    places = panel.get_xaxis_transform("grid") if is_x else panel.get_yaxis_transform("grid")
    lines = [Outline([(at, 0), (at, 1)] if is_x else [(0, at), (1, at)]) for at in axis.get_majorticklocs()]
    stroke: dict[str, Any] = {
        "edgecolor": palette.GRID,
        "linewidth": _SETTINGS["grid.linewidth"],
        "capstyle": "projecting",
    }
    path = Outline.make_compound_path(*lines)
    panel.add_artist(PathPatch(path, transform=places, fill=False, zorder=0.5, **stroke))


def add_dark_mode(text: str) -> str:
    """Add a rule to an SVG that replaces every colour where the reader prefers a dark page."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in palette.DARK.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + style, text, count=1)
