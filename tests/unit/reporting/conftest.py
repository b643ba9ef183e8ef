"""The report of the small experiment, made by the command lines that the workflow calls."""

import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.grid.experiment import load
from thalweg.reporting import style
from thalweg.reporting.figures import figures_of
from thalweg.reporting.figures.__main__ import DRAW, write


@pytest.fixture(scope="session")
def drawings(small, experiment):
    """Every figure of every problem, by name and problem."""
    with style.applied():
        return {
            (name, problem): DRAW[name](small[1] / "tables", experiment, problem)
            for problem in experiment.problems
            for name in figures_of(experiment, problem)
        }


@pytest.fixture(scope="session")
def wide_drawings(wide):
    """The same of the experiment with a search."""
    experiment = load(wide[0])
    with style.applied():
        return {
            (name, problem): DRAW[name](wide[1] / "tables", experiment, problem)
            for problem in experiment.problems
            for name in figures_of(experiment, problem)
        }


@pytest.fixture(scope="session")
def wide_report(wide, wide_drawings) -> Path:
    return write_report(wide, wide_drawings)


@pytest.fixture(scope="session")
def report(small, drawings) -> Path:
    return write_report(small, drawings)


def write_report(made, drawings) -> Path:
    file, results = made
    folder = results / "report"
    with style.applied():
        for (name, problem), drawing in drawings.items():
            write(name, problem, drawing, folder / "figures")
    command = [sys.executable, "-m", "thalweg.reporting.pages", "--experiment", file]
    subprocess.run([*command, "--results", results, "--output", folder], check=True)
    return folder
