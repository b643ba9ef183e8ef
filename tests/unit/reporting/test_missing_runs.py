"""What a report says where evaluation runs are missing: nothing looks complete that is not."""

import json
import re

import derived
import figure_words
import pandas as pd
import pytest
import synthetic
from reported import drawn, write_report

from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.loading import load
from thalweg.reporting import palette
from thalweg.reporting.html import findings

KEPT = 3
"""How many of the 7 seeds of sgd are there on `linear`; of adam on `digits_cnn` there is none."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The file of the experiment and its results."""
    file, results = synthetic.write_small(tmp_path_factory.mktemp("gone"))
    synthetic.lose_evaluation(results, "linear", "sgd", KEPT)
    synthetic.lose_evaluation(results, "digits_cnn", "adam", 0)
    tables.write(tables.build(load(file), results), results / "tables")
    return file, results


@pytest.fixture(scope="module")
def drawings(made):
    return drawn(made)


@pytest.fixture(scope="module")
def report(made, drawings):
    return write_report(made, drawings)


def words(page):
    """A page as plain text, without its images."""
    text = re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")).replace("&nbsp;", " ")
    return " ".join(text.split())


def texts(drawing):
    """What stands written in the panels of a figure, by the height at which it stands."""
    return [(text.get_position()[1], text.get_text()) for axis in drawing.figure.axes for text in axis.texts]


@pytest.mark.parametrize("problem", ["linear", "digits_cnn"])
@pytest.mark.parametrize(
    "name",
    [
        "heat_map",
        "batch_sizes",
        "optimizers",
        "convergence",
        "convergence_test",
        "convergence_epochs",
        "convergence_examples",
        "gradients",
        "arrivals",
        "learning_rates",
        "budgets",
    ],
)
def test_words_about_a_figure_say_how_many_seeds_there_are_and_what_is_missing(made, report, problem, name):
    described = json.loads((report / "figures" / problem / f"{name}.json").read_text(encoding="utf-8"))
    expected = figure_words.of_figure("alternative", name, derived.Results(*made), problem)
    assert described["alt"] == " ".join(expected.split())
    tuning = name in ("learning_rates", "budgets")
    assert ("missing" in described["alt"]) != tuning
    assert (f"{KEPT} to 7 seeds" in described["alt"]) == (problem == "linear" and not tuning)


def test_paths_and_scaling_count_what_is_missing(drawings):
    # sgd's best cell, and one at each of the two batch sizes.
    assert [drawings[name, "linear"].facts["missing"] for name in ("paths", "scaling")] == [7 - KEPT, 2 * (7 - KEPT)]


def test_cells_of_the_heat_map_say_how_many_runs_there_are(drawings):
    told = [text for _, text in texts(drawings["heat_map", "linear"])]
    assert [text.split("\n")[1:] for text in told if "run" in text] == [[f"{KEPT} of 7 run"]] * 4
    # adam stands in the second row.
    assert [at for at, text in texts(drawings["heat_map", "digits_cnn"]) if text == "not run"] == [1, 1]


def test_the_row_of_an_optimizer_that_was_not_run_says_so(drawings):
    axes = drawings["optimizers", "digits_cnn"].figure.axes
    said = [[(text.xy[1], text.get_text()) for text in axis.texts] for axis in axes]
    assert said == [[(1, "not run"), (2, "7 of 7 diverged")]] * 2
    (axis,) = drawings["optimizers", "linear"].figure.axes
    assert (0, f"{KEPT} of 7 run") in [(text.xy[1], text.get_text()) for text in axis.texts]


def test_a_cell_that_was_not_run_is_not_crossed_as_one_that_is_infinite(experiment, drawings):
    crossed = {
        line.get_color()
        for axis in drawings["batch_sizes", "digits_cnn"].figure.axes
        for line in axis.get_lines()
        if line.get_marker() == "x"
    }
    assert crossed == {palette.line_styles(experiment.optimizers)["doomed"].colour}


@pytest.mark.parametrize("name", ["convergence", "convergence_test", "gradients"])
def test_panels_of_lines_name_what_is_missing(drawings, name):
    said = {
        line
        for _, text in texts(drawings[name, "linear"]) + texts(drawings[name, "digits_cnn"])
        for line in text.split("\n")
    }
    assert {f"sgd: {KEPT} of 7 run", "adam: not run"} <= said


def test_panels_of_scaling_name_what_is_missing(drawings):
    said = [text for _, text in texts(drawings["scaling", "linear"]) if text.startswith("batch")]
    assert said == [f"batch 1: {KEPT} of 7 run\nbatch 6: {KEPT} of 7 run"]


