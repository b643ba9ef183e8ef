"""Figures of what follows from the runs: claims, heat maps, improvements, ranks, factors."""

import itertools
import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import seaborn as sns
import synthetic
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy import stats
from test_style import contrast

from thalweg import templates
from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.loading import load
from thalweg.reporting import palette, style
from thalweg.reporting.drawing import matrix
from thalweg.reporting.drawing.output import describe, write
from thalweg.reporting.figures import BY_NAME, figures_of, ranks
from thalweg.reporting.html import pages

CLAIMS = """
claims:
  adam_is_lower:
    says: Adam ends lower than SGD
    compare: {optimizer: adam, with: sgd, problem: linear, schedule: constant, batch_size: 6}
    measure: final train loss
    expect: lower
    smallest_effect: 1 %
  doomed_is_lower:
    says: what diverges ends lower
    compare: {optimizer: doomed, with: sgd, schedule: constant}
    measure: final train loss
    expect: lower
  doomed_is_lower_in_either_way:
    says: the other way round
    compare: {optimizer: sgd, with: doomed, schedule: constant}
    measure: final train loss
    expect: lower
  accuracy_is_higher:
    says: the accuracy is higher
    compare: {schedule: cosine, with: constant, problem: digits_cnn, optimizer: adam}
    measure: final test accuracy
    expect: higher
    smallest_effect: 0.1 points
  rates_matter:
    says: rates matter
    of: {factor: learning_rate}
    measure: share of variance with interactions
    expect: at least 10 %
  predicts_19:
    says: it predicts 19
    of: {reproduction: snippet_1}
    measure: prediction at x = 10
    expect: within 0.5 of 19
  predicts_much:
    says: it predicts 18 or more
    of: {reproduction: snippet_1}
    measure: prediction at x = 10
    expect: at least 18
  noise_is_higher:
    says: nobody recorded it
    compare: {batch_size: 1, with: 6, problem: linear}
    measure: gradient noise
    expect: higher
"""


@pytest.fixture(scope="module")
def claimed(tmp_path_factory):
    """The small experiment with claims of every unit, and its results with tables."""
    file, results = synthetic.write_experiment(tmp_path_factory.mktemp("claimed"), "claimed", synthetic.SMALL + CLAIMS)
    experiment = load(file)
    tables.write(tables.build(experiment, results), results / "tables")
    return experiment, results


@pytest.fixture(scope="module")
def forest(claimed):
    with style.applied():
        return BY_NAME["claims"].draw(claimed[1] / "tables", claimed[0], None)


def final_losses(results, split, **cell):
    """The final loss of each evaluation run of a cell, by seed, from what training left; infinite where it diverged."""
    folder = results / "runs" / "evaluation" / cell["problem"] / cell["optimizer"]
    runs, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    there = (runs["schedule"] == cell["schedule"]) & (runs["batch_size"] == cell["batch_size"])
    runs = runs[there & (runs["stage"] == "evaluation")].set_index("seed").sort_index()
    last = histories.sort_values("step").groupby("run")[f"{split}_loss"].last()
    return runs["run"].map(last).where(runs["diverged_at"].isna(), math.inf).astype(float)


def best_cell(results, problem, optimizer):
    cells = pd.read_parquet(results / "tables" / "cells.parquet")
    cells = cells[(cells["problem"] == problem) & (cells["optimizer"] == optimizer)]
    return cells.sort_values("tuning_validation_loss", kind="stable").iloc[0]


def painted(axis):
    """The cells of a matrix by their place: the colour, the text and its colour, whether framed, whether hatched."""
    rows = {}
    for patch in axis.patches:
        x, y = (round(start + side / 2) for start, side in zip(patch.get_xy(), (patch.get_width(), 0), strict=True))
        y = round(patch.get_y() + patch.get_height() - 0.5)
        cell = rows.setdefault((x, y), {"frame": False, "hatch": 0.0, "colour": None})
        if patch.get_hatch():
            cell["hatch"] = patch.get_height()
        elif patch.get_fill():
            cell["colour"] = to_hex(patch.get_facecolor())
        else:
            cell["frame"] = True
    for text in axis.texts:
        x, y = (round(place) for place in text.get_position())
        rows.setdefault((x, y), {"frame": False, "hatch": 0.0, "colour": None})["text"] = text
    return rows


