"""The recipes of CONTRIBUTING.md, followed word by word on a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
KEY = '    note: str = key("a remark for readers of the file", "", changes_bits="no")\n'

READ = """
from thalweg.experiment.measures import read_measure
from thalweg.experiment.schema import ProblemGrid
from thalweg.quantities import names_on_request
print(type(read_measure("falls of train loss")).__name__, ProblemGrid.model_fields["note"].default == "")
print("weight_norm" in names_on_request())
"""

COMPUTE = """
import tensorflow as tf
from thalweg.quantities import Snapshot, Tools, all_quantities
(quantity,) = [quantity for quantity in all_quantities() if quantity.name == "weight_norm"]
tools = Tools(None, tf.linalg.global_norm, None, lambda state: tf.constant(state))
print(quantity.compute(tools, Snapshot(None, [3.0, 4.0], None, None)).numpy().tolist())
"""


@pytest.fixture(scope="module")
def recipes():
    """The files of the recipes by their paths, and the text of the page."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:python|jinja)\n(?:# |\{# )(\S+)(?: #\})?\n(.*?)```", page, re.DOTALL)
    assert KEY in page
    return dict(blocks)


@pytest.fixture(scope="module")
def project(tmp_path_factory, recipes):
    """A copy of the project in which all of them were followed."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("src", "reports", "workflow", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "CITATION.cff"):
        shutil.copy(ROOT / name, copy)
    for place, text in recipes.items():
        assert not (copy / place).exists()
        (copy / place).write_text(text, encoding="utf-8")
    schema = copy / "src/thalweg/experiment/schema.py"
    section, rest = schema.read_text(encoding="utf-8").split("    shared_examples: Switch = key(")
    schema.write_text(f"{section}{KEY}    shared_examples: Switch = key({rest}", encoding="utf-8")
    return copy


def run(project, *command):
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_recipe_is_one_module_and_a_figure_has_its_words_beside_it(recipes):
    folders = ("experiment/measures", "quantities", "analysis/tables", "reporting/figures")
    modules = [f"src/thalweg/{folder}" for folder in folders]
    assert sorted(str(Path(place).parent) for place in recipes) == sorted([*modules, "reports/figures"])


def test_a_measure_a_key_and_a_quantity_are_known(project):
    assert run(project, "-c", READ).split() == ["Falls", "True", "True"]
    assert run(project, "-c", COMPUTE).strip() == "[5.0]"


def test_the_reference_has_them(project):
    run(project, "-m", "thalweg.experiment.reference", project / "docs")
    page = (project / "docs/experiment-file.md").read_text(encoding="utf-8")
    assert "| `note` | a remark for readers of the file |" in page
    assert "`falls of train loss`" in page and "`weight_norm`" in page


def test_a_table_and_a_figure_are_in_the_report(project, small, report, tmp_path):
    file, results = tmp_path / "experiments" / small[0].name, tmp_path / "results"
    shutil.copytree(small[0].parent, file.parent)
    shutil.copytree(small[1], results)
    where = ("--experiment", file, "--results", results)
    run(project, "-m", "thalweg.analysis.tables", *where, "--output", results / "tables")
    runs, last = (pd.read_parquet(results / "tables" / f"{name}.parquet") for name in ("runs", "last_steps"))
    assert len(last) == len(runs[["problem", "optimizer"]].drop_duplicates())
    figures = ("--tables", results / "tables", "--output", results / "report/figures")
    for problem in sorted(set(runs["problem"])):
        run(project, "-m", "thalweg.reporting.figures", "--experiment", file, "--problem", problem, *figures)
    run(project, "-m", "thalweg.reporting.html.pages", *where, "--output", results / "report")
    count = int((runs["problem"] == "linear").sum())
    page = (results / "report/problems/linear.html").read_text(encoding="utf-8")
    assert f"Bar: the runs of an optimizer, {count} in all." in page
    assert f'alt="Bars of {count} runs on linear, by optimizer."' in page
    data = (results / "report/data.html").read_text(encoding="utf-8")
    assert "last_steps" in data and "the latest last step of its runs" in data