def test_the_legend_of_arrivals_names_what_is_missing(drawings):
    legends = {
        problem: [text.get_text() for text in drawings["arrivals", problem].figure.legends[0].get_texts()]
        for problem in ("linear", "digits_cnn")
    }
    assert legends["linear"][0].endswith(f", {KEPT} of 7 run")
    assert legends["digits_cnn"] == ["sgd, batch 512", "adam, batch 512, not run", "doomed, batch 512"]


def test_pairs_of_which_runs_are_missing_say_how_many_there_are(drawings):
    linear = [text.rsplit("\n", 1)[-1] for _, text in texts(drawings["improvements", "linear"])]
    # sgd with each of two others, both ways round.
    assert linear.count(f"n = {KEPT}") == 4
    over_all = [text for _, text in texts(drawings["improvements", None])]
    # With doomed sgd has 3 and 7 seeds, with adam 3 and none, and adam with doomed 7 and none.
    assert sorted(text.rsplit("\n", 1)[-1] for text in over_all) == ["n = 10"] * 2 + ["n = 3"] * 2 + ["n = 7"] * 2


def test_without_a_whole_problem_there_is_no_profile_and_no_score(made, drawings, report):
    drawing = drawings["profile", None]
    assert drawing.data.empty
    assert drawing.table["score"].isna().all()
    assert not [line for axis in drawing.figure.axes for line in axis.get_lines() if line.get_linestyle() == "-"]
    alt = json.loads((report / "figures" / "profile.json").read_text(encoding="utf-8"))["alt"]
    left = "2 more problems are left out, where evaluation runs of an optimizer are missing."
    assert alt.endswith(left)
    text = words(report / "index.html")
    assert left in text
    assert "Soonest to a target" not in text


def test_a_finding_says_that_the_evaluation_runs_of_the_chosen_cell_are_missing(made, report):
    results = derived.Results(*made)
    _, optimizer, schedule, size = results.best(problem="digits_cnn")
    assert optimizer == "adam"
    text = words(report / "index.html")
    assert "digits_cnn: nothing can be concluded: the evaluation runs of the cell that the tuning runs choose" in text
    assert f"are missing, those of adam with schedule {schedule} and batch size {size}." in text
    assert text.count("nothing can be concluded") == 1


def test_captions_count_what_is_missing_as_the_table_of_counts_does(made, report):
    counts = pd.read_parquet(made[1] / "tables" / "counts.parquet").set_index(["problem", "stage"])["missing"]
    for problem in ("linear", "digits_cnn"):
        page = (report / "problems" / f"{problem}.html").read_text(encoding="utf-8")
        of_figures = {
            found[1]: int(told[1]) if (told := re.search(r"(\d+) runs that belong here are missing", figure)) else 0
            for figure in page.split("<figure id=")[1:]
            if (found := re.match(rf'"{problem}-(\w+)"', figure))
        }
        whole = ["heat_map", "batch_sizes", "convergence", "convergence_test"]
        assert [of_figures[name] for name in whole] == [counts[problem, "evaluation"]] * 4
        assert [of_figures[name] for name in ("learning_rates", "budgets")] == [0, 0]


def test_the_matrix_and_the_table_of_cells_say_how_many_runs_there_are(made, report):
    page = words(report / "problems" / "linear.html")
    assert len(re.findall(rf"rate [\d.]+ {KEPT} of 7 run", page)) == 4
    assert words(report / "problems" / "digits_cnn.html").count("not run") >= 2
    assert "interquartile means of 7 evaluation seeds or, where runs are missing, fewer" in words(report / "cells.html")
    cell = words(report / "cells" / "linear" / "sgd-cosine-6.html")
    assert f"the interquartile mean of {KEPT} of 7 seeds, too few for an interval" in cell
    assert f"Line: median of {KEPT} of 7 evaluation seeds" in cell


def test_no_page_says_nan(report):
    for page in report.rglob("*.html"):
        assert not re.search(r"\bnan\b|\bNone\b", words(page)), page


def test_an_optimizer_that_was_not_run_is_told_apart_from_one_of_too_few_seeds(made):
    compared, cells, sensitivity = (
        pd.read_parquet(made[1] / "tables" / f"{name}.parquet") for name in ("comparisons", "cells", "sensitivity")
    )
    other = (compared["problem"] == "linear") & (compared["factor"] == "optimizer") & (compared["level"] == "doomed")
    compared.loc[other, ["n", "verdict"]] = 0, "too few seeds"
    found = findings.summarize_problem("linear", compared, cells, sensitivity)
    assert [level["level"] for group in found["not_run"] for level in group["levels"]] == ["doomed"]
    told = [level for group in found["too_few_seeds"] for level in group["levels"] if group["factor"] == "optimizer"]
    assert "doomed" not in [level["level"] for level in told]