def names(axis):
    return [
        [label.get_text().replace("\n", "") for label in labels]
        for labels in (axis.get_xticklabels(), axis.get_yticklabels())
    ]


def test_a_figure_is_there_where_it_has_something_to_show(experiment, claimed):
    def figures(change, of=None):
        return figures_of(experiment.model_copy(update=change), of)

    first = dict(itertools.islice(experiment.optimizers.items(), 1))
    two = dict(itertools.islice(experiment.optimizers.items(), 2))
    linear = {"linear": experiment.problems["linear"]}
    one_size = experiment.problems["linear"].model_copy(update={"batch_sizes": (6,)})
    assert figures({}) == ("improvements", "ranks", "profile", "factors")
    assert figures({"optimizers": two}) == ("improvements", "profile", "factors")
    assert figures({"problems": linear}) == ("profile", "factors")
    plain = {"optimizers": first, "schedules": {"constant": experiment.schedules["constant"]}}
    assert figures({**plain, "problems": linear}) == ("factors",), "the rate and the batch size"
    assert figures({**plain, "problems": {"linear": one_size}}) == ()
    assert not {"heat_map", "improvements"} & set(figures(plain, "linear"))
    assert "heat_map" in figures({"optimizers": first}, "linear")
    assert figures_of(claimed[0], None)[0] == "claims"
    assert figures({"claims": {"predicts_much": claimed[0].claims["predicts_much"]}}) == figures({})


def test_a_forest_plot_shows_each_effect_where_the_runs_put_it(claimed, forest):
    """The ratio of raw final losses at the same seed, its median and the order statistics around it."""
    results, axis = claimed[1], forest.figure.axes[0]
    cell = {"problem": "linear", "schedule": "constant", "batch_size": 6}
    ratios = final_losses(results, "train", optimizer="adam", **cell) / final_losses(
        results, "train", optimizer="sgd", **cell
    )
    assert len(ratios) == 7
    assert axis.get_xscale() == "log"
    interval, mark = [line for line in axis.get_lines() if set(line.get_ydata()) == {0} and len(line.get_xdata()) < 3][
        :2
    ]
    assert list(mark.get_xdata()) == pytest.approx([ratios.median()])
    assert list(interval.get_xdata()) == pytest.approx([ratios.min(), ratios.max()]), "of 7 seeds the extremes"


def test_what_is_claimed_is_shaded_and_verdicts_differ_in_shape(claimed, forest):
    """Two comparisons and the share are of both problems, which have a row each beneath."""
    table = pd.read_csv(claimed[1] / "tables" / "claims.csv").set_index("claim")
    ratio, difference, share, value = forest.figure.axes
    assert [len(axis.get_yticks()) for axis in forest.figure.axes] == [8, 1, 3, 1]
    low, high = ratio.get_xlim()
    ends = [
        end
        for area in ratio.collections
        for end in (area.get_datalim(ratio.transData).x0, area.get_datalim(ratio.transData).x1)
    ]
    assert ends == pytest.approx([low, 0.99, *[low, 1] * 6, 1, high])
    for axis, wanted in ((difference, (0.1, difference.get_xlim()[1])), (share, (10, 102)), (value, (-1, 1))):
        for area in axis.collections:
            assert (area.get_datalim(axis.transData).x0, area.get_datalim(axis.transData).x1) == pytest.approx(wanted)
    assert names(share)[1] == ["rates_matter", "linear", "digits_cnn"]
    shapes = {"holds": "o", "fails": "X", "undecided": "D"}
    for axis, rows in zip(
        forest.figure.axes,
        (
            table[table["unit"] == "ratio"],
            table.loc[["accuracy_is_higher"]],
            table.loc[["rates_matter"]],
            table.loc[["predicts_19"]],
        ),
        strict=True,
    ):
        beside = [
            line for line in axis.get_lines() if not line.get_transform().contains_branch_seperately(axis.transData)[0]
        ]
        assert [line.get_marker() for line in beside] == [shapes[verdict] for verdict in rows["verdict"]]
        said = [text.get_text() for text in axis.texts]
        assert [text for text in said if text in shapes] == list(rows["verdict"])
        assert [text for text in said if text.startswith("n = ")] == [f"n = {n}" for n in rows["n"]]
    assert set(table["verdict"]) == set(shapes), "all of them, for this test to mean anything"


