"""The report as a reader's browser gets it."""

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats

from thalweg.analysis import tables
from thalweg.grid.experiment import load
from thalweg.reporting import findings, pages, style, templates
from thalweg.reporting.figures import figures_of
from thalweg.reporting.figures.__main__ import DRAW, write

PAGES = ("index.html", "cost.html")
VOID = {"meta", "link", "img", "br"}


class Page(html.parser.HTMLParser):
    """All tags of a page with their attributes, its text, and whether every tag is closed in turn."""

    def __init__(self, file: Path):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def index(report):
    return Page(report / "index.html")


@pytest.mark.parametrize("page", PAGES)
def test_every_tag_is_closed_and_every_id_is_unique(report, page):
    parsed = Page(report / page)
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_image_is_a_file_of_the_report(report, page):
    parsed = Page(report / page)
    targets = [attributes["href"] for tag in ("a", "link") for attributes in parsed.all(tag)]
    targets += [attributes["src"] for attributes in parsed.all("img")]
    ids = {attributes.get("id") for _, attributes in parsed.tags}
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in ids, target
        else:
            assert (report / target).is_file(), target


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_no_script_and_hostile_text_stays_text(report, page):
    parsed = Page(report / page)
    assert not parsed.all("script")
    assert synthetic.HOSTILE in parsed.text
    assert not parsed.all("i")


def test_every_figure_is_shown_with_its_size_and_words(report, index):
    shown = {image["src"] for image in index.all("img")}
    assert shown == {str(path.relative_to(report)) for path in (report / "figures").rglob("*.svg")}
    for image in index.all("img"):
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
        assert len(image["alt"]) > 40


def test_the_same_bytes_in_another_process(small, report, tmp_path):
    file, results = small
    copy = tmp_path / "report"
    copy.mkdir()
    (copy / "figures").symlink_to(report / "figures")
    command = [sys.executable, "-m", "thalweg.reporting.pages", "--experiment", file, "--results", results]
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([*command, "--output", copy], check=True, env=elsewhere)
    for path in copy.rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (report / path.relative_to(copy)).read_bytes(), path


def test_the_report_holds_a_copy_of_every_table(small, report):
    for path in (small[1] / "tables").rglob("*.csv"):
        assert (report / "tables" / path.relative_to(small[1] / "tables")).read_bytes() == path.read_bytes()


def test_headline_numbers_follow_from_the_raw_runs(small, index):
    folder = small[1] / "runs" / "evaluation" / "linear" / "adam"
    runs, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    last = histories.sort_values("step").groupby("run")["test_loss"].last()
    cell = runs[(runs["stage"] == "evaluation") & (runs["schedule"] == "cosine") & (runs["batch_size"] == 6)]
    mean = stats.trim_mean(last[cell["run"]].astype(float), 0.25)
    assert templates.number(mean) in index.text
    declared = sum(len(pd.read_parquet(path)) for path in (small[1] / "runs").rglob("runs.parquet"))
    assert f"declared{declared:,}" in "".join(index.text.split())


def test_divergence_edges_and_dirty_files_are_said(small, index):
    text = " ".join(index.text.split())
    assert "7 of 7 diverged" in text
    assert "In 6 of 18 cells the chosen learning rate lies at an end of its range" in text
    measured = pd.concat(pd.read_parquet(path) for path in (small[1] / "runs").rglob("measured.parquet"))
    dirty = measured.drop_duplicates("run")["dirty"].sum()
    assert f"{dirty} runs were trained with files that differ from the recorded commit" in text
    assert "doomed (most runs diverged, n = 7)" in text.replace("\xa0", " ")


@pytest.fixture(scope="module")
def wide_text(wide_report):
    return " ".join(Page(wide_report / "index.html").text.split())


def test_methods_say_what_is_searched_and_how_often(wide_text):
    assert "20 trials: learning rate from 0.0001 to 0.1; amsgrad one of 0, 1; beta_1 1 − a draw from 0.01 to 0.3" in (
        wide_text
    )
    assert "1 − a draw from 0.01 to 0.360" in wide_text, "20 trials on 3 seeds"
    assert "0.01, 0.03, 0.1, 0.3, 115" in wide_text, "5 rates on 3 seeds"


