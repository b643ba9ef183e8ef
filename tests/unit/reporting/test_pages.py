"""The report as a reader's browser gets it."""

import hashlib
import html.parser
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats

from thalweg import templates
from thalweg.analysis import TABLES, targets
from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Optimizer
from thalweg.reporting import PAGES, style
from thalweg.reporting.drawing.output import write
from thalweg.reporting.figures import BY_NAME, figures_of
from thalweg.reporting.html import cells, findings, overview, pages, recommendation

VOID = {"meta", "link", "img", "br", "wbr"}


class Page(html.parser.HTMLParser):
    """All tags of a page with their attributes, its text, the cells of its table rows, and the tags left open."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.text, self.rows, self.open = [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def read_site(report):
    """Every page of a report by its place."""
    return {
        str(path.relative_to(report)): Page(path.read_text(encoding="utf-8")) for path in sorted(report.rglob("*.html"))
    }


def words(*pages):
    return " ".join(" ".join(page.text for page in pages).split()).replace("\xa0", " ")


def of(site, *parts):
    """The words of the pages whose place begins with one of some parts."""
    return words(*(page for place, page in site.items() if place.startswith(parts)))


@pytest.fixture(scope="module")
def site(report):
    return read_site(report)


@pytest.fixture(scope="module")
def wide_site(wide_report):
    return read_site(wide_report)


@pytest.fixture(scope="module")
def index(site):
    return site["index.html"]


def test_a_report_has_a_page_for_each_problem_and_each_cell(small, experiment, site):
    cells = pd.read_parquet(small[1] / "tables" / "cells.parquet")
    wanted = {f"{name}.html" for name in PAGES} | {f"problems/{name}.html" for name in experiment.problems}
    wanted |= {
        f"cells/{row.problem}/{row.optimizer}-{row.schedule}-{row.batch_size}.html" for row in cells.itertuples()
    }
    assert site.keys() == wanted


def test_every_tag_is_closed_and_every_id_is_unique(site, wide_site):
    for place, page in [*site.items(), *wide_site.items()]:
        assert page.open == [], place
        assert len(page.ids) == len(set(page.ids)) > 0, place


def test_every_link_leads_to_a_file_and_an_id_that_are_there(report, site):
    filters = {select["data-filter"] for select in site["cells.html"].all("select")}
    for place, page in site.items():
        targets = [one["href"] for tag in ("a", "link") for one in page.all(tag)]
        targets += [one["src"] for tag in ("img", "script") for one in page.all(tag) if "src" in one]
        for target in targets:
            path, _, fragment = target.partition("#")
            there = os.path.normpath(Path(place).parent / path) if path else place
            assert (report / there).is_file(), (place, target)
            if "=" in fragment:
                assert there == "cells.html"
                assert urllib.parse.parse_qs(fragment).keys() <= filters
            elif fragment:
                assert fragment in site[there].ids, (place, target)


def test_every_page_is_reached_from_the_first(site):
    reached, left = set(), ["index.html"]
    while left:
        place = left.pop()
        reached.add(place)
        links = {link["href"].partition("#")[0] for link in site[place].all("a")}
        there = {os.path.normpath(Path(place).parent / link) for link in links if link.endswith(".html")}
        left += there - reached - set(left)
    assert reached == site.keys()


def test_no_page_may_load_anything_remote_or_holds_a_style_or_script(site):
    for place, page in site.items():
        (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
        assert set(rules.values()) == {"'self' file:"}
        scripts = {"cells.html": ["table.js"], "index.html": ["application/ld+json"]}
        assert [one.get("src", one.get("type")) for one in page.all("script")] == scripts.get(place, []), place
        assert not page.all("style"), place
        names = {name for _, attributes in page.tags for name in attributes}
        assert not [name for name in names if name == "style" or name.startswith("on")], place


def test_hostile_text_stays_text_on_every_page(site):
    for place, page in site.items():
        assert synthetic.HOSTILE in page.text, place
        assert not page.all("i"), place


def test_every_figure_is_shown_with_its_size_and_words(report, site):
    shown = {}
    for place, page in site.items():
        for image in page.all("img"):
            shown.setdefault(os.path.normpath(Path(place).parent / image["src"]), []).append(place)
            assert int(image["width"]) > 0
            assert int(image["height"]) > 0
            assert len(image["alt"]) > 40
    assert shown.keys() == {str(path.relative_to(report)) for path in (report / "figures").rglob("*.svg")}
    for figure, places in shown.items():
        of_problem = len(Path(figure).parts) > 2
        assert (f"problems/{Path(figure).parts[1]}.html" if of_problem else "index.html") in places


def test_a_figure_says_by_which_command_it_is_drawn_and_what_its_digest_is(report, site):
    text = words(site["problems/linear.html"])
    for svg in (report / "figures" / "linear").glob("*.svg"):
        digest = hashlib.sha256(svg.read_bytes()).hexdigest()
        command = "snakemake --cores 1 --forcerun figures_linear --config experiment=small"
        assert f"To draw it again: {command} SHA-256 of the SVG: {digest}" in text


def test_methods_show_how_to_cite_the_report(report, site):
    assert (report / "cite.bib").read_text(encoding="utf-8") in site["methods.html"].text
    assert {"cite.bib", "ro-crate-metadata.json", "SHA256SUMS"} <= {
        one["href"] for one in site["methods.html"].all("a")
    }


def test_the_same_bytes_in_another_process(small, report, tmp_path):
    file, results = small
    copy = tmp_path / "report"
    shutil.copytree(report / "figures", copy / "figures")
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    for module in ("cells", "pages"):
        command = [sys.executable, "-m", f"thalweg.reporting.html.{module}", "--experiment", file, "--results", results]
        subprocess.run([*command, "--output", copy], check=True, env=elsewhere)
    written = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    assert written == {path.relative_to(report) for path in report.rglob("*") if path.is_file()}
    for place in written:
        assert (copy / place).read_bytes() == (report / place).read_bytes(), place


def test_pages_of_what_is_no_longer_there_vanish(small, report, tmp_path):
    copy = tmp_path / "report"
    shutil.copytree(report, copy)
    stale = [copy / "problems" / "gone.html", copy / "cells" / "linear" / "gone-constant-1.html"]
    for path in stale:
        path.write_text("", encoding="utf-8")
    for module in (cells, pages):
        module.write(load(small[0]), small[1], copy)
    assert not any(path.exists() for path in stale)
    assert read_site(copy).keys() == read_site(report).keys()


def test_the_report_holds_a_copy_of_every_table(small, report):
    for path in (small[1] / "tables").rglob("*.csv"):
        assert (report / "tables" / path.relative_to(small[1] / "tables")).read_bytes() == path.read_bytes()


def raw_runs(results, stage, problem, optimizer, schedule, batch_size):
    """The runs of a cell as a job left them, with the history of each, in the order of seeds."""
    folder = results / "runs" / stage / problem / optimizer
    runs, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    runs = runs[(runs["stage"] == stage) & (runs["schedule"] == schedule) & (runs["batch_size"] == batch_size)]
    by_run = dict(iter(histories.sort_values("step").groupby("run")))
    return [(run, by_run[run.run]) for run in runs.sort_values("seed").itertuples()]


def test_headline_numbers_follow_from_the_raw_runs(small, experiment, site, index):
    declared = sum(len(pd.read_parquet(path)) for path in (small[1] / "runs").rglob("runs.parquet"))
    assert f"declared{declared:,}" in "".join(index.text.split())
    best = re.findall(r"cells/(\w+)/(\w+)-(\w+)-(\d+)\.html", " ".join(one["href"] for one in index.all("a")))[:2]
    assert [cell[0] for cell in best] == list(experiment.problems)
    for *cell, batch_size in best:
        recorded = raw_runs(small[1], "evaluation", *cell, int(batch_size))
        mean = stats.trim_mean([float(history["test_loss"].iloc[-1]) for _, history in recorded], 0.25)
        assert f"on 7 other seeds its final test loss is {templates.number(mean)} [" in words(index)
        assert f"its final test loss is {templates.number(mean)} [" in of(site, "cells/" + "/".join(cell[:2]))
        assert templates.number(mean) in site[f"problems/{cell[0]}.html"].text


CELLS = [("linear", "adam", "cosine", 6), ("digits_cnn", "sgd", "constant", 512), ("linear", "doomed", "constant", 1)]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_shows_each_of_its_runs_as_it_was_recorded(small, site, cell):
    problem, optimizer, schedule, batch_size = cell
    page = site[f"cells/{problem}/{optimizer}-{schedule}-{batch_size}.html"]
    wanted = []
    for run, history in raw_runs(small[1], "evaluation", *cell):
        metrics = [f"{split}_loss" for split in ("train", "validation", "test")]
        metrics += ["test_accuracy"] if problem == "digits_cnn" else []
        last, best = history.iloc[-1], history.loc[history["validation_loss"].idxmin()]
        well = run.outcome == "finished"
        final = [templates.number(last[name] if well else None) for name in metrics]
        kept = [templates.number(best[name] if well else None) for name in metrics[2:]]
        step = f"{int(best['step']):,}" if well else "–"
        wanted.append([str(run.seed), run.outcome, f"{run.ended_at:,}", *final, step, *kept, run.run])
    assert len(wanted) == 7
    assert [row for row in page.rows if row[0] in {one[0] for one in wanted} and len(row) == len(wanted[0])] == wanted


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_shows_what_tuning_came_to_at_each_rate(small, site, cell):
    problem, optimizer, schedule, batch_size = cell
    page = site[f"cells/{problem}/{optimizer}-{schedule}-{batch_size}.html"]
    by_rate = {}
    for run, history in raw_runs(small[1], "tuning", *cell):
        loss = float(history["validation_loss"].iloc[-1]) if run.outcome == "finished" else np.inf
        by_rate.setdefault(run.learning_rate, []).append(loss)
    lowest = min(by_rate, key=lambda rate: (np.median(by_rate[rate]), rate))
    rows = [row for row in page.rows if len(row) == 6 and row[3] == "3"]
    assert [row[0] for row in rows] == [templates.rate(rate) for rate in sorted(by_rate)]
    for row, rate in zip(rows, sorted(by_rate), strict=True):
        losses = by_rate[rate]
        diverged = sum(map(np.isinf, losses))
        assert row[1] == templates.number(np.median(losses))
        assert row[4] == (f"{diverged} of 3 diverged" if diverged else "")
        assert row[5] == ("chosen" if rate == lowest else "")


@pytest.mark.parametrize("cell", CELLS[:2])
def test_a_cell_shows_and_draws_the_medians_of_its_histories(small, report, site, cell):
    problem, optimizer, schedule, batch_size = cell
    place = f"cells/{problem}/{optimizer}-{schedule}-{batch_size}.html"
    page = site[place]
    together = pd.concat(history for _, history in raw_runs(small[1], "evaluation", *cell)).astype({"test_loss": float})
    test_loss = together.groupby("step")["test_loss"].agg(list)
    head, *rows, after = page.rows[: len(test_loss) + 2]
    assert (head[0], head[6], after[0]) == ("step", "test loss", "peak rate")
    for row, (step, losses) in zip(rows, test_loss.items(), strict=True):
        lower, median, upper = (templates.number(value) for value in np.quantile(losses, [0.25, 0.5, 0.75]))
        assert (row[0], *row[6:8]) == (f"{step:,}", median, f"{lower} to {upper}")
    text = (report / place).read_text(encoding="utf-8")
    svg = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", text, re.DOTALL)[1])
    drawn = next(one.get("d") for one in svg.iter("path") if one.get("class") == "median")
    points = np.array([[float(number) for number in point.split()] for point in drawn[1:].split("L")])
    # Two ticks are enough to read a logarithmic axis.
    ticks = [(float(one.get("y")) - 3, float(one.text)) for one in svg.iter("text") if one.get("class") == "y"]
    (low, small_value), (high, large_value) = ticks[0], ticks[-1]
    powers = np.log10(small_value) + (points[:, 1] - low) / (high - low) * np.log10(large_value / small_value)
    assert 10**powers == pytest.approx(test_loss.map(np.median).to_numpy(), rel=0.01)
    assert np.diff(points[:, 0]).min() > 0


def test_a_cell_of_which_every_run_diverged_says_so(site):
    page = site["cells/linear/doomed-constant-1.html"]
    text = words(page)
    assert "its final test loss is ∞" in text
    assert "7 of 7 diverged" in text
    described = [one for one in page.tags if one[0] == "desc"]
    assert len(described) == 2
    assert text.count("on it is infinite") == 2


def test_a_cell_can_be_trained_again_by_its_command(small, site):
    assert "snakemake --cores 1 retrain --config experiment=small cell=linear/adam/cosine/6" in words(
        site["cells/linear/adam-cosine-6.html"]
    )


def test_the_table_of_cells_has_them_all_by_rank_and_prints_the_first_of_each_problem(small, site, monkeypatch):
    page = site["cells.html"]
    table = pd.read_parquet(small[1] / "tables" / "cells.parquet")
    rows = [row for row in page.rows if row[0] in ("linear", "digits_cnn")]
    assert len(rows) == len(table) == 18
    heads = page.rows[0]
    for problem, losses in table.groupby("problem")["tuning_validation_loss"]:
        shown = [row for row in rows if row[0] == problem]
        ordered = stats.rankdata(losses, method="min")
        assert [int(row[heads.index("rank")]) for row in shown] == sorted(ordered)
        column = heads.index("validation loss")
        assert [row[column] for row in shown] == [templates.number(loss) for loss in sorted(losses)]
    monkeypatch.setattr(cells, "MAX_PRINTED_CELLS", 5)
    ranked = pd.DataFrame(cells.rank_cells(table))
    assert (ranked.groupby("problem")["beyond"].sum() == ranked.groupby("problem").size() - 5).all()


def test_what_the_script_looks_for_is_in_the_page(site):
    page = site["cells.html"]
    heads = [one for one in page.all("th") if "data-key" in one]
    filters = [one["data-filter"] for one in page.all("select")]
    assert {"cells-table", "rows-shown", "reset"} <= set(page.ids)
    assert set(filters) <= {one["data-key"] for one in heads}
    hidden = [attributes for _, attributes in page.tags if "hidden" in attributes]
    assert len(hidden) == 2
    assert all("data-needs-script" in one for one in hidden)
    assert not [one for one in page.all("th") if "aria-sort" in one], (
        "what cannot be sorted without script says no order"
    )


def test_divergence_edges_and_dirty_files_are_said(small, site):
    text = of(site, "index", "problems")
    assert "7 of 7 diverged" in text
    assert "In 6 of 18 cells the chosen learning rate lies at an end of its range" in text
    measured = pd.concat(pd.read_parquet(path) for path in (small[1] / "runs").rglob("measured.parquet"))
    dirty = measured.drop_duplicates("run")["dirty"].sum()
    assert f"{dirty} runs were trained with files that differ from the recorded commit" in text
    assert "doomed (most runs diverged, n = 7)" in text


@pytest.fixture(scope="module")
def wide_text(wide_site):
    """The words of all its pages but those of cells."""
    return of(wide_site, *PAGES, "problems")


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


def test_what_a_search_chose_stands_in_the_findings_and_the_cells(wide, wide_site, wide_text):
    cells = pd.read_parquet(wide[1] / "tables" / "cells.parquet")
    for cell in cells[cells["optimizer"] == "searched"].itertuples():
        drawn = "".join(f", {name} {value:g}" for name, value in json.loads(cell.hyperparameters).items())
        assert f"rate {templates.rate(cell.learning_rate)}{drawn}" in wide_text
        place = f"cells/{cell.problem}/{cell.optimizer}-{cell.schedule}-{cell.batch_size}.html"
        assert f"At a peak rate of {templates.rate(cell.learning_rate)}{drawn}, its final" in words(wide_site[place])
    assert re.search(r"and peak rate \S+, amsgrad \d, beta_1 0\.\d+; on 7 other seeds", wide_text)


def test_where_runs_end_at_their_target_the_findings_speak_of_the_examples_to_it(wide, wide_text):
    keys = ["problem", "optimizer", "schedule", "batch_size"]
    tables = pages.read_tables(wide[1])
    reference = tables["comparisons"].query("problem == 'linear' and verdict == 'reference'").iloc[0]
    runs = tables["runs"][tables["runs"]["stage"] == "evaluation"]
    own = runs[(runs[keys] == reference[keys].to_numpy()).all(axis=1)]
    examples = (own["ended_at"] * own["batch_size"]).where(own["outcome"] == "reached target", np.inf).median()
    finding = wide_text.partition("On linear the tuning runs choose")[2].partition("On sine")[0]
    assert f"the examples to it: a median of {templates.number(examples)}." in finding
    assert f"it is reached after a median of {templates.number(examples)} examples." in finding
    assert "loss is higher" not in finding
    sine = wide_text.partition("On sine the tuning runs choose")[2].partition("All comparisons")[0]
    assert "examples to it" not in sine


def test_runs_out_of_time_are_said_where_there_are_any(wide, wide_text, site):
    counts = pd.read_parquet(wide[1] / "tables" / "counts.parquet")
    total = counts["out_of_time"].sum()
    assert f"out of time{total}" in wide_text
    assert f"{total} runs were stopped because time was out, and count as the worst result" in wide_text
    assert "1 of 7 ran out of time" in wide_text
    assert "out of time" not in of(site, "index", "problems", "cells")


def test_a_problem_says_how_its_runs_end(wide_text, site):
    ends = "A run ends at the evaluation point where its validation loss is 0.01 or less"
    assert wide_text.count(ends) == 1
    assert wide_text.count("A run is stopped after 90 seconds.") == 1
    assert wide_text.count("40 epochs, each without its last partial batch.") == 1
    assert "A run ends" not in of(site, "problems")


def test_only_a_problem_that_validates_on_its_training_points_says_so(site):
    text = of(site, "problems")
    assert text.count("This problem validates on its own training points") == 1
    assert "6 examples to train, the same to validate" in text
    assert "of the validation split are in the train split too" not in text, "it is said once"
    assert "2 examples of the test split are in the validation split too." in text
    assert "1,078 examples to train, 359 to validate" in text


def test_seconds_stand_on_the_page_of_costs_alone(report, site):
    assert [place for place in site if "seconds.csv" in (report / place).read_text(encoding="utf-8")] == ["cost.html"]
    assert "cost.html" in {attributes["href"] for attributes in site["index.html"].all("a")}


def test_what_was_timed_in_turn_comes_before_what_runs_took_and_only_where_something_was(small, report, wide_report):
    cost, without = ((one / "cost.html").read_text(encoding="utf-8") for one in (report, wide_report))
    assert "Timed in turn" not in without
    assert cost.index('id="timings"') < cost.index('id="seconds"')
    turns = pd.read_parquet(small[1] / "timings" / "digits_cnn.parquet")
    times = turns.pivot(index="round", columns="optimizer", values="microseconds")
    lower, middle, upper = (times["adam"] / times["sgd"]).quantile([0.25, 0.5, 0.75])
    row = re.search(r"<tr><th[^>]*>digits_cnn</th><td[^>]*>512</td><td>adam</td>.*?</tr>", cost)[0]
    numbers = re.findall(r">([^<>]+)</(?:td|span)>", row)
    ends = f"[{templates.number(lower)}, {templates.number(upper)}]"
    taken = [templates.number(times["adam"].median()), templates.number(middle), ends]
    assert numbers == ["512", "adam", "11", "3", *taken]
    assert "Example CPU @ 2.50GHz, 1 thread (digits_cnn)" in cost


def rendered(experiment, tables, results, report):
    """The pages of a report by place, from tables that were altered."""
    of_cells = cells.render_pages(experiment, tables, targets.examples_of(experiment, results))
    others = pages.render_pages(pages.context(experiment, tables, results, report))
    return {place: Page(text) for place, text in itertools.chain(of_cells, others)}


def test_pages_say_where_losses_count_as_equal_and_nowhere_else(experiment, small, report, site):
    sentence = "which single precision does not tell apart, count as"
    assert not [place for place, page in site.items() if sentence in words(page)]
    tables = pages.read_tables(small[1])
    for name, column in (("rates", "median"), ("cells", "tuning_validation_loss"), ("runs", "final_test_loss")):
        table = tables[name]
        of_adam = (table["problem"] == "linear") & (table["optimizer"] == "adam")
        small_ones = np.linspace(0, 1e-14, len(table))
        tables[name] = table.assign(**{column: table[column].astype(float).mask(of_adam, small_ones)})
    equal = rendered(experiment, tables, small[1], report)
    of_cells = {place for place in equal if place.startswith("cells/linear/adam")}
    told = {place for place, page in equal.items() if sentence in words(page)}
    assert told == {"index.html", "cells.html", "problems/linear.html", *of_cells}
    for place in of_cells:
        assert f"it is number 1 on tuning runs, with {len(of_cells) - 1} others." in words(equal[place])
    assert "A tie, such as of two losses below 1.4 × 10⁻¹⁴, counts half." in words(equal["problems/linear.html"])


def test_captions_say_what_diverged_runs_leave_out(site):
    text = words(site["problems/linear.html"])
    assert "Small strokes: the seeds, but none for a run that diverged." in text
    assert "Where too many runs diverged, the median is infinite and the line breaks off." in text


def test_with_too_few_seeds_every_figure_and_page_comes_without_an_interval(few_report):
    site = read_site(few_report)
    assert len(site) > 10
    assert not re.search(r"\bnan\b", words(*site.values()))
    assert "fewer than six evaluation seeds" in words(site["index.html"])
    for place, times in (("index.html", 2), ("problems/linear.html", 3)):
        told = words(site[place]).count("interquartile mean of the evaluation seeds, which are too few for an interval")
        assert told == times, place
    assert "None has a 95 % interval, as seeds are too few." in words(site["index.html"])
    assert "too few seeds" in (few_report / "tables" / "comparisons.csv").read_text(encoding="utf-8")
    for place in ("index.html", "problems/linear.html", "cells/linear/adam-cosine-6.html"):
        text = (few_report / place).read_text(encoding="utf-8")
        plain = re.sub(r"<[^>]*>", "", re.sub(r"<(pre|svg|head)\b.*?</\1>", "", text, flags=re.DOTALL))
        assert not re.findall(r".*\w +[.,;)].*", plain), place


def test_with_few_seeds_and_runs_missing_the_report_still_comes_and_warns(experiment, small, report):
    tables = pages.read_tables(small[1])
    ends = [name for name in tables["cells"] if name.endswith(("_lower", "_upper"))]
    tables["cells"] = tables["cells"].assign(interval="too few seeds", n=5, **dict.fromkeys(ends, np.nan))
    compared = tables["comparisons"]
    others = compared["verdict"].where(compared["verdict"] == "reference", "too few seeds")
    tables["comparisons"] = compared.assign(n=5, lower=np.nan, upper=np.nan, verdict=others)
    tables["counts"] = tables["counts"].assign(missing=4)
    few = rendered(experiment, tables, small[1], report)
    text = words(few["index.html"])
    assert "Of the declared runs, 24 are missing" in text
    assert "fewer than six evaluation seeds" in text
    assert "Too few seeds to tell: optimizers" in text
    cell = words(few["cells/linear/adam-cosine-6.html"])
    assert "the interquartile mean of 5 of 7 seeds, too few for an interval" in cell
    assert not re.search(r"\bnan\b|\bNone\b", words(*few.values()))


def test_a_cell_that_was_not_evaluated_has_its_page_and_says_so(experiment, small, report):
    tables = pages.read_tables(small[1])
    for name in ("runs", "curves", "targets"):
        table = tables[name]
        tables[name] = table[table["optimizer"] != "adam"] if name != "runs" else table[table["stage"] == "tuning"]
    cells_table = tables["cells"]
    measured = [name for name in cells_table if name.startswith(("final_", "best_"))]
    gone = cells_table["optimizer"] == "adam"
    tables["cells"] = cells_table.mask(gone.to_numpy()[:, None] & cells_table.columns.isin(measured)).assign(
        n=cells_table["n"].where(~gone, 0)
    )
    text = words(rendered(experiment, tables, small[1], report)["cells/linear/adam-cosine-6.html"])
    assert "Not one of its evaluation runs is there." in text
    assert "Nothing was recorded" in text


def test_where_every_tuning_run_diverged_nothing_is_concluded(small):
    tables = pages.read_tables(small[1])
    cells, comparisons, ranges = tables["cells"], tables["comparisons"], tables["sensitivity"]
    lost = cells.assign(tuning_validation_loss=np.inf)
    assert findings.summarize_problem("linear", comparisons, lost, ranges) is None
    assert findings.summarize_problem("linear", comparisons, cells, ranges)["best"]["optimizer"] == "adam"


def test_the_code_of_a_cell_stands_on_its_page_and_that_of_the_best_on_the_first_and_its_problem_s(
    experiment, small, report
):
    named = Optimizer.model_validate({"class": "Adam", "learning_rates": [0.1], "name": "<i>&amp;</i>"})
    experiment = experiment.model_copy(update={"optimizers": {**experiment.optimizers, "adam": named}})
    tables = pages.read_tables(small[1])
    site = rendered(experiment, tables, small[1], report)
    shown = [tables[name] for name in ("comparisons", "cells", "sensitivity")]
    best = [findings.summarize_problem("linear", *shown)["best"]]
    for row in best + findings.records(tables["cells"][tables["cells"]["problem"] == "linear"]):
        code = recommendation.keras_code(experiment, row, 6)
        assert ("name='<i>&amp;</i>'" in code) == (row["optimizer"] == "adam")
        places = ["index.html", "problems/linear.html"] if row is best[0] else [cells.address(row)]
        assert all(code in site[place].text for place in places)


def test_beside_the_code_stands_how_sure_it_is(experiment, small, site):
    tables = pages.read_tables(small[1])
    for problem in experiment.problems:
        shown = [tables[name] for name in ("comparisons", "cells", "sensitivity")]
        best = findings.summarize_problem(problem, *shown)["best"]
        text = of(site, f"problems/{problem}.html")
        loss, lower, upper = (templates.number(best[f"final_test_loss{end}"]) for end in ("", "_lower", "_upper"))
        assert f"It ended at a test loss of {loss} [{lower}, {upper}], n = {best['n']} seeds." in text
        (good,) = findings.records(tables["sensitivity"].merge(pd.DataFrame([best])[cells.CELL]))
        ends = " to ".join(templates.number(good[end]) for end in ("lower", "upper"))
        wide = f"Peak rates from {ends} bring a {good['measure']} within 10 % of the best"
        alone = f"No rate next to {templates.rate(good['best'])}, of those tried, comes within 10 % of its"
        assert (wide in text, alone in text) == (good["rates"] > 1, good["rates"] == 1)
        assert ("the range may be wider" in text) == (good["open"] is not None)
        others = tables["comparisons"].query("problem == @problem and factor == 'optimizer'")
        for verdict, words in {
            "not distinguishable": "Not distinguishable from it: ",
            "too few seeds": "Too few seeds to tell it from: ",
        }.items():
            names = others.loc[others["verdict"] == verdict, "level"].tolist()
            assert (words in text) == bool(names)
            if names:
                assert re.findall(r"\w+", text.partition(words)[2].partition(".")[0].replace(" and ", " ")) == names


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
        for problem in (None, *experiment.problems):
            for name in figures_of(experiment, problem):
                write(
                    name,
                    problem,
                    BY_NAME[name].draw(folder / "tables", experiment, problem),
                    folder / "report" / "figures",
                )
    for module in (cells, pages):
        module.write(experiment, folder, folder / "report")
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
    site = read_site(lost / "report")
    assert site["index.html"].text.count("nothing can be concluded") == 2
    drawn = sum(len(figures_of(experiment, problem)) for problem in experiment.problems)
    assert sum(len(page.all("img")) for place, page in site.items() if place.startswith("problems")) == drawn
    assert words(*site.values()).count("Nothing was recorded") == 18
    assert not re.search(r"\bnan\b", words(*site.values()))


def test_cells_that_tie_for_the_best_are_counted(experiment, small, report):
    tables = pages.read_tables(small[1])
    alike = np.where(tables["cells"]["optimizer"] == "doomed", np.inf, 1e-15)
    tables["cells"] = tables["cells"].assign(tuning_validation_loss=alike)
    site = rendered(experiment, tables, small[1], report)
    text = words(site["index.html"])
    assert "8 cells tie for the best of the tuning runs, at a validation loss of 1.42 × 10⁻¹⁴ or less;" in text
    ranks = [row[4] for row in site["cells.html"].rows if row[0] == "linear"]
    assert ranks == ["1"] * 8 + ["9"] * 4


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
    assert list(findings.mark_same_cells(levels)["same_as"]) == [None, None, {"factor": "optimizer", "level": "sgd"}]


def test_findings_speak_of_the_reproductions(small, index):
    table = pd.read_parquet(small[1] / "tables" / "reproductions.parquet")
    loss, prediction = (templates.number(value, digits) for value, digits in zip(table["median"], (3, 5), strict=True))
    text = " ".join(index.text.split())
    assert f"snippet_1 (n = 7) ends at a median train loss of {loss} and predicts {prediction} at x = 10" in text
    assert "where the true value is 19.000." in text
    assert "#reproductions" in {attributes["href"] for attributes in index.all("a")}


def test_methods_say_how_long_a_schedule_is(site):
    text = words(site["methods.html"])
    assert "cosine: CosineDecay, decay_steps=100 %" in text
    assert "the same for every batch size: cosine decay_steps 100 %." in text


def test_the_data_page_says_what_every_column_means(small, site):
    dictionary = pd.read_csv(small[1] / "tables" / "dictionary.csv", keep_default_na=False)
    rows = {tuple(row) for row in site["data.html"].rows}
    shown = dictionary[dictionary["table"].isin(TABLES)]
    names = [f"{row.column}{' in ' if row.unit else ''}{row.unit}" for row in shown.itertuples()]
    assert set(zip(names, shown["meaning"], strict=True)) <= rows


@pytest.fixture
def experiments(report, wide_report, tmp_path):
    """A folder with two reports in it and a third experiment that has none yet."""
    for name, made in (("small", report), ("wide", wide_report)):
        shutil.copytree(made, tmp_path / name / "report")
    (tmp_path / "unfinished" / "runs").mkdir(parents=True)
    overview.write(tmp_path)
    return tmp_path


def test_the_overview_leads_to_every_report_and_counts_its_runs(experiments, small, wide):
    page = Page((experiments / "index.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert not page.all("script")
    links = [one["href"] for tag in ("a", "link") for one in page.all(tag)]
    assert {"small/report/index.html", "wide/report/index.html"} <= set(links)
    assert all(link[1:] in page.ids if link.startswith("#") else (experiments / link).is_file() for link in links)
    assert synthetic.HOSTILE in page.text
    for row, (_, results) in zip(page.rows[1:], (small, wide), strict=True):
        runs = pd.concat(pd.read_parquet(path) for path in (results / "runs").rglob("runs.parquet"))
        assert row[0].endswith(results.name)
        assert row[4] == f"{len(runs):,}"
        assert f"{(runs['outcome'] == 'diverged').sum():,} diverged" in row[5]


def test_the_overview_names_and_leaves_out_a_report_whose_summary_is_damaged(experiments, capsys):
    (experiments / "small/report/summary.json").write_text("")
    overview.write(experiments)
    page = Page((experiments / "index.html").read_text(encoding="utf-8"))
    links = {one["href"] for one in page.all("a")}
    assert "wide/report/index.html" in links and "small/report/index.html" not in links
    assert "small/report/summary.json is damaged" in capsys.readouterr().err


def test_the_overview_depends_on_the_reports_alone(experiments):
    before = (experiments / "index.html").read_bytes()
    command = [sys.executable, "-m", "thalweg.reporting.html.overview", "--results", experiments]
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run(command, check=True, env=elsewhere)
    assert (experiments / "index.html").read_bytes() == before
    shutil.rmtree(experiments / "wide")
    overview.write(experiments)
    assert b"wide" not in (experiments / "index.html").read_bytes()


def test_the_first_page_says_how_the_results_stand_to_what_was_published(index, wide_site, small, tmp_path):
    runs = len(pd.read_parquet(small[1] / "tables" / "runs.parquet"))
    assert f"Published, and the same bit for bit: {runs} of {runs} runs are those of" in words(index)
    assert "Not published. snakemake --cores 1 publish --config experiment=wide" in words(wide_site["index.html"])