def test_a_value_is_measured_in_half_widths_of_its_range(claimed, forest):
    folder = claimed[1] / "runs" / "evaluation" / "linear" / "sgd"
    runs, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    runs = runs[runs["reproduction"] == "snippet_1"]
    last = histories.sort_values("step").groupby("run")["probe_0"].last()
    predicted = runs["run"].map(last).astype(float).median()
    low, high = forest.figure.axes[3].get_xlim()
    drawn = next(
        line.get_xdata()[0]
        for line in forest.figure.axes[3].get_lines()
        if len(line.get_xdata()) == 1 and low <= line.get_xdata()[0] <= high and line.get_marker() in "oXD"
    )
    assert drawn == pytest.approx((predicted - 19) / 0.5, rel=1e-5)


def test_a_page_with_claims_has_each_id_once_and_shows_the_plot(claimed):
    experiment, results = claimed
    with style.applied():
        for problem in (None, *experiment.problems):
            for name in figures_of(experiment, problem):
                drawing = BY_NAME[name].draw(results / "tables", experiment, problem)
                write(name, problem, drawing, results / "report" / "figures")
    pages.write(experiment, results, results / "report")
    index = (results / "report" / "index.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', index)
    assert len(ids) == len(set(ids))
    assert index.count('src="figures/claims.svg"') == 1
    assert "1 value with a bound on one side only stands in the table alone." in index


@pytest.fixture(scope="module")
def without_intervals(claimed, tmp_path_factory):
    """The same, where no claim has an interval."""
    folder = tmp_path_factory.mktemp("without")
    pd.read_parquet(claimed[1] / "tables" / "claims.parquet").assign(
        lower=math.nan, upper=math.nan, reason="too few seeds"
    ).to_parquet(folder / "claims.parquet")
    with style.applied():
        return BY_NAME["claims"].draw(folder, claimed[0], None)


@pytest.mark.parametrize("name", ["forest", "without_intervals"])
def test_an_infinite_effect_is_an_arrow_with_its_number(request, name):
    ratio = request.getfixturevalue(name).figure.axes[0]
    low, high = ratio.get_xlim()
    arrows = [
        (line.get_marker(), line.get_xdata()[0], line.get_ydata()[0])
        for line in ratio.get_lines()
        if line.get_marker() in ("<", ">")
    ]
    assert arrows == [(">", high, 2), (">", high, 3), ("<", low, 5), ("<", low, 6)], "of each problem"
    over = {tuple(text.xy): text.get_text() for text in ratio.texts}
    assert (over[high, 2], over[low, 5]) == ("∞", "0")


def test_the_legend_has_an_interval_where_a_claim_has_one(forest, without_intervals):
    for drawing, there in ((forest, True), (without_intervals, False)):
        legend = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
        assert ("95 % interval" in legend) == drawing.facts["interval"] == there
    assert (forest.facts["few"], without_intervals.facts["few"]) == (False, True)


def test_the_words_about_claims_count_them(claimed, forest):
    table = pd.read_csv(claimed[1] / "tables" / "claims.csv")
    assert len(forest.data) == len(table) - 1
    with style.applied():
        alt = describe("claims", None, forest)["alt"]
    assert "Forest plot of 7 claims" in alt
    shown = table[(table["claim"] != "predicts_much") & table["problem"].isna()]
    for verdict, words in (("holds", "hold"), ("fails", "fail")):
        of_verdict = list(shown.loc[shown["verdict"] == verdict, "claim"])
        assert f"{len(of_verdict)} {words if len(of_verdict) > 1 else verdict} ({', '.join(of_verdict)})" in alt
    assert "3 claims about several problems have a row for each of them beneath" in alt
    assert "4 intervals go beyond the axis." in alt
    assert forest.facts["left_out"] == 1


@pytest.mark.parametrize("name", ["crest", "vlag_r"])
def test_text_stands_out_from_every_colour_of_a_cell_and_no_page_changes_either(name):
    for colour in map(to_hex, sns.color_palette(name, 256)):
        ink = matrix.text_colour(colour)
        assert contrast(ink, colour) >= 4.5
        assert not {ink, colour} & palette.DARK.keys()


@pytest.mark.parametrize("problem", ["linear", "digits_cnn"])
def test_a_heat_map_holds_the_losses_of_the_runs(small, drawings, problem):
    figure, cells = drawings["heat_map", problem].figure, 0
    lowest = drawings["heat_map", problem].data["final_test_loss"].min()
    scale = figure.axes[-1]
    for axis in figure.axes[:-1]:
        batch_size = int(axis.get_title().removeprefix("batch size "))
        schedules, optimizers = names(axis)[0], names(figure.axes[0])[1]
        for (x, y), cell in painted(axis).items():
            losses = final_losses(
                small[1], "test", problem=problem, optimizer=optimizers[y], schedule=schedules[x], batch_size=batch_size
            )
            mean, lost = stats.trim_mean(losses, 0.25), int(np.isinf(losses).sum())
            said = cell["text"].get_text().replace("\n×", " ×").split("\n")
            assert said[0] == templates.number(mean)
            assert said[1:] == ([f"{lost} of 7"] if lost else [])
            assert (cell["hatch"] > 0) == (lost > 0)
            assert (cell["colour"] is None) == np.isinf(mean)
            if cell["colour"]:
                share = math.log(mean / lowest) / math.log(scale.get_ylim()[1])
                wanted = sns.color_palette("crest", as_cmap=True)(share)
                assert cell["colour"] == to_hex(wanted)
                assert contrast(to_hex(cell["text"].get_color()), cell["colour"]) >= 4.5
            cells += 1
    assert cells == len(drawings["heat_map", problem].data)


def test_the_framed_cell_is_the_one_that_tuning_chose(small, drawings):
    cells = pd.read_parquet(small[1] / "tables" / "cells.parquet")
    best = cells[cells["problem"] == "linear"].sort_values("tuning_validation_loss", kind="stable").iloc[0]
    framed = []
    figure = drawings["heat_map", "linear"].figure
    for axis in figure.axes[:-1]:
        schedules, optimizers = names(axis)[0], names(figure.axes[0])[1]
        framed += [
            (optimizers[y], schedules[x], axis.get_title()) for (x, y), cell in painted(axis).items() if cell["frame"]
        ]
    assert framed == [(best["optimizer"], best["schedule"], f"batch size {best['batch_size']}")]


def test_twelve_optimizers_by_six_schedules_have_room(experiment, tmp_path):
    """Every number lies within its cell, also the longest ones."""
    optimizers = {f"optimizer_with_a_long_name_{k}": experiment.optimizers["sgd"] for k in range(12)}
    schedules = {f"schedule_number_{k}": experiment.schedules["constant"] for k in range(6)}
    problem = experiment.problems["linear"].model_copy(update={"batch_sizes": (1, 2, 4)})
    big = experiment.model_copy(
        update={"optimizers": optimizers, "schedules": schedules, "problems": {"linear": problem}}
    )
    cells = pd.DataFrame(
        itertools.product(optimizers, schedules, problem.batch_sizes), columns=["optimizer", "schedule", "batch_size"]
    )
    losses = {
        f"final_test_loss{end}": 1.23e-13 * 10 ** (np.arange(len(cells)) % 11) for end in ("", "_lower", "_upper")
    }
    cells = cells.assign(
        problem="linear",
        learning_rate=0.1,
        hyperparameters="{}",
        n=10,
        diverged=np.arange(len(cells)) % 3,
        out_of_time=0,
        tuning_validation_loss=1.0,
        **losses,
    )
    cells.to_parquet(tmp_path / "cells.parquet")
    columns = ["problem", "factor", "level", "optimizer", "schedule", "batch_size", "learning_rate", "verdict"]
    pd.DataFrame([["linear", "optimizer", "a", *cells.iloc[0, :3], 0.1, "reference"]], columns=columns).to_parquet(
        tmp_path / "comparisons.parquet"
    )
    with style.applied():
        figure = BY_NAME["heat_map"].draw(tmp_path, big, "linear").figure
        figure.draw_without_rendering()
        assert len(figure.axes) == 4
        for axis in figure.axes[:3]:
            assert len(painted(axis)) == 72
            for text in axis.texts:
                x, y = (round(place) for place in text.get_position())
                cell, box = axis.transData.transform([(x - 0.5, y + 0.5), (x + 0.5, y - 0.5)]), text.get_window_extent()
                assert cell[0, 0] <= box.x0 < box.x1 <= cell[1, 0], text.get_text()
                assert cell[0, 1] <= box.y0 < box.y1 <= cell[1, 1], text.get_text()


@pytest.mark.parametrize("problem", ["linear", "digits_cnn"])
def test_improvements_are_how_often_raw_runs_end_lower(small, drawings, problem):
    drawing = drawings["improvements", problem]
    axis = drawing.figure.axes[0]
    second, first = names(axis)
    assert first == second == ["sgd", "adam", "doomed"]
    ends = []
    for optimizer in first:
        cell = best_cell(small[1], problem, optimizer)
        ends.append(final_losses(small[1], "test", **cell[["problem", "optimizer", "schedule", "batch_size"]]))
    drawn = painted(axis)
    assert set(drawn) == {(x, y) for x in range(3) for y in range(3) if x != y}
    p = {}
    for (x, y), cell in drawn.items():
        wins, ties = (ends[y] < ends[x]).sum(), (ends[y] == ends[x]).sum()
        share = (wins + ties / 2) / 7
        assert cell["text"].get_text().split("\n")[0] == f"{100 * share:.0f}"
        assert cell["colour"] == to_hex(sns.color_palette("vlag_r", as_cmap=True)(share))
        if float(share * 7).is_integer():
            exact = stats.binomtest(round(share * 7), 7).proportion_ci(0.95, "exact")
            assert cell["text"].get_text().split("\n")[1] == f"[{100 * exact.low:.0f}, {100 * exact.high:.0f}]"
        p[x, y] = stats.binomtest(int(wins), int(7 - ties)).pvalue if ties < 7 else 1.0
    pairs = sorted(pair for pair in p if pair[0] > pair[1])
    adjusted = holm([p[pair] for pair in pairs])
    framed = {pair for pair, one in zip(pairs, adjusted, strict=True) if one <= 0.05}
    assert {place for place, cell in drawn.items() if cell["frame"]} == framed | {pair[::-1] for pair in framed}
    assert framed, "one pair at least, for this test to mean anything"
    assert drawing.facts["decided"] == len(framed)


def holm(p):
    """Holm's adjustment, step by step as he has it."""
    order, highest, adjusted = np.argsort(p), 0.0, [0.0] * len(p)
    for place, k in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[k]))
        adjusted[k] = highest
    return adjusted


