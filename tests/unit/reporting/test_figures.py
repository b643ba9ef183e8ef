import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from thalweg.grid.experiment import Optimizer
from thalweg.reporting import style, templates
from thalweg.reporting.figures import NAMES, figures_of, panels, paths
from thalweg.reporting.figures.__main__ import DRAW

PROBLEMS = ("linear", "digits_cnn")
DRAWN = [(problem, name) for problem in PROBLEMS for name in NAMES if (problem, name) != ("digits_cnn", "paths")]


def drawn_line(axis, colour):
    """The longest line of a colour in a panel, as x and y."""
    lines = [line for line in axis.get_lines() if line.get_color() == colour]
    return max(lines, key=lambda line: len(line.get_xdata())).get_data()


def test_every_name_can_be_drawn():
    assert tuple(DRAW) == NAMES


@pytest.mark.parametrize(("problem", "name"), DRAWN)
def test_a_figure_comes_with_its_data_and_a_description(report, name, problem):
    base = report / "figures" / problem / name
    described = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
    root = ElementTree.fromstring(base.with_suffix(".svg").read_text(encoding="utf-8"))
    points = [float(root.get(side).removesuffix("pt")) for side in ("width", "height")]
    assert (described["width"], described["height"]) == pytest.approx([side * 96 / 72 for side in points], abs=1)
    assert base.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert len(pd.read_csv(base.with_suffix(".csv"))) > 0
    assert problem in described["alt"]
    assert all(len(row) == len(described["columns"]) for row in described["rows"])


def test_convergence_draws_the_medians_of_the_table(small, drawings):
    curves = pd.read_parquet(small[1] / "tables" / "curves.parquet")
    wanted = curves[
        (curves["problem"] == "linear")
        & (curves["optimizer"] == "adam")
        & (curves["schedule"] == "cosine")
        & (curves["batch_size"] == 6)
        & (curves["split"] == "train")
    ]
    panel = drawings["convergence", "linear"].figure.axes[3]
    steps, medians = drawn_line(panel, style.COLOURS[1])
    assert list(steps) == list(wanted["step"])
    assert np.array(medians) == pytest.approx(wanted["median"].to_numpy())
    assert (panel.get_xscale(), panel.get_yscale()) == ("symlog", "log")


def test_a_line_ends_where_most_runs_diverged_and_the_panel_says_how_many(drawings):
    panel = drawings["convergence", "linear"].figure.axes[3]
    steps, _ = drawn_line(panel, style.COLOURS[2])
    assert list(steps) == [0, 1]
    assert [text.get_text() for text in panel.texts if "diverged" in text.get_text()] == ["doomed: 7 of 7 diverged"]


def test_a_line_is_interrupted_where_a_value_is_missing():
    with style.applied():
        axis = Figure().subplots()
        rows = pd.DataFrame({"optimizer": "sgd", "x": [1, 2, 3, 4, 5], "y": [1.0, 2.0, np.nan, 4.0, 5.0]})
        panels.lines(axis, rows, "x", "y", style.lines(["sgd"]))
    assert [list(line.get_xdata()) for line in axis.get_lines()] == [[1, 2], [4, 5]]


def test_the_share_that_diverged_is_drawn_beneath_the_learning_rates(drawings):
    drawing = drawings["learning_rates", "digits_cnn"]
    loss, share = drawing.figure.axes[0], drawing.figure.axes[2]
    rates, shares = drawn_line(share, style.COLOURS[2])
    assert [*rates, *shares] == pytest.approx([1.0, 3.0, 1.0, 1.0])
    rows = drawing.data[(drawing.data["optimizer"] == "sgd") & (drawing.data["schedule"] == "constant")]
    finite = rows[np.isfinite(rows["median"])]
    rates, medians = drawn_line(loss, style.COLOURS[0])
    assert list(rates) == pytest.approx(finite["learning_rate"].tolist())
    assert list(medians) == pytest.approx(finite["median"].tolist())


def test_trials_of_a_search_are_points_and_the_chosen_one_stands_out(wide, wide_drawings):
    drawing = wide_drawings["learning_rates", "linear"]
    loss, legend = drawing.figure.axes[0], drawing.figure.legends[0]
    trials, chosen = [line for line in loss.get_lines() if line.get_color() == style.COLOURS[1]]
    assert (trials.get_linestyle(), len(trials.get_xdata())) == ("None", 20)
    assert [handle.get_linestyle() for handle in legend.legend_handles] == ["-", "None"]
    assert chosen.get_markersize() > trials.get_markersize()
    cells = pd.read_parquet(wide[1] / "tables" / "cells.parquet")
    cell = cells[(cells["problem"] == "linear") & (cells["optimizer"] == "searched") & (cells["schedule"] == "warm")]
    assert list(chosen.get_xdata()) == cell["learning_rate"].tolist()
    assert list(chosen.get_ydata()) == pytest.approx(cell["tuning_validation_loss"].tolist())


