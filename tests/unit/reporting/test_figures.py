import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
import synthetic
from lifelines import KaplanMeierFitter
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from thalweg import paths as paths_of_project
from thalweg import templates
from thalweg.analysis.histories import LOSS_RESOLUTION
from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Optimizer
from thalweg.reporting import palette, style
from thalweg.reporting.drawing import legends, lines, panels, scales
from thalweg.reporting.drawing.output import write
from thalweg.reporting.figures import BY_NAME, arrivals, figures_of, gradients, paths, scaling

PROBLEMS = ("linear", "digits_cnn")
LACKING = {("digits_cnn", "paths"), ("digits_cnn", "scaling"), *((one, "gradient_noise") for one in PROBLEMS)}
DRAWN = [
    (problem, name)
    for problem in PROBLEMS
    for name, figure in BY_NAME.items()
    if figure.section and (problem, name) not in LACKING
]


def drawn_line(axis, colour):
    """The longest line of a colour in a panel, as x and y, where it is drawn."""
    lines = [line for line in axis.get_lines() if line.get_color() == colour]
    x, y = max(lines, key=lambda line: len(line.get_xdata())).get_data()
    drawn = ~np.isnan(y)
    return x[drawn], y[drawn]


def test_every_figure_has_its_texts_and_a_place_of_its_own():
    assert len({figure.order for figure in BY_NAME.values()}) == len(BY_NAME)
    sections = [
        section for section, _ in itertools.groupby(figure.section for figure in BY_NAME.values() if figure.section)
    ]
    assert len(set(sections)) == len(sections), "figures of a section follow one another"
    for name, figure in BY_NAME.items():
        text = (paths_of_project.TEMPLATES / figure.texts).read_text(encoding="utf-8")
        macros = set(re.findall(r"[{<]% macro (\w+)\(\) %", text))
        assert macros >= {"caption", "alternative", "tex"} | ({"summary"} if figure.folded else set()), name
        assert figure.section or figure.over_all, name