def test_improvements_over_all_problems_are_the_mean_of_theirs(drawings):
    over_all = drawings["improvements", None].data.set_index(["first", "second"])["probability"]
    of_problems = [
        drawings["improvements", problem].data.set_index(["first", "second"])["probability"]
        for problem in ("linear", "digits_cnn")
    ]
    assert over_all.to_dict() == pytest.approx((sum(of_problems) / 2).to_dict())
    axis = drawings["improvements", None].figure.axes[0]
    cells = painted(axis)
    assert cells[1, 0]["text"].get_text().startswith(f"{100 * over_all['sgd', 'adam']:.0f}\n")


def test_bars_join_what_demsar_joins():
    """Demšar 2006, figure 1: four variants of C4.5 on 14 data sets, at 10 %, and with the difference at 5 %."""
    means = [1.964, 2.0, 2.893, 3.143]
    assert ranks.find_groups(means, 2.291 * math.sqrt(4 * 5 / (6 * 14))) == [(0, 2), (2, 3)]
    assert ranks.find_groups(means, 2.569 * math.sqrt(4 * 5 / (6 * 14))) == [(0, 3)]
    assert ranks.find_groups(means, 0.01) == []
    assert ranks.find_groups(means, math.nan) == ranks.find_groups([], 1.0) == []


