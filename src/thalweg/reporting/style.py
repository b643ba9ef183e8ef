"""How every figure looks. The only place that touches matplotlib's settings, and only inside a context."""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from thalweg.reporting.sizes import SCREEN, Sizes
from thalweg.results.store import write_whole

INK = "#1b1f24"
MUTED = "#5b636e"
GRID = "#dfe3e8"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b8578f", "#8a7300", "#6f6f78")
"""Okabe and Ito's blue, vermillion, green and purple, the purple darkened, then a dark yellow and a grey.

All keep 3:1 against a white page.
"""
DARK = {INK: "#e8ebef", MUTED: "#a3acb8", GRID: "#343b45"} | dict(
    zip(COLOURS, ("#45a5e0", "#ff8a3d", "#2fc498", "#e291c3", "#cdb23a", "#adadb8"), strict=True)
)
"""What each colour becomes on a dark page: the same hue, lighter."""

DASHES: tuple[Any, ...] = ("", (5, 1.5), (1.5, 1.2), (6, 1.5, 1.5, 1.5), (9, 2), (3, 1, 1, 1, 1, 1))
"""On and off lengths in line widths; empty for a solid line."""
MARKERS = ("o", "s", "^", "D", "v", "P")

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
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
"""A PDF without a clock, and without what a version of matplotlib says of itself."""

DOTS = 300
"""An inch, of a PNG for print."""

_LETTERS = ("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize")
_SMALL_PRINT = ("xtick.labelsize", "ytick.labelsize")


class Line(NamedTuple):
    """How one optimizer is drawn, in every figure."""

    colour: str
    dash: Any
    marker: str

    @property
    def linestyle(self) -> Any:
        return (0, self.dash) if self.dash else "-"


def lines(names: Iterable[str]) -> dict[str, Line]:
    """A style for each name, by its place. Beyond six the colours return, with other dashes and markers."""
    return {
        name: Line(COLOURS[k % 6], DASHES[(k + k // 6) % 6], MARKERS[(k + 2 * (k // 6)) % 6])
        for k, name in enumerate(names)
    }


@contextmanager
def applied(sizes: Sizes = SCREEN) -> Iterator[None]:
    """Draw and save inside this context, in these sizes; outside it matplotlib is as it was."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        matplotlib.rcParams.update(dict.fromkeys(_LETTERS, sizes.font) | dict.fromkeys(_SMALL_PRINT, sizes.small))
        matplotlib.rcParams["figure.figsize"] = sizes.width, sizes.height
        yield


def width() -> float:
    """Of a figure, in inches."""
    inches: float = matplotlib.rcParams["figure.figsize"][0]
    return inches


def tallest() -> float:
    """That a figure may be, in inches."""
    inches: float = matplotlib.rcParams["figure.figsize"][1]
    return inches


def small() -> float:
    """The size of small print, in points."""
    points: float = matplotlib.rcParams["xtick.labelsize"]
    return points


def font() -> float:
    """The size of all other letters, in points."""
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
    write_whole(svg.with_suffix(".pdf"), pdf.getvalue())
    write_whole(svg, darkens(text.getvalue().decode()).encode())


def save_for_print(figure: Figure, file: Path, pgf: bool = False) -> None:
    """Write the figure as PDF and as PNG, on white, and if wanted as PGF; the same bytes every time."""
    pdf, png, text = io.BytesIO(), io.BytesIO(), io.BytesIO()
    lay_out(figure)
    FigureCanvasPdf(figure).print_pdf(pdf, metadata=NO_DATES)
    figure.savefig(png, format="png", dpi=DOTS, facecolor="white", metadata={"Software": None})
    write_whole(file.with_suffix(".pdf"), pdf.getvalue())
    write_whole(file.with_suffix(".png"), png.getvalue())
    if pgf:
        with matplotlib.rc_context({"pgf.texsystem": "xelatex", "pgf.rcfonts": False}):
            figure.savefig(text, format="pgf", backend="pgf")
        write_whole(file.with_suffix(".pgf"), text.getvalue())


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
    """Whether an axis has gridlines, but neither a label nor labels of ticks, as in a panel in the midst."""
    ticks = axis.get_tick_params()
    labelled = axis.get_label_text() or ticks.get("labelbottom") or ticks.get("labelleft")
    return ticks["gridOn"] and not labelled


def _rule(axis: Axis) -> None:
    """Draw the gridlines of a bare axis as one path, where a tick would be an object of five parts."""
    panel, is_x = axis.axes, isinstance(axis, XAxis)
    places = panel.get_xaxis_transform("grid") if is_x else panel.get_yaxis_transform("grid")
    lines = [Outline([(at, 0), (at, 1)] if is_x else [(0, at), (1, at)]) for at in axis.get_majorticklocs()]
    stroke: dict[str, Any] = {"edgecolor": GRID, "linewidth": _SETTINGS["grid.linewidth"], "capstyle": "projecting"}
    path = Outline.make_compound_path(*lines)
    panel.add_artist(PathPatch(path, transform=places, fill=False, zorder=0.5, **stroke))


def darkens(text: str) -> str:
    """An SVG with a rule that replaces every colour where the reader prefers a dark page."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + style, text, count=1)