def test_which_figures_there_are_is_known_without_a_drawing_library(small):
    script = (
        "import sys; from pathlib import Path; from thalweg.experiment.loading import load\n"
        "from thalweg.reporting.figures import figures_of\n"
        f"experiment = load(Path({str(small[0])!r}))\n"
        "assert all(figures_of(experiment, problem) for problem in (None, *experiment.problems))\n"
        "print({'matplotlib', 'numpy', 'pandas', 'seaborn', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


ADDED_MODULE = '''"""How many runs each optimizer has: a bar an optimizer."""

from __future__ import annotations

from pathlib import Path

from thalweg.experiment.schema import Experiment
from thalweg.reporting.drawing.lazy import data, panels
from thalweg.reporting.figures import Figure


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw a bar for each optimizer."""
    counts = data.read_table(tables, "runs", problem).groupby("optimizer").size().rename("n").reset_index()
    figure, axes = panels.make_grid(1, 1, 2)
    axes[0, 0].bar(counts["optimizer"], counts["n"])
    return data.Drawing(figure, counts, counts, {"runs": int(counts["n"].sum())})


FIGURES = (Figure("bars", draw, order=65, section="Added", applies=lambda experiment, problem: problem == "linear"),)
'''
ADDED_TEMPLATE = """{% macro caption() %}
<b>Bars</b> of {{ one.facts.runs }} runs.
{% endmacro %}

{% macro alternative() %}{% autoescape false %}
Bars of {{ runs }} runs on {{ problem }}.
{% endautoescape %}{% endmacro %}

<% macro tex() %>
\\textbf{Bars} of << facts.runs >> runs.
<% endmacro %>
"""
DRAW_ADDED = """
import sys
from pathlib import Path
from thalweg.experiment.loading import load
from thalweg.reporting import style
from thalweg.reporting.drawing.output import write
from thalweg.reporting.figures import BY_NAME, figures_of
from thalweg.reporting.paper import tex
file, tables, folder = map(Path, sys.argv[1:])
assert [problem for problem in load(file).problems if "bars" in figures_of(load(file), problem)] == ["linear"]
with style.applied():
    write("bars", "linear", BY_NAME["bars"].draw(tables, load(file), "linear"), folder)
shown = {"texts": BY_NAME["bars"].texts, "facts": {"runs": 9}, "label": "x", "place": "x", "rule": "x", "sha256": ""}
print(tex.render("figure.tex", **shown, experiment=load(file)))
"""


def test_a_figure_is_added_by_a_module_and_a_template(small, report, tmp_path):
    """On a copy of the project: it stands in the page under its heading, and in a paper with its caption."""
    project, site = tmp_path / "project", tmp_path / "site"
    for name in ("src", "reports", "workflow"):
        shutil.copytree(paths_of_project.PROJECT / name, project / name)
    for name in ("Snakefile", "CITATION.cff"):
        shutil.copy(paths_of_project.PROJECT / name, project)
    shutil.copytree(report, site)
    (project / "src/thalweg/reporting/figures/bars.py").write_text(ADDED_MODULE)
    (project / "reports/figures/bars.html").write_text(ADDED_TEMPLATE)

    def run(*command):
        elsewhere = {**os.environ, "PYTHONPATH": str(project / "src")}
        return subprocess.run([sys.executable, *command], check=True, env=elsewhere, capture_output=True, text=True)

    file, results = small
    captioned = run("-c", DRAW_ADDED, file, results / "tables", site / "figures").stdout
    assert r"\caption{\textbf{Bars} of 9 runs." in captioned
    run("-m", "thalweg.reporting.html.pages", "--experiment", file, "--results", results, "--output", site)
    runs = int((pd.read_parquet(results / "tables" / "runs.parquet")["problem"] == "linear").sum())
    text = (site / "problems/linear.html").read_text(encoding="utf-8")
    assert f"<b>Bars</b> of {runs} runs." in text and f'alt="Bars of {runs} runs on linear."' in text
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert headings[headings.index("Added") - 1] == "Convergence"
    assert "bars" not in (site / "problems/digits_cnn.html").read_text(encoding="utf-8")


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
    steps, medians = drawn_line(panel, palette.COLOURS[1])
    assert list(steps) == list(wanted["step"])
    assert np.array(medians) == pytest.approx(wanted["median"].to_numpy())
    assert (panel.get_xscale(), panel.get_yscale()) == ("symlog", "log")


def test_a_line_ends_where_most_runs_diverged_and_the_panel_says_how_many(drawings):
    panel = drawings["convergence", "linear"].figure.axes[3]
    steps, _ = drawn_line(panel, palette.COLOURS[2])
    assert list(steps) == [0, 1]
    assert [text.get_text() for text in panel.texts if "diverged" in text.get_text()] == ["doomed: 7 of 7 diverged"]


def test_a_line_is_interrupted_where_a_value_is_missing_and_marked_before():
    with style.applied():
        axis = Figure().subplots()
        rows = pd.DataFrame({"optimizer": "sgd", "x": range(1, 8), "y": [1.0, 2.0, np.nan, 4.0, 5.0, np.nan, np.nan]})
        lines.draw_marked_lines(axis, rows, "x", "y", palette.line_styles(["sgd"]))
    (line,) = axis.get_lines()
    drawn = line.get_path().cleaned(remove_nans=True)
    steps = {what: drawn.vertices[drawn.codes == what, 0].tolist() for what in (drawn.MOVETO, drawn.LINETO)}
    assert steps == {drawn.MOVETO: [1, 4], drawn.LINETO: [2, 5]}
    assert list(line.get_xdata()[line.get_markevery()]) == [2, 5]


def test_the_share_that_diverged_is_drawn_beneath_the_learning_rates(drawings):
    drawing = drawings["learning_rates", "digits_cnn"]
    loss, share = drawing.figure.axes[0], drawing.figure.axes[2]
    rates, shares = drawn_line(share, palette.COLOURS[2])
    assert [*rates, *shares] == pytest.approx([1.0, 3.0, 1.0, 1.0])
    rows = drawing.data[(drawing.data["optimizer"] == "sgd") & (drawing.data["schedule"] == "constant")]
    finite = rows[np.isfinite(rows["median"])]
    rates, medians = drawn_line(loss, palette.COLOURS[0])
    assert list(rates) == pytest.approx(finite["learning_rate"].tolist())
    assert list(medians) == pytest.approx(finite["median"].tolist())


def test_trials_of_a_search_are_points_and_the_chosen_one_stands_out(wide, wide_drawings):
    drawing = wide_drawings["learning_rates", "linear"]
    loss, legend = drawing.figure.axes[0], drawing.figure.legends[0]
    trials, chosen = [line for line in loss.get_lines() if line.get_color() == palette.COLOURS[1]]
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
    spread |= {"lost_share": 0.0, "lost_share_lower": 0.0, "lost_share_upper": 0.56}
    pd.DataFrame(rates).assign(**spread).to_parquet(tmp_path / "rates.parquet")
    pd.DataFrame([{**cell, "hyperparameters": tried[2]}]).to_parquet(tmp_path / "cells.parquet")
    shutil.copy(small[1] / "tables" / "curves.parquet", tmp_path)
    alone = experiment.model_copy(update={"optimizers": {"sgd": searched}})
    with style.applied():
        drawing = BY_NAME["learning_rates"].draw(tmp_path, alone, "linear")
    assert drawing.data["chosen"].tolist() == [False, False, True]
    assert (drawing.facts["lowest_rate"], drawing.facts["gridded"], drawing.facts["searched"]) == (0.1, 0, 1)


def test_paths_are_drawn_for_problems_that_record_their_weights_alone(experiment, small, report):
    assert set(figures_of(experiment, "linear")) - set(figures_of(experiment, "digits_cnn")) == {
        "paths",
        "scaling",
    }
    assert not (report / "figures" / "digits_cnn" / "paths.svg").exists()
    made = {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in ("paths", "surfaces")}
    assert [set(table["problem"]) for table in made.values()] == [{"linear"}] * 2


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
    assert {line.get_color() for line in (*lines, starts, ends)} == {palette.COLOURS[1]}
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
    assert len(paths.contour_heights(np.array(losses))) == 0


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
    command = [sys.executable, "-m", "thalweg.reporting.figures", "--problem", "linear", "--experiment", file]
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([*command, "--tables", results / "tables", "--output", tmp_path], check=True, env=elsewhere)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert files == sorted(str(path.relative_to(report / "figures")) for path in (report / "figures/linear").iterdir())
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


ROWS_OF_SIX = {"convergence": 3, "gradients": 3, "learning_rates": 6, "batch_sizes": 1}
"""How many rows there would be of six optimizers, at three batch sizes."""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Every figure of an experiment with twelve optimizers and six schedules, drawn without a warning."""
    optimizers = "".join(
        f"  optimizer_with_a_long_name_{k}: {{class: SGD, learning_rates: [0.003, 0.01]}}\n" for k in range(12)
    )
    schedules = "".join(f"  schedule_{k}: {{}}\n" for k in range(6))
    problems = "problems:\n  linear: {batch_sizes: [1, 3, 6], epochs: 4}\n"
    text = f"title: A crowd\n{problems}optimizers:\n{optimizers}schedules:\n{schedules}"
    file, results = synthetic.write_experiment(
        tmp_path_factory.mktemp("crowd"), "crowd", f"{text}seeds: {{tuning: 1, evaluation: 6}}\n"
    )
    experiment = load(file)
    tables.write(tables.build(experiment, results), results / "tables")
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        made = {}
        for name in ("profile", "arrivals", "budgets", "scaling", *ROWS_OF_SIX):
            problem = None if name == "profile" else "linear"
            made[name] = BY_NAME[name].draw(results / "tables", experiment, problem)
            write(name, problem, made[name], results / "figures")
    return made


@pytest.mark.parametrize("name", ["profile", "arrivals", "budgets"])
def test_no_panel_has_lines_of_more_than_six_of_twelve_optimizers(crowd, name):
    axes = crowd[name].figure.axes
    counted = [
        len(
            {(line.get_color(), line.get_marker()) for line in axis.get_lines() if line.get_marker() in palette.MARKERS}
        )
        for axis in axes
    ]
    assert set(counted) <= {0, 6}
    assert counted.count(6) == len(axes)


@pytest.mark.parametrize("name", ROWS_OF_SIX)
def test_twelve_optimizers_take_turns_in_rows_of_six(crowd, name):
    """Told by their colours and marks; beneath learning rates stand shares, whose lines have no marks."""
    figure = crowd[name].figure
    lines = list(palette.line_styles(f"optimizer_with_a_long_name_{k}" for k in range(12)).values())
    sixes = [{(line.colour, line.marker) for line in six} for six in (lines[:6], lines[6:])]
    columns = len(figure.axes) // (2 * ROWS_OF_SIX[name])
    rows = [figure.axes[first : first + columns] for first in range(0, len(figure.axes), columns)]
    if name == "learning_rates":
        assert all(len(axis.get_lines()) == 6 for row in rows[1::2] for axis in row)
        rows = rows[::2]
    for place, row in enumerate(rows):
        for axis in row:
            marked = [line for line in axis.get_lines() if line.get_marker() in palette.MARKERS]
            assert len(marked) == 6
            assert {(line.get_color(), line.get_marker()) for line in marked} == sixes[place % 2]


def test_a_row_of_six_shows_its_own_optimizers_at_its_own_batch_size(crowd):
    figure, data = crowd["convergence"].figure, crowd["convergence"].data
    for place, axis in enumerate(figure.axes):
        row, column = divmod(place, 6)
        cells = data[(data["batch_size"] == (1, 3, 6)[row // 2]) & (data["schedule"] == f"schedule_{column}")]
        for line, k in zip(axis.get_lines(), range(6 * (row % 2), 6 * (row % 2) + 6), strict=True):
            wanted = cells[cells["optimizer"] == f"optimizer_with_a_long_name_{k}"]
            assert list(line.get_xdata()) == wanted["step"].tolist()
            assert list(line.get_ydata()) == pytest.approx(wanted["median"].tolist())


@pytest.mark.parametrize("name", ["profile", "arrivals", "budgets", "scaling", *ROWS_OF_SIX])
def test_no_word_is_cut_off_however_long_the_names_are(crowd, name):
    figure = crowd[name].figure
    inside = figure.bbox.padded(1)
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
    words = [text for legend in legends for text in legend.get_texts()]
    for axis in figure.axes:
        words += [axis.title, axis.xaxis.label, axis.yaxis.label, *axis.texts]
    for word in filter(Text.get_text, words):
        extent = word.get_window_extent()
        outside = extent.x0 < inside.x0 or extent.x1 > inside.x1 or extent.y0 < inside.y0 or extent.y1 > inside.y1
        assert not outside, word.get_text()
    assert min(word.get_fontsize() for word in words) >= 6


def test_scaling_has_a_panel_for_each_of_twelve_optimizers(crowd):
    titles = [axis.get_title() for axis in crowd["scaling"].figure.axes]
    assert titles == [f"optimizer_with_a_long_name_{k}" for k in range(12)]


def raw(results, stage, problem, optimizer):
    """The runs and histories of a job, as training left them."""
    folder = results / "runs" / stage / problem / optimizer
    return (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))


@pytest.mark.parametrize("problem", ["linear", "sine"])
def test_arrivals_are_the_kaplan_meier_curve_of_the_runs_themselves(wide, wide_drawings, problem):
    """By lifelines, from what training left; runs of `linear` end at their target, some of `sine` are out of time."""
    drawing = wide_drawings["arrivals", problem]
    colours = dict(zip(("sgd", "searched"), palette.COLOURS, strict=False))
    horizon_of = {}
    for place, (target, rows) in enumerate(drawing.data.groupby("target", sort=False)):
        limit = float(target.removeprefix("validation_loss <= "))
        panel = drawing.figure.axes[place]
        for optimizer, drawn in rows.groupby("optimizer", sort=False):
            runs, histories = raw(wide[1], "evaluation", problem, optimizer)
            cell = drawn.iloc[0]
            runs = runs[(runs["schedule"] == cell["schedule"]) & (runs["batch_size"] == cell["batch_size"])]
            there = histories[histories["validation_loss"].astype(float) <= limit].groupby("run")["step"].min()
            first = runs["run"].map(there)
            watched = first.fillna(runs["ended_at"].where(runs["outcome"] == "out of time", runs["steps"]))
            fitted = KaplanMeierFitter().fit(watched, first.notna())
            wanted = 1 - fitted.survival_function_at_times(drawn["step"]).to_numpy()
            assert drawn["arrived"].to_numpy() == pytest.approx(wanted)
            assert set(drawn["step"]) == set(watched)
            lines = [line for line in panel.get_lines() if line.get_color() == colours[optimizer]]
            steps, shares = lines[0].get_data()
            assert (list(steps[1:]), list(shares[1:])) == (drawn["step"].tolist(), drawn["arrived"].tolist())
            assert shares[0] == 0
            stopped = first.isna() & (runs["outcome"] == "out of time")
            assert sorted(set(watched[stopped])) == list(lines[1].get_xdata())
            missed = f"{optimizer} {first.isna().sum()} of {len(runs)}".replace(" ", "\N{NO-BREAK SPACE}")
            said = " ".join(text.get_text().replace("\n", " ") for text in panel.texts)
            assert (missed in said) == first.isna().any()
            horizon_of[optimizer] = stopped.sum()
    assert (sum(horizon_of.values()) > 0) == (problem == "sine")


def test_where_every_run_arrives_nothing_is_said_to_be_missing():
    panel = pd.DataFrame({"optimizer": ["sgd"] * 2, "n": 7, "reached": 7, "out_of_time": 0})
    assert arrivals.missed_in_words(panel) == ""
    assert "sgd\N{NO-BREAK SPACE}2\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}7" in arrivals.missed_in_words(
        panel.assign(reached=5)
    )


def test_a_profile_is_at_each_tau_the_share_of_workloads_by_its_definition(drawings):
    """From the times alone, number by number."""
    drawing = drawings["profile", None]
    for axis, measure in zip(drawing.figure.axes, ("steps", "examples"), strict=True):
        rows = drawing.data[drawing.data["measure"] == measure]
        times = {
            name: dict(zip(zip(of["problem"], of["target"], strict=True), of["time"], strict=True))
            for name, of in rows.groupby("optimizer")
        }
        shortest = {workload: min(of[workload] for of in times.values()) for workload in times["sgd"]}
        for place, name in enumerate(("sgd", "adam", "doomed")):
            taus, shares = drawn_line(axis, palette.COLOURS[place])
            for tau in (1.0, 1.17, 1.9, 3.3, 3.99):
                within = [np.isfinite(time) and time <= tau * shortest[w] for w, time in times[name].items()]
                assert shares[np.flatnonzero(np.array(taus) <= tau)[-1]] == pytest.approx(np.mean(within))
        labels = [text.get_text() for text in axis.get_legend().get_texts()]
        assert [label.split()[0] for label in labels] == ["sgd", "adam", "doomed"]
        assert labels[2].startswith("doomed 0.00 [0.00, ")


def test_budgets_draw_the_median_over_all_sets_of_trials(small, drawings):
    """Every set of two, enumerated, from what training left: nine rates of two schedules."""
    runs, histories = raw(small[1], "tuning", "linear", "sgd")
    last = histories.sort_values("step").groupby("run")[["validation_loss", "test_loss"]].last().astype(float)
    runs = runs.join(last, on="run")
    runs.loc[runs["outcome"] == "diverged", ["validation_loss", "test_loss"]] = np.inf
    trials = runs[runs["batch_size"] == 6].groupby(["schedule", "learning_rate"])[["validation_loss", "test_loss"]]
    pairs = itertools.combinations(trials.median().itertuples(index=False, name=None), 2)
    chosen = sorted(min(pair)[1] for pair in pairs)
    wanted = chosen[math.ceil(len(chosen) / 2) - 1]
    loss, share = (drawings["budgets", "linear"].figure.axes[place] for place in (1, 3))
    ks, medians = drawn_line(loss, palette.COLOURS[0])
    assert dict(zip(ks, medians, strict=True))[2] == pytest.approx(wanted)
    ks, infinite = drawn_line(share, palette.COLOURS[0])
    assert dict(zip(ks, infinite, strict=True))[2] == pytest.approx(np.mean(np.isinf(chosen)))


def test_budgets_mark_where_the_median_is_infinite(drawings):
    loss, share = (drawings["budgets", "linear"].figure.axes[place] for place in (1, 3))
    (crosses,) = [
        line for line in loss.get_lines() if line.get_marker() == "x" and line.get_color() == palette.COLOURS[2]
    ]
    assert list(crosses.get_xdata()) == [1, 2, 3, 4]
    assert set(crosses.get_ydata()) == {loss.get_ylim()[1]}
    assert drawn_line(share, palette.COLOURS[2])[1] == pytest.approx(1.0)


def test_scaling_marks_what_was_missed_and_counts_it(drawings):
    drawing = drawings["scaling", "linear"]
    for axis, (optimizer, rows) in zip(drawing.figure.axes, drawing.data.groupby("optimizer", sort=False), strict=True):
        assert axis.get_title() == optimizer
        missed = rows[rows["median"].isna()]
        open_marks = [line for line in axis.get_lines() if line.get_markerfacecolor() == "none"]
        assert sorted(mark.get_xdata()[0] for mark in open_marks) == sorted(missed["batch_size"])
        counts = sorted(f"{row.reached}/{row.n}" for row in missed.itertuples())
        assert sorted(text.get_text() for text in axis.texts if "/" in text.get_text()) == counts
    assert drawing.facts["missed"] == drawing.data["median"].isna().sum() > 0


def test_a_fitted_curve_goes_where_its_formula_says_and_its_critical_batch_size_lies_on_it():
    sizes, few, many = np.array([8, 32, 100]), 40.0, 1200.0
    series = pd.DataFrame({"batch_size": sizes, "median": few + many / sizes, "perfect": 190 * 8 / sizes})
    series = series.assign(lower=150.0, upper=[np.nan, 90.0, 60.0], fit="fitted", extrapolated=None)
    series = series.assign(min_steps=few, min_examples=many, critical_batch_size=many / few)
    with style.applied():
        axis = Figure().subplots()
        scaling.draw_series(axis, series, palette.COLOURS[0], "o", "-")
    perfect, points, curve, mark = axis.get_lines()
    assert list(perfect.get_ydata()) == pytest.approx([190, 47.5, 15.2])
    assert points.get_xydata() == pytest.approx(np.column_stack([sizes, [190, 77.5, 52]]))
    assert curve.get_ydata() == pytest.approx(few + many / curve.get_xdata())
    assert mark.get_xydata() == pytest.approx(np.array([[30.0, 80.0]]))
    assert len(axis.texts) == 1, "an arrow where the interval has no upper end"


def test_a_figure_that_would_show_nothing_is_not_there(wide):
    experiment = load(wide[0])
    assert "scaling" not in figures_of(experiment, "linear")
    assert "scaling" in figures_of(experiment, "sine")
    alone = dict(list(experiment.optimizers.items())[:1])
    assert "profile" not in figures_of(experiment.model_copy(update={"optimizers": alone}), None)
    fixed = {"sgd": Optimizer.model_validate({"class": "SGD", "learning_rates": [0.1]})}
    one = dict(list(experiment.schedules.items())[:1])
    bare = experiment.model_copy(update={"optimizers": fixed, "schedules": one})
    assert "budgets" in figures_of(experiment, "sine")
    assert "budgets" not in figures_of(bare, "sine")


@pytest.mark.parametrize(("name", "column"), [("convergence_epochs", "epoch"), ("convergence_examples", "examples")])
def test_convergence_against_epochs_and_examples_is_that_of_the_test_loss(small, drawings, report, name, column):
    runs = pd.read_parquet(small[1] / "runs" / "evaluation" / "linear" / "adam" / "runs.parquet")
    histories = pd.read_parquet(small[1] / "runs" / "evaluation" / "linear" / "adam" / "histories.parquet")
    mine = runs[(runs["schedule"] == "cosine") & (runs["batch_size"] == 1) & (runs["stage"] == "evaluation")]
    medians = histories[histories["run"].isin(mine["run"])].groupby("step")["test_loss"].median()
    panel = drawings[name, "linear"].figure.axes[1]
    x, y = drawn_line(panel, palette.COLOURS[1])
    # Six examples, one a step.
    assert list(x) == pytest.approx(medians.index / 6 if column == "epoch" else medians.index)
    assert np.array(y) == pytest.approx(medians.to_numpy())
    described = json.loads((report / "figures" / "linear" / f"{name}.json").read_text(encoding="utf-8"))
    assert f"test loss on linear against {'epochs' if column == 'epoch' else 'examples seen'}:" in described["alt"]


def test_gradient_noise_is_drawn_where_it_was_recorded_alone(wide, wide_report):
    experiment = load(wide[0])
    assert "gradient_noise" in figures_of(experiment, "sine")
    assert "gradient_noise" not in figures_of(experiment, "linear")
    assert not (wide_report / "figures" / "linear" / "gradient_noise.svg").exists()


def test_gradients_are_those_of_the_schedule_that_tuning_prefers(small, drawings):
    """Chosen here from the cells themselves."""
    tables = {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in ("cells", "diagnostics")}
    cells = tables["cells"][(tables["cells"]["problem"] == "linear") & (tables["cells"]["optimizer"] == "adam")]
    for place, batch_size in enumerate((1, 6)):
        schedule = cells.sort_values("tuning_validation_loss").iloc[0]["schedule"]
        best = cells[(cells["batch_size"] == batch_size) & (cells["schedule"] == schedule)].iloc[0]
        for column, quantity in enumerate(("gradient_norm", "update_ratio")):
            cell = best[["problem", "optimizer", "schedule", "batch_size"]]
            wanted = tables["diagnostics"].merge(cell.to_frame().T)
            wanted = wanted[wanted["quantity"] == quantity]
            if quantity == "update_ratio" and schedule == "cosine":
                wanted = wanted[wanted["step"] < wanted["step"].max()]
            steps, medians = drawn_line(
                drawings["gradients", "linear"].figure.axes[2 * place + column], palette.COLOURS[1]
            )
            assert list(steps) == wanted["step"].tolist()
            assert np.array(medians) == pytest.approx(wanted["median"].to_numpy())


def test_steps_at_a_rate_of_nearly_zero_are_left_out():
    recorded = pd.DataFrame({"step": [1, 2, 3] * 2, "quantity": ["update_ratio"] * 3 + ["gradient_norm"] * 3})
    recorded = recorded.assign(schedule="warm", batch_size=8, median=[1e-12, 0.1, 1e-10, 1, 1, 1])
    applied = pd.DataFrame({"schedule": "warm", "batch_size": [8, 8, 8, 32], "step": [1, 2, 3, 2]})
    kept = gradients.without_idle_steps(recorded, applied.assign(relative=[0, 1e-4, 3e-6, 0]))
    assert kept["median"].tolist() == [0.1, 1, 1, 1]


def test_the_noise_scale_is_shown_with_the_batch_size(wide, wide_drawings, wide_report):
    drawing = wide_drawings["gradient_noise", "sine"]
    for axis, batch_size in zip(drawing.figure.axes[::2], (8, 32), strict=True):
        assert [batch_size] * 2 in [list(line.get_ydata()) for line in axis.get_lines() if len(line.get_ydata()) == 2]
    data = drawing.data[drawing.data["quantity"] == "gradient_noise_scale"]
    ends = data[data["step"] == data.groupby("batch_size")["step"].transform("max")]
    above = sum(row.median > row.batch_size for row in ends.itertuples(index=False))
    described = json.loads((wide_report / "figures" / "sine" / "gradient_noise.json").read_text(encoding="utf-8"))
    assert f"the noise scale is above the batch size in {above} of {len(ends)} cells" in described["alt"]
    assert "4 runs ran out of time" in described["alt"]


def test_a_long_line_is_thinned_and_keeps_its_ends_and_extremes():
    noise = np.random.default_rng(0).normal(size=500)
    long = pd.DataFrame({"optimizer": "sgd", "step": np.geomspace(1, 1e6, 500).round(), "median": noise})
    short = pd.DataFrame({"optimizer": "adam", "step": np.arange(40.0), "median": noise[:40]})
    shown = lines.thin(pd.concat([long, short], ignore_index=True), ["optimizer"])
    mine = shown[shown["optimizer"] == "sgd"]
    assert 35 < len(mine) <= lines.MAX_POINTS
    assert mine["step"].is_monotonic_increasing
    assert (mine["median"].min(), mine["median"].max()) == (noise.min(), noise.max())
    assert mine["step"].iloc[[0, -1]].tolist() == long["step"].iloc[[0, -1]].tolist()
    assert lines.thin(short, ["optimizer"]) is short


def test_what_is_thinned_stands_in_the_csv_as_a_whole(wide, tmp_path):
    experiment = load(wide[0])
    curves = pd.read_parquet(wide[1] / "tables" / "curves.parquet")
    one = curves[(curves["problem"] == "sine") & (curves["step"] == 0)]
    steps = np.arange(500)
    long = one.loc[one.index.repeat(500)].assign(step=np.tile(steps, len(one)), median=1.0)
    long.to_parquet(tmp_path / "curves.parquet", index=False)
    shutil.copy(wide[1] / "tables" / "cells.parquet", tmp_path)
    with style.applied():
        drawing = BY_NAME["convergence"].draw(tmp_path, experiment, "sine")
    assert drawing.facts["thinned"]
    assert set(drawing.data["step"]) == set(steps)
    assert len(drawn_line(drawing.figure.axes[0], palette.COLOURS[0])[0]) <= lines.MAX_POINTS


def test_losses_that_single_precision_does_not_tell_apart_lie_on_the_edge():
    limits = scales.positive_limits(pd.Series([1.0, 1e-20, 0.0, np.inf]))
    assert limits == (LOSS_RESOLUTION, 1.6)
    assert scales.clip_to_axis(pd.Series([0.0, 1e-20, 1.0]), limits).tolist() == [LOSS_RESOLUTION, LOSS_RESOLUTION, 1.0]


OF_FIGURES = {
    "convergence": ("curves", "median"),
    "learning_rates": ("rates", "median"),
    "budgets": ("budgets", "median"),
    "gradients": ("diagnostics", "median"),
    "batch_sizes": ("cells", "final_test_loss"),
    "optimizers": ("runs", "final_test_loss"),
}


@pytest.mark.parametrize("name", OF_FIGURES)
def test_a_figure_tells_whether_it_has_losses_that_lie_on_its_edge(experiment, small, drawings, tmp_path, name):
    assert not drawings[name, "linear"].facts["unresolved"]
    shutil.copytree(small[1] / "tables", tmp_path, dirs_exist_ok=True)
    table, column = OF_FIGURES[name]
    values = pd.read_parquet(tmp_path / f"{table}.parquet")
    values[column] *= 1e-30
    values.to_parquet(tmp_path / f"{table}.parquet")
    with style.applied():
        drawing = BY_NAME[name].draw(tmp_path, experiment, "linear")
    assert drawing.facts["unresolved"]


@pytest.mark.parametrize(("bound", "value"), [("loss_upper", np.inf), ("accuracy_lower", -np.inf)])
def test_the_figure_of_optimizers_draws_and_tells_of_bars_that_have_no_end(small, experiment, tmp_path, bound, value):
    shutil.copytree(small[1] / "tables", tmp_path, dirs_exist_ok=True)
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    cells.assign(**{f"final_test_{bound}": value}).to_parquet(tmp_path / "cells.parquet")
    with style.applied():
        whole = BY_NAME["optimizers"].draw(small[1] / "tables", experiment, "digits_cnn")
        cut = BY_NAME["optimizers"].draw(tmp_path, experiment, "digits_cnn")
    assert not whole.facts["endless"]
    assert cut.facts["endless"]
    axis, end = cut.figure.axes[bound == "accuracy_lower"], -1 if value > 0 else 0
    bars = [line.get_xdata() for line in axis.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"]
    assert len(bars) == 2, "the one whose runs all diverge has none"
    assert all(bar[end] == axis.get_xlim()[end] for bar in bars)


def test_a_rate_without_neighbours_is_seen_though_no_line_leads_to_it(experiment, small, tmp_path):
    shutil.copytree(small[1] / "tables", tmp_path, dirs_exist_ok=True)
    rates = pd.read_parquet(tmp_path / "rates.parquet")
    lone = rates.groupby(["problem", "optimizer"])["learning_rate"].transform("min") == rates["learning_rate"]
    rates[lone].assign(median=0.01, lower=0.01, upper=0.01).to_parquet(tmp_path / "rates.parquet")
    with style.applied():
        figure = BY_NAME["learning_rates"].draw(tmp_path, experiment, "linear").figure
    for axis in figure.axes:
        marked = [line.get_xdata()[0] for line in axis.get_lines() if line.get_marker() in palette.MARKERS]
        assert set(marked) == set(rates[lone & (rates["problem"] == "linear")]["learning_rate"])


def test_a_band_ends_where_both_its_quartiles_are_infinite():
    rows = pd.DataFrame({"median": [1.0, np.inf, np.inf], "lower": [0.5, 2.0, np.inf], "upper": [2.0, np.inf, np.inf]})
    found = scales.clip_spreads(rows, (0.1, 10.0))
    np.testing.assert_array_equal(found, [[1, 0.5, 2], [np.nan, 2, 10], [np.nan] * 3])


def test_shares_of_lost_runs_have_wilson_s_interval(small, drawings):
    data = drawings["learning_rates", "linear"].data
    assert (data["lost_share"] > 0).any()
    for row in data.itertuples():
        lost = row.diverged + row.out_of_time
        interval = stats.binomtest(lost, row.n).proportion_ci(method="wilson")
        assert row.lost_share == lost / row.n
        assert (row.lost_share_lower, row.lost_share_upper) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("number", [1, 6, 7, 8, 12, 13, 30])
def test_a_legend_is_no_wider_than_its_figure_and_is_read_row_by_row(number):
    names = [f"an optimizer of the name {k}" if k % 3 else f"sgd{k}" for k in range(number)]
    with style.applied():
        figure, _ = panels.make_grid(1, 1, 4)
        legends.draw_legend(figure, palette.line_styles(names))
        figure.canvas.draw()
        legend = figure.legends[0]
        box = legend.get_window_extent()
        places = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
    assert box.width <= figure.bbox.width
    assert sorted(names, key=lambda name: (-round(places[name].y0), places[name].x0)) == names


def test_many_optimizers_that_lost_runs_are_counted_together():
    rows = pd.DataFrame({"optimizer": list("abcdef"), "n": 10, "diverged": [1, 2, 0, 3, 4, 5], "out_of_time": 1})
    missing = pd.DataFrame({"optimizer": list("ab"), "n": [0, 3], "diverged": [0, 1], "out_of_time": 0})
    with style.applied():
        axis = Figure().subplots()
        panels.write_lost_runs(axis, rows, 10)
        panels.write_lost_runs(axis, rows[:2], 10)
        panels.write_lost_runs(axis, missing, 10)
        panels.write_lost_runs(axis, rows[:5].assign(n=9), 10)
    told = ["15 of 60 diverged, 6 of 60 out of time"]
    told += ["a: 1 of 10 diverged, 1 of 10 out of time\nb: 2 of 10 diverged, 1 of 10 out of time"]
    told += ["a: not run\nb: 3 of 10 run, 1 of 3 diverged"]
    told += ["45 of 50 run, 10 of 45 diverged, 5 of 45 out of time"]
    assert [text.get_text() for text in axis.texts] == told