def test_bars_are_all_stretches_that_no_other_holds():
    drawn = np.random.default_rng(5)
    for _ in range(50):
        means = sorted(drawn.integers(2, 17, size=8) / 2)
        within = {(i, j) for i, j in itertools.combinations(range(8), 2) if means[j] - means[i] <= 2.5}
        longest = [one for one in sorted(within) if not any(a <= one[0] and one[1] <= b for a, b in within - {one})]
        assert ranks.find_groups(means, 2.5) == longest


def test_the_diagram_of_ranks_has_each_optimizer_at_its_mean(small, drawings):
    """Ranks of trimmed means of raw runs; three optimizers on two problems differ by 3.31 / √2 × √(12 / 12)."""
    drawing, found = drawings["ranks", None], {}
    for problem in ("linear", "digits_cnn"):
        losses = []
        for optimizer in ("sgd", "adam", "doomed"):
            cell = best_cell(small[1], problem, optimizer)
            raw = final_losses(small[1], "test", **cell[["problem", "optimizer", "schedule", "batch_size"]])
            losses.append(stats.trim_mean(raw, 0.25))
        for optimizer, rank in zip(("sgd", "adam", "doomed"), stats.rankdata(losses), strict=True):
            found[optimizer] = found.get(optimizer, 0) + rank / 2
    axis = drawing.figure.axes[0]
    said = [text.get_text() for text in axis.texts]
    for optimizer, rank in found.items():
        assert f"{optimizer}  {rank:.2f}" in said
    starts = {line.get_color(): line.get_xdata()[0] for line in axis.get_lines() if len(line.get_xdata()) == 3}
    assert starts == {palette.line_styles(found)[name].colour: rank for name, rank in found.items()}
    difference = stats.studentized_range.ppf(0.95, 3, np.inf) / math.sqrt(2)
    (ruler,) = [line for line in axis.get_lines() if line.get_marker() == "|"]
    assert np.ptp(ruler.get_xdata()) == pytest.approx(difference)
    with style.applied():
        alt = describe("ranks", None, drawing)["alt"]
    assert f"The critical difference is {templates.number(difference)}; a bar joins" in alt
    assert drawing.facts["few"] == ["problems", "optimizers"]