def test_a_rate_that_was_tried_with_several_hyperparameters_is_chosen_once(experiment, small, tmp_path):
    searched = Optimizer.model_validate(
        {"class": "SGD", "search": {"trials": 9, "learning_rate": [0.1], "momentum": [0.0, 0.5, 0.9]}}
    )
    cell = {"problem": "linear", "optimizer": "sgd", "schedule": "constant", "batch_size": 1, "learning_rate": 0.1}
    tried = [json.dumps({"momentum": momentum}) for momentum in (0.0, 0.5, 0.9)]
    rates = [{**cell, "hyperparameters": one, "n": 3, "diverged": 0, "out_of_time": 0} for one in tried]
    spread = {"median": [3.0, 2.0, 1.0], "lower": 1.0, "upper": 3.0}
    pd.DataFrame(rates).assign(**spread).to_parquet(tmp_path / "rates.parquet")
    pd.DataFrame([{**cell, "hyperparameters": tried[2]}]).to_parquet(tmp_path / "cells.parquet")
    shutil.copy(small[1] / "tables" / "curves.parquet", tmp_path)
    alone = experiment.model_copy(update={"optimizers": {"sgd": searched}})
    with style.applied():
        drawing = DRAW["learning_rates"](tmp_path, alone, "linear")
    assert drawing.data["chosen"].tolist() == [False, False, True]
    assert (drawing.facts["lowest_rate"], drawing.facts["gridded"], drawing.facts["searched"]) == (0.1, 0, 1)


def test_paths_are_drawn_for_problems_that_record_their_weights_alone(experiment, small, report):
    assert set(figures_of(experiment, "linear")) - set(figures_of(experiment, "digits_cnn")) == {"paths"}
    assert not (report / "figures" / "digits_cnn" / "paths.svg").exists()
    tables = {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in ("paths", "surfaces")}
    assert [set(table["problem"]) for table in tables.values()] == [{"linear"}] * 2


def test_a_path_goes_through_the_weights_that_a_run_recorded(small, drawings):
    """Of the best cell, chosen here from the cells themselves, and read from what training left."""
    drawing = drawings["paths", "linear"]
    cells = pd.read_parquet(small[1] / "tables" / "cells.parquet")
    of_adam = cells[(cells["problem"] == "linear") & (cells["optimizer"] == "adam")]
    best = of_adam.sort_values("tuning_validation_loss").iloc[0]
    folder = small[1] / "runs" / "evaluation" / "linear" / "adam"
    runs, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    runs = runs[(runs["schedule"] == best["schedule"]) & (runs["batch_size"] == best["batch_size"])]
    panel = drawing.figure.axes[1]
    assert panel.get_title() == "adam"
    *lines, starts, ends, lowest = panel.get_lines()
    assert len(lines) == len(runs) == 7
    for line, run in zip(lines, runs.sort_values("seed")["run"], strict=True):
        path = histories[histories["run"] == run].sort_values("step")[["weight_0", "weight_1"]].to_numpy()
        assert line.get_xydata().tolist() == path.tolist()
        assert path[0].tolist() in starts.get_xydata().tolist()
        assert path[-1].tolist() in ends.get_xydata().tolist()
    assert starts.get_markerfacecolor() == "none"
    assert {line.get_color() for line in (*lines, starts, ends)} == {style.COLOURS[1]}
    assert lowest.get_xydata().tolist() == [[2.0, -1.0]]
    drawn = drawing.data[(drawing.data["shown"] == "path") & (drawing.data["optimizer"] == "adam")]
    assert len(drawn) == sum(len(line.get_xdata()) for line in lines)


def test_a_run_that_diverged_has_a_path_and_no_end(drawings):
    panel = drawings["paths", "linear"].figure.axes[2]
    *lines, starts, ends, _ = panel.get_lines()
    assert (len(lines), len(starts.get_xdata()), len(ends.get_xdata())) == (7, 7, 0)
    assert "doomed: 7 of 7 diverged" in [text.get_text() for text in panel.texts]


def test_contours_of_a_bowl_are_circles_whose_heights_are_even_in_the_logarithm(drawings):
    """The made-up surface is the squared distance from its lowest point."""
    figure = drawings["paths", "linear"].figure
    (contours,) = figure.axes[0].collections
    ratios = np.diff(np.log(contours.levels))
    assert len(contours.levels) == paths.CONTOURS
    assert ratios == pytest.approx(ratios[0])
    for height, circle in zip(contours.levels, contours.get_paths(), strict=True):
        # Between points of a grid an eighth apart, where the squared distance is taken as linear.
        assert np.hypot(*(circle.vertices - [2, -1]).T) == pytest.approx(np.sqrt(height), abs=0.02)
    assert {(axis.get_xlim(), axis.get_ylim()) for axis in figure.axes} == {((1.25, 2.75), (-1.75, -0.25))}


