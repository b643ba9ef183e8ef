"""Draw the figures of a problem, or of an experiment as a whole, as SVG and PDF, each with its data and a description
beside it: in one process, since to load the libraries takes longer than to draw a figure."""

import argparse
import gc
from pathlib import Path

from thalweg.experiment.loading import load
from thalweg.reporting import style
from thalweg.reporting.drawing import output
from thalweg.reporting.figures import BY_NAME, figures_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--problem", help="draw its figures, and not those of the experiment as a whole")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the figures")
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    # A figure is a web of objects that lives to its end: to look through it for garbage takes a fifth of the time.
    gc.disable()
    with style.applied():
        for name in figures_of(experiment, arguments.problem):
            drawing = BY_NAME[name].draw(arguments.tables, experiment, arguments.problem)
            output.write(name, arguments.problem, drawing, arguments.output)


if __name__ == "__main__":
    main()