def test_shares_of_the_variance_are_drawn_where_the_table_has_them(small, drawings):
    table = pd.read_csv(small[1] / "tables" / "factors.csv")
    assert table.groupby("problem")["share"].sum().to_dict() == pytest.approx({"linear": 1, "digits_cnn": 1})
    terms = ["optimizer", "learning_rate", "schedule", "batch_size", "seed"]
    for axis in drawings["factors", None].figure.axes:
        rows = table[table["problem"] == axis.get_title()].set_index("term")
        points: dict[str, dict[int, Line2D]] = {"o": {}, "D": {}}
        for line in axis.get_lines():
            if line.get_marker() in points:
                points[line.get_marker()][line.get_ydata()[0]] = line.get_xdata()[0]
        there = [term for term in terms if term in rows.index]
        assert points["o"] == pytest.approx({terms.index(term): 100 * rows.loc[term, "share"] for term in there})
        for term in there[:-1]:
            inside = [one for one in rows.index if term in one.split(":")]
            assert points["D"][terms.index(term)] == pytest.approx(100 * rows.loc[inside, "share"].sum())
        missing = [text.get_text() for text in axis.texts]
        assert missing == ["one level"] * (5 - len(there))


@pytest.mark.parametrize("name", ["claims", "improvements", "ranks", "factors", "heat_map"])
def test_tables_without_a_row_still_make_a_figure(claimed, tmp_path, name):
    shutil.copytree(claimed[1] / "tables", tmp_path, dirs_exist_ok=True)
    for file in tmp_path.glob("*.parquet"):
        pd.read_parquet(file).iloc[:0].to_parquet(file)
    for problem in [None, "linear"]:
        if name in figures_of(claimed[0], problem):
            with style.applied():
                drawing = BY_NAME[name].draw(tmp_path, claimed[0], problem)
                described = describe(name, problem, drawing)
            json.dumps(described, allow_nan=False)
            assert drawing.table.empty
            assert not any(
                isinstance(patch, Rectangle) and patch.get_fill() for patch in drawing.figure.axes[0].patches
            )
            assert "nan" not in described["alt"]


def test_a_long_name_is_broken_after_underscores():
    name = "a_very_long_name_of_an_optimizer"
    assert matrix.wrap_name(name, 12).split("\n") == ["a_very_long_", "name_of_an_", "optimizer"]
    assert matrix.wrap_name("abcdefghij", 4) == "abcd\nefgh\nij"
    assert matrix.wrap_name("sgd", 10) == "sgd"
