"""Results to analyse and report, made up once a session by `synthetic`, and the reports of them."""

import os
from pathlib import Path

import claimed
import pytest
import synthetic
from reported import drawn, write_published, write_report

from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.training.engine import settings

INSTRUCTION_SETS = {"AVX2": "AVX2", "SSE41": "SSE4_2"}
"""The instruction sets that `make test-isa` holds TensorFlow to, by their names in oneDNN and in XLA."""

if isa := os.environ.get("THALWEG_TEST_ISA"):
    settings.ENVIRONMENT |= {"ONEDNN_MAX_CPU_ISA": isa, "XLA_FLAGS": f"--xla_cpu_max_isa={INSTRUCTION_SETS[isa]}"}


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


@pytest.fixture
def double_precision():
    """Everything that has no dtype of its own is float64.

    A program that XLA compiles rounds otherwise than one that it does not, and otherwise on another processor. In
    single precision this turns a ReLU or a pooling now and then, and the two trajectories part. In double precision
    the roundings are too small for that, so that a bound can be tight and hold everywhere.
    """
    import keras  # here, since most tests do without TensorFlow

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