def test_the_words_about_paths_count_those_that_leave(small, report, drawings):
    data = drawings["paths", "linear"].data
    drawn = data[data["shown"] == "path"]
    out = ~(drawn["weight_0"].between(1.25, 2.75) & drawn["weight_1"].between(-1.75, -0.25))
    leaving = drawn[out].groupby(["optimizer", "seed"]).ngroups
    assert leaving > 0, "one must leave for this test to mean anything"
    described = json.loads((report / "figures" / "linear" / "paths.json").read_text(encoding="utf-8"))
    assert f"{leaving} of 21 paths leave" in described["alt"].replace("leaves", "leave")
    assert "The lowest loss of the surface is 0, at 2.00 and −1.00." in described["alt"]


@pytest.mark.parametrize("losses", [[np.nan, np.inf], [3.0] * 200])
def test_a_surface_that_has_no_contours(losses):
    assert len(paths.contours(np.array(losses))) == 0


def test_what_a_figure_tells_of_runs_out_of_time(wide_report):
    for name in ("convergence", "learning_rates", "optimizers", "batch_sizes"):
        linear, sine = (
            json.loads((wide_report / "figures" / problem / f"{name}.json").read_text(encoding="utf-8"))
            for problem in ("linear", "sine")
        )
        assert "ran out of time" in sine["alt"]
        assert "ran out of time" not in linear["alt"]
        assert "out_of_time" not in linear["columns"]
    assert "hyperparameters" in linear["columns"]


def test_every_seed_of_the_best_cells_is_drawn(drawings):
    data = drawings["optimizers", "linear"].data
    seeds = data[(data["optimizer"] == "adam") & data["shown"].str.startswith("seed")]
    strokes = [line for line in drawings["optimizers", "linear"].figure.axes[0].get_lines() if line.get_marker() == "|"]
    assert len(seeds) == 7
    assert sorted(strokes[1].get_xdata()) == pytest.approx(sorted(seeds["value"]))


def test_the_words_about_a_figure_hold_its_extremes(small, report):
    cells = pd.read_parquet(small[1] / "tables" / "cells.parquet")
    cells = cells[(cells["problem"] == "linear") & np.isfinite(cells["final_test_loss"])]
    lowest = cells.loc[cells["final_test_loss"].idxmin()]
    described = json.loads((report / "figures" / "linear" / "batch_sizes.json").read_text(encoding="utf-8"))
    words = f"{lowest['optimizer']} with {lowest['schedule']} at batch size {lowest['batch_size']}"
    assert f"The lowest is {templates.number(lowest['final_test_loss'])}, {words};" in described["alt"]
    assert "28 runs diverged" in described["alt"]


def test_an_optimizer_looks_the_same_in_every_figure(drawings):
    looks = set()
    for name in ("convergence", "convergence_test", "learning_rates", "batch_sizes"):
        legend = drawings[name, "linear"].figure.legends[0]
        handle = next(
            h for h, t in zip(legend.legend_handles, legend.get_texts(), strict=True) if t.get_text() == "adam"
        )
        looks.add((handle.get_color(), str(handle.get_linestyle()), handle.get_marker()))
    assert len(looks) == 1


def test_the_command_draws_the_same_bytes_in_another_process(small, report, tmp_path):
    file, results = small
    command = [sys.executable, "-m", "thalweg.reporting.figures", "optimizers", "--experiment", file]
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([*command, "--tables", results / "tables", "--output", tmp_path], check=True, env=elsewhere)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert files == [
        f"{problem}/optimizers.{end}" for problem in sorted(PROBLEMS) for end in ("csv", "json", "pdf", "svg")
    ]
    for name in files:
        assert (tmp_path / name).read_bytes() == (report / "figures" / name).read_bytes(), name


def test_drawing_asks_for_no_clock_and_leaves_no_version(report):
    for file in (report / "figures").rglob("*.svg"):
        assert not re.search(r"<dc:date>|Matplotlib v", file.read_text(encoding="utf-8")), file
    for file in (report / "figures").rglob("*.pdf"):
        assert not re.search(rb"/CreationDate|Matplotlib", file.read_bytes()), file


def test_applied_rates_are_marks_alone_and_no_two_batch_sizes_look_alike(drawings):
    for axis in drawings["schedules", "linear"].figure.axes:
        looks = {(line.get_marker(), line.get_markersize(), line.get_markerfacecolor()) for line in axis.get_lines()}
        assert len(looks) == len(axis.get_lines()) == 2
        assert {line.get_linestyle() for line in axis.get_lines()} == {"None"}
