"""Draw one figure of a paper at its column's width, as PDF and PNG, with its data and what its caption speaks of."""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

from thalweg.grid.experiment import load
from thalweg.reporting import paper, sizes, style
from thalweg.reporting.figures.__main__ import DRAW, write


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
        with style.applied(sizes.styles()[of]), warnings.catch_warnings():
            # What matplotlib warns of is that there is no room left for panels.
            warnings.simplefilter("error", UserWarning)
            drawing = DRAW[name](arguments.tables, experiment, problem)
            write(name, problem, drawing, arguments.output, partial(style.save_for_print, pgf=arguments.pgf))
    except UserWarning as warning:
        sys.exit(f"{arguments.place} does not fit the style {of} ({warning}); give it a wider one of its own")


if __name__ == "__main__":
    main()
