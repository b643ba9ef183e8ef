"""Draw one figure of a paper at its column's width, as PDF and PNG, with its data and what its caption speaks of."""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.text import Text

from thalweg.experiment.loading import load
from thalweg.reporting import paper, sizes, style
from thalweg.reporting.drawing import output
from thalweg.reporting.figures import BY_NAME

POINTS = 72
"""An inch, which are the dots of a PDF."""

TOUCHING = 1.5
"""Points. Boxes of words that share no more than this, either way, are read apart."""


def warn_of_crowding(figure: Figure) -> None:
    """Warn of words that lie over others, or beyond the edge, in a PDF: the first two, or one. The panels have their
    places."""
    dpi = figure.dpi
    FigureCanvasPdf(figure)
    figure.set(dpi=POINTS)
    # Legends take their places only while they are drawn.
    figure.draw_without_rendering()
    hidden = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _hidden(axis)}
    hidden |= {text for axes in figure.axes if not axes.axison for text in _of_axes(axes)}
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    words = [text for text in words if text not in hidden]
    low, high = np.array([text.get_window_extent().get_points() for text in words]).reshape(-1, 2, 2).swapaxes(0, 1)
    edge = np.array(figure.bbox.max)
    figure.set(dpi=dpi)
    for place in np.flatnonzero((low < -TOUCHING).any(axis=1) | (high > edge + TOUCHING).any(axis=1))[:1]:
        warnings.warn(f"{words[place].get_text()!r} is cut off", stacklevel=2)
    shared = np.minimum(high, high[:, None]) - np.maximum(low, low[:, None])
    for one, other in np.argwhere(np.triu((shared > TOUCHING).all(axis=2), 1))[:1]:
        warnings.warn(f"{words[one].get_text()!r} and {words[other].get_text()!r} overlap", stacklevel=2)


def _hidden(axis: Axis) -> list[Text]:
    """The labels of ticks beyond the ends of an axis, which matplotlib keeps but does not draw."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)]
    ticks += zip(axis.get_minorticklocs(), axis.get_minorticklabels(), strict=False)
    return [label for at, label in ticks if not low <= at <= high]


def _of_axes(axes: Axes) -> list[Text]:
    """All texts of the two axes of a panel."""
    return [text for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", help="NAME, or PROBLEM/NAME")
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--pgf", action="store_true", help="also as PGF, which wants xelatex")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the paper's figures")
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    chosen = {shown.place: (shown, of) for shown, of in paper.chosen_figures(experiment).items()}
    if arguments.place not in chosen:
        parser.error(f"{arguments.place} is no figure of this paper; {', '.join(chosen)} are")
    (name, problem), of = chosen[arguments.place]
    try:
        with style.applied(sizes.read_styles()[of]), warnings.catch_warnings():
            # Matplotlib's own say that there is no room left for panels.
            warnings.simplefilter("error", UserWarning)
            drawing = BY_NAME[name].draw(arguments.tables, experiment, problem)
            style.lay_out(drawing.figure)
            warn_of_crowding(drawing.figure)
            output.write(name, problem, drawing, arguments.output, partial(style.save_for_print, pgf=arguments.pgf))
    except UserWarning as warning:
        sys.exit(f"{arguments.place} does not fit the style {of} ({warning}); give it a wider one of its own")


if __name__ == "__main__":
    main()