def test_methods_say_warmups_and_the_lengths_in_lists(wide_text):
    assert "warm: after a warmup of 5 epochs, in a straight line from 0, the rate stays at its peak" in wide_text
    assert "steps: after a warmup of 10 %, in a straight line from 0, PiecewiseConstantDecay" in wide_text
    assert "boundaries=[50 %, 75 %], values=[1, 0.1, 0.01]" in wide_text
    assert "the same for every batch size: steps warmup 10 % and steps boundaries [50 %, 75 %]." in wide_text


def test_what_a_search_chose_stands_in_the_findings_and_the_cells(wide, wide_text):
    cells = pd.read_parquet(wide[1] / "tables" / "cells.parquet")
    for cell in cells[cells["optimizer"] == "searched"].itertuples():
        drawn = "".join(f", {name} {value:g}" for name, value in json.loads(cell.hyperparameters).items())
        assert f"rate {templates.rate(cell.learning_rate)}{drawn}" in wide_text
    assert re.search(r"and peak rate \S+, amsgrad \d, beta_1 0\.\d+; on 7 other seeds", wide_text)


def test_runs_out_of_time_are_said_where_there_are_any(wide, wide_text, index):
    counts = pd.read_parquet(wide[1] / "tables" / "counts.parquet")
    total = counts["out_of_time"].sum()
    assert f"out of time{total}" in wide_text
    assert f"{total} runs were stopped because time was out, and count as the worst result" in wide_text
    assert "1 of 7 ran out of time" in wide_text
    assert "out of time" not in index.text


def test_a_problem_says_how_its_runs_end(wide_text, index):
    ends = "A run ends at the evaluation point where its validation loss is 0.01 or less"
    assert wide_text.count(ends) == 1
    assert wide_text.count("A run is stopped after 90 seconds.") == 1
    assert wide_text.count("40 epochs, each without its last partial batch.") == 1
    assert "A run ends" not in index.text


def test_only_a_problem_that_validates_on_its_training_points_says_so(index):
    text = " ".join(index.text.split())
    assert text.count("This problem validates on its own training points") == 1
    assert "6 examples to train, the same to validate" in text
    assert "1,078 examples to train, 359 to validate" in text


def test_seconds_stand_on_the_page_of_costs_alone(report, index):
    assert "seconds.csv" in (report / "cost.html").read_text(encoding="utf-8")
    assert "seconds.csv" not in (report / "index.html").read_text(encoding="utf-8")
    assert "cost.html" in {attributes["href"] for attributes in index.all("a")}


def test_what_was_timed_in_turn_comes_before_what_runs_took_and_only_where_something_was(small, report, wide_report):
    cost, without = ((one / "cost.html").read_text(encoding="utf-8") for one in (report, wide_report))
    assert "Timed in turn" not in without
    assert cost.index('id="timings"') < cost.index('id="seconds"')
    turns = pd.read_parquet(small[1] / "timings" / "digits_cnn.parquet")
    times = turns.pivot(index="round", columns="optimizer", values="microseconds")
    lower, middle, upper = (times["adam"] / times["sgd"]).quantile([0.25, 0.5, 0.75])
    row = re.search(r"<tr><th[^>]*>digits_cnn</th><td[^>]*>512</td><td>adam</td>.*?</tr>", cost)[0]
    cells = re.findall(r">([^<>]+)</(?:td|span)>", row)
    ends = f"[{templates.number(lower)}, {templates.number(upper)}]"
    assert cells == ["512", "adam", "11", "3", templates.number(times["adam"].median()), templates.number(middle), ends]
    assert "Example CPU @ 2.50GHz, 1 thread (digits_cnn)" in cost


def test_with_few_seeds_and_runs_missing_the_report_still_comes_and_warns(experiment, small, report, monkeypatch):
    def read(path):
        table = pd.read_parquet(path)
        if path.name == "cells.parquet":
            ends = [name for name in table if name.endswith(("_lower", "_upper"))]
            table = table.assign(interval="too few seeds", n=5, **dict.fromkeys(ends, np.nan))
        if path.name == "comparisons.parquet":
            others = table["verdict"].where(table["verdict"] == "reference", "too few seeds")
            table = table.assign(n=5, lower=np.nan, upper=np.nan, verdict=others)
        if path.name == "counts.parquet":
            table = table.assign(missing=4)
        return table

    monkeypatch.setattr(pages, "pd", type("Reader", (), {"read_parquet": staticmethod(read)}))
    values = pages.context(experiment, small[1], report)
    text = " ".join(templates.render("index.html", **values).split())
    assert "24 runs of the declared are missing" in text
    assert "fewer than six evaluation seeds" in text
    assert "Too few seeds to tell: optimizers" in text
    assert not re.search(r"\bnan\b", text)


