"""Results to analyse and report, made up once a session by `synthetic`, and the reports of them."""

import gc
import subprocess
import sys
from pathlib import Path

import claimed
import pandas as pd
import pytest
import synthetic

from thalweg.analysis import certificate, tables
from thalweg.grid.certificate import file_of
from thalweg.grid.experiment import Experiment, load
from thalweg.reporting import overview, published, style, verify
from thalweg.reporting.figures import figures_of
from thalweg.reporting.figures.__main__ import DRAW, write


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


@pytest.fixture(scope="session")
def drawings(small):
    """Every figure of the small experiment."""
    return drawn(small)


@pytest.fixture(scope="session")
def wide_drawings(wide):
    """The same of the experiment with a search."""
    return drawn(wide)


@pytest.fixture(scope="session")
def wide_report(wide, wide_drawings) -> Path:
    return write_report(wide, wide_drawings)


@pytest.fixture(scope="session")
def report(small, drawings) -> Path:
    """The report of the small experiment, made by the command lines that the workflow calls. It has been published."""
    write_published(small)
    return write_report(small, drawings)


@pytest.fixture(scope="session")
def few_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the small experiment, with claims, and with too few seeds for any interval."""
    return report_of(tmp_path_factory, "few", synthetic.FEW + claimed.CLAIMS)


@pytest.fixture(scope="session")
def tied_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an experiment in which two optimizers come to the same, with three batch sizes."""
    return report_of(tmp_path_factory, "tied", synthetic.TIED)


@pytest.fixture(scope="session")
def claimed_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an experiment with claims of every kind."""
    return report_of(tmp_path_factory, "claimed", synthetic.CLAIMED)


def report_of(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> Path:
    """The report of an experiment that is made up from its text."""
    made = synthetic.write_experiment(tmp_path_factory.mktemp(name), name, text)
    tables.write(tables.build(load(made[0]), made[1]), made[1] / "tables")
    return write_report(made, drawn(made))


def write_published(made) -> None:
    """Publish made-up results, and write the page of a verification elsewhere, in which much came out otherwise."""
    experiment, results = load(made[0]), made[1]
    runs, environments = (pd.read_parquet(results / "tables" / f"{name}.parquet") for name in ("runs", "provenance"))
    content = certificate.certify(experiment, results, runs, environments)
    file_of(experiment).write_text(certificate.written(content))
    runs["bits"] = runs["bits"].where(runs["seed"] % 2 == 0, "00000000")
    runs["final_test_loss"] *= 1.01
    found = certificate.compare(content, experiment, results, runs, environments.assign(numpy="2.9", cpu_model="Other"))
    page = {"experiment": experiment.name, "title": experiment.title, "share": "100%", "seed": 1}
    verify.write({**page, **published.described(content, found)}, results / "verification")


def drawn(made):
    """Every figure, by its name and problem (None for those of the experiment as a whole)."""
    experiment = load(made[0])
    with style.applied():
        figures = {
            (name, problem): DRAW[name](made[1] / "tables", experiment, problem)
            for problem in (None, *experiment.problems)
            for name in figures_of(experiment, problem)
        }
    # They are kept to the end. Or whatever collects garbage later, as statsmodels does, looks through them every time.
    gc.freeze()
    return figures


def write_report(made, drawings) -> Path:
    file, results = made
    folder = results / "report"
    with style.applied():
        for (name, problem), drawing in drawings.items():
            write(name, problem, drawing, folder / "figures")
    for pages in ("cells", "pages"):
        command = [sys.executable, "-m", f"thalweg.reporting.{pages}", "--experiment", file]
        subprocess.run([*command, "--results", results, "--output", folder], check=True)
    overview.write(results.parent)
    return folder
