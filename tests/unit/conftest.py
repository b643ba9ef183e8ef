"""Results to analyse and report: made up once a session, by `synthetic`."""

from pathlib import Path

import pytest
import synthetic

from thalweg.analysis import tables
from thalweg.grid.experiment import Experiment, load


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The file of a small experiment, and its results folder with runs, checks and tables."""
    file, results = synthetic.write_small(tmp_path_factory.mktemp("small"))
    tables.write(tables.build(load(file), results), results / "tables")
    return file, results


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same of an experiment with a search, where runs reach a target or are out of time."""
    file, results = synthetic.write_wide(tmp_path_factory.mktemp("wide"))
    tables.write(tables.build(load(file), results), results / "tables")
    return file, results


@pytest.fixture(scope="session")
def experiment(small: tuple[Path, Path]) -> Experiment:
    return load(small[0])