def test_where_every_tuning_run_diverged_nothing_is_concluded(small):
    cells, comparisons = (pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in ("cells", "comparisons"))
    lost = cells.assign(tuning_validation_loss=np.inf)
    assert findings.of_problem("linear", comparisons, lost) is None
    assert findings.of_problem("linear", comparisons, cells)["best"]["optimizer"] == "adam"


@pytest.fixture(scope="module")
def lost(small, tmp_path_factory):
    """The folder of an experiment in which every run diverged at its first step, with its tables and report."""
    file, results = small
    folder = tmp_path_factory.mktemp("lost")
    for part in ("runs", "checks", "surfaces"):
        shutil.copytree(results / part, folder / part)
    synthetic.lose_everything(folder)
    experiment = load(file)
    tables.write(tables.build(experiment, folder), folder / "tables")
    with style.applied():
        for problem in experiment.problems:
            for name in figures_of(experiment, problem):
                write(name, problem, DRAW[name](folder / "tables", experiment, problem), folder / "report" / "figures")
    pages.write(experiment, folder, folder / "report")
    return folder


def test_where_every_run_diverged_at_once_the_tables_have_their_columns_and_the_counts(lost, small):
    curves = pd.read_parquet(lost / "tables" / "curves.parquet")
    assert curves.empty
    assert list(curves) == list(pd.read_parquet(small[1] / "tables" / "curves.parquet"))
    cells = pd.read_parquet(lost / "tables" / "cells.parquet")
    assert len(cells) == 18
    assert np.isposinf(cells[["final_test_loss", "tuning_validation_loss"]]).all().all()
    counts = pd.read_parquet(lost / "tables" / "counts.parquet")
    assert (counts["diverged"] == counts["declared"]).all()


def test_where_every_run_diverged_at_once_the_report_still_comes(lost, experiment):
    index = Page(lost / "report" / "index.html")
    assert index.text.count("nothing can be concluded") == 2
    assert len(index.all("img")) == sum(len(figures_of(experiment, problem)) for problem in experiment.problems)
    assert not re.search(r"\bnan\b", index.text)


def test_cells_that_tie_for_the_best_are_counted(experiment, small, report, monkeypatch):
    def read(path):
        table = pd.read_parquet(path)
        if path.name == "cells.parquet":
            table["tuning_validation_loss"] = np.where(table["optimizer"] == "doomed", np.inf, 1e-15)
        return table

    monkeypatch.setattr(pages, "pd", type("Reader", (), {"read_parquet": staticmethod(read)}))
    text = " ".join(templates.render("index.html", **pages.context(experiment, small[1], report)).split())
    assert "8 cells tie for the best of the tuning runs, at a validation loss of 1.42 × 10⁻¹⁴ or less;" in text


def test_one_best_cell_is_no_tie(index):
    assert "tie for the best" not in index.text
    assert index.text.count("the tuning runs choose adam with") == 2


def test_a_level_whose_cell_was_named_before_points_to_that_level():
    levels = pd.DataFrame(
        {
            "factor": ["optimizer", "schedule", "batch_size"],
            "level": ["sgd", "cosine", "128"],
            "problem": "p",
            "optimizer": ["sgd", "adam", "sgd"],
            "schedule": ["constant", "cosine", "constant"],
            "batch_size": [128, 32, 128],
        }
    )
    assert list(findings.with_same_cells(levels)["same_as"]) == [None, None, {"factor": "optimizer", "level": "sgd"}]


def test_findings_speak_of_the_reproductions(small, index):
    table = pd.read_parquet(small[1] / "tables" / "reproductions.parquet")
    loss, prediction = (templates.number(value, digits) for value, digits in zip(table["median"], (3, 5), strict=True))
    text = " ".join(index.text.split())
    assert f"snippet_1 (n = 7) ends at a median train loss of {loss} and predicts {prediction} at x = 10" in text
    assert "where the true value is 19.000." in text
    assert "#reproductions" in {attributes["href"] for attributes in index.all("a")}


def test_methods_say_how_long_a_schedule_is(index):
    text = " ".join(index.text.split())
    assert "cosine: CosineDecay, decay_steps=100 %" in text
    assert "the same for every batch size: cosine decay_steps 100 %." in text
