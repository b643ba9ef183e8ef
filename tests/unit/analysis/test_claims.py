"""Verdicts: the logic, its error rate, and claims on made-up results."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
import synthetic

from thalweg import templates
from thalweg.analysis import histories
from thalweg.analysis.claims import pairing
from thalweg.analysis.claims import table as claims_table
from thalweg.analysis.claims.effects import find_effect, measure_runs
from thalweg.analysis.claims.finding import Finding
from thalweg.analysis.claims.runs import Results, gather_run_data
from thalweg.analysis.claims.verdicts import Region, find_region, judge
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import __main__ as tables
from thalweg.experiment.claims import Claim, read_comparison
from thalweg.experiment.loading import load
from thalweg.experiment.measures import read_measure
from thalweg.experiment.measures.rate_falls import bound_falls
from thalweg.reporting.html import pages

CLAIMS = """
claims:
  adam_beats_doom:
    says: 'Adam <i>is</i> better'
    compare: {optimizer: adam, with: doomed, problem: linear, schedule: cosine, batch_size: 6}
    measure: final test loss
    expect: lower
    smallest_effect: 1 %
  doom_equals_doom:
    says: two hopeless schedules are the same
    compare: {schedule: cosine, with: constant, optimizer: doomed, problem: linear}
    measure: final test loss
    expect: same
    smallest_effect: 1 %
  never_there:
    says: Adam is sooner where nobody comes
    compare: {optimizer: adam, with: sgd, problem: linear}
    measure: steps to train loss <= 1e-30
    expect: lower
  cosine_is_lower:
    says: cosine ends lower
    compare: {schedule: cosine, with: constant, optimizer: adam}
    measure: final train loss
    expect: lower
  fixed_rate:
    says: at one rate on tuning seeds alone
    compare: {optimizer: adam, with: sgd, problem: linear, schedule: constant, batch_size: 1, learning_rate: 1e-2}
    measure: final train loss
    expect: lower
  small_updates_more:
    says: a small batch makes more updates
    compare: {batch_size: 1, with: 6, problem: linear}
    measure: steps an epoch
    expect: higher
  accurate:
    says: Adam is more accurate
    compare: {optimizer: adam, with: doomed, problem: digits_cnn}
    measure: final test accuracy
    expect: higher
    smallest_effect: 1 point
  noise:
    says: small batches are noisy
    compare: {batch_size: 1, with: 6, problem: linear}
    measure: gradient noise
    expect: higher
  near_19:
    says: the prediction is 19
    of: {reproduction: snippet_1}
    measure: prediction at x = 10
    expect: within 1000 of 19
  elsewhere:
    says: nobody asked there
    of: {reproduction: snippet_1}
    measure: prediction at x = 11
    expect: within 1 of 21
  falls:
    says: the rate falls every epoch
    of: {reproduction: snippet_1}
    measure: share of epochs with a lower learning rate
    expect: at least 100 %
  rate_matters:
    says: the rate matters
    of: {factor: learning_rate, problem: linear}
    measure: share of variance with interactions
    expect: at least 1 %
"""
NAN, INF = math.nan, math.inf


def comparing(expect, effect="1 %", measure="final train loss"):
    given = {"says": "s", "compare": {"optimizer": "a", "with": "b"}, "measure": measure, "expect": expect}
    return Claim.model_validate({**given, "smallest_effect": effect})


@pytest.mark.parametrize(
    ("expect", "interval", "verdict"),
    [
        ("lower", (0.5, 0.9), ("holds", "beyond")),
        ("lower", (0.0, 0.5), ("holds", "beyond")),
        ("lower", (0.5, 0.99), ("undecided", "interval too wide")),
        ("lower", (0.5, 1.5), ("undecided", "interval too wide")),
        ("lower", (0.992, 0.998), ("fails", "smaller")),
        ("lower", (0.995, 1.005), ("fails", "equivalent")),
        ("lower", (1.0, 1.0), ("fails", "equivalent")),
        ("lower", (0.995, 1.4), ("fails", "short")),
        ("lower", (1.2, 1.4), ("fails", "opposite")),
        ("lower", (1.2, INF), ("fails", "opposite")),
        ("lower", (0.5, INF), ("undecided", "interval too wide")),
        ("lower", (NAN, NAN), ("undecided", "too few seeds")),
        ("higher", (1.2, INF), ("holds", "beyond")),
        ("higher", (INF, INF), ("holds", "beyond")),
        ("higher", (1.0, 1.2), ("undecided", "interval too wide")),
        ("higher", (1.002, 1.008), ("fails", "smaller")),
        ("higher", (0.8, 1.0), ("fails", "short")),
        ("higher", (0.8, 0.9), ("fails", "opposite")),
        ("same", (0.995, 1.005), ("holds", "beyond")),
        ("same", (0.995, 1.5), ("undecided", "interval too wide")),
        ("same", (1.01, 1.5), ("fails", "different")),
    ],
)
def test_the_verdict_on_a_ratio(expect, interval, verdict):
    found = Finding(1.0, *interval, n=10)
    assert judge(found, find_region(comparing(expect))) == verdict


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.02, 0.05), "holds"),
        ((INF, INF), "holds"),
        ((0.0, 0.05), "undecided"),
        ((-0.05, 0.005), "fails"),
        ((-INF, -INF), "fails"),
    ],
)
def test_the_verdict_on_a_difference_of_accuracies(interval, verdict):
    region = find_region(comparing("higher", "1 point", "final test accuracy"))
    assert judge(Finding(0.0, *interval), region)[0] == verdict


@pytest.mark.parametrize(
    ("expect", "interval", "verdict"),
    [
        ("within 0.1 of 19", (18.95, 19.1), ("holds", "in range")),
        ("within 0.1 of 19", (18.95, 19.2), ("undecided", "interval too wide")),
        ("within 0.1 of 19", (19.2, INF), ("fails", "out of range")),
        ("at least 2", (2.0, 3.0), ("holds", "in range")),
        ("at most 2", (0.0, 2.0), ("holds", "in range")),
        ("at most 2", (2.1, 3.0), ("fails", "out of range")),
    ],
)
def test_the_verdict_on_a_measure(expect, interval, verdict):
    given = {"says": "s", "of": {"reproduction": "r"}, "measure": "prediction at x = 10", "expect": expect}
    region = find_region(Claim.model_validate(given))
    assert judge(Finding(1.0, *interval), region) == verdict


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.6, 0.8), ("holds", "in range")),
        ((0.3, 0.5), ("fails", "out of range")),
        ((0.55, 0.75), ("undecided", "interval too wide")),
        ((0.9, INF), ("fails", "out of range")),
    ],
)
def test_the_verdict_on_a_ratio_that_is_close_to_a_number(interval, verdict):
    region = find_region(comparing("within 10 of 70 %", None))
    assert judge(Finding(1.0, *interval), region) == verdict


@pytest.mark.parametrize("expect", ["lower", "higher"])
@pytest.mark.parametrize("spread", [0.01, 0.3, 2.0])
def test_false_verdicts_are_rare(expect, spread):
    """2,000 samples of 10 seeds each whose true effect is the smallest that counts: neither verdict is then true."""
    region = find_region(comparing(expect, "5 %"))
    truth = 0.95 if expect == "lower" else 1.05
    ratios = truth * np.exp(spread * np.random.default_rng(7).standard_t(3, size=(2_000, 10)))
    verdicts = [judge(Finding(1.0, *intervals.median_interval(one)), region)[0] for one in ratios]
    assert verdicts.count("holds") <= 0.05 * len(verdicts)
    assert verdicts.count("fails") <= 0.05 * len(verdicts)


def test_false_sameness_is_rare():
    region = find_region(comparing("same", "5 %"))
    ratios = 1.05 * np.exp(0.01 * np.random.default_rng(8).normal(size=(2_000, 10)))
    verdicts = [judge(Finding(1.0, *intervals.median_interval(one)), region)[0] for one in ratios]
    assert verdicts.count("holds") <= 0.05 * len(verdicts)


def test_a_clear_effect_is_found():
    region = find_region(comparing("lower"))
    ratios = 0.8 * np.exp(0.05 * np.random.default_rng(9).normal(size=(500, 10)))
    verdicts = [judge(Finding(1.0, *intervals.median_interval(one)), region)[0] for one in ratios]
    assert verdicts.count("holds") == 500


def test_pairs_of_lost_runs_are_equal_and_one_lost_run_is_worse():
    lost = np.array([INF, INF, 1.0, 2.0])
    other = np.array([INF, 1.0, INF, 1.0])
    assert pairing.ratios(lost, other).tolist() == [1.0, INF, 0.0, 2.0]
    assert pairing.differences(-lost, -other).tolist() == [0.0, -INF, INF, -1.0]


SOON = {
    "says": "sooner",
    "compare": {"optimizer": "adam", "with": "sgd", "problem": "linear", "schedule": "constant", "batch_size": 1},
    "measure": "steps to train loss <= 1",
    "expect": "lower",
}


@pytest.mark.parametrize(
    ("never", "effect", "ends", "reason"),
    [
        (0, 0.2, (0.2, 0.2), "beyond"),
        # Of nine seeds the interval has the second lowest and the second highest for its ends, whatever is not known.
        (1, 0.2, (0.2, 0.2), "beyond"),
        (2, 0.2, (0.0, INF), "interval too wide"),
        (5, math.nan, (0.0, INF), "not reached"),
        (9, math.nan, (0.0, INF), "not reached"),
    ],
)
def test_two_times_that_are_known_to_be_long_have_no_ratio(experiment, never, effect, ends, reason):
    seeds = range(9)
    rows = [(name, seed, f"{name}{seed}") for name in ("adam", "sgd") for seed in seeds]
    runs = pd.DataFrame(rows, columns=["optimizer", "seed", "run"]).assign(problem="linear", schedule="constant")
    runs = runs.assign(batch_size=1, outcome="finished", steps_per_epoch=6)
    first = {"adam": 1, "sgd": 5}
    recorded = pd.DataFrame(
        [
            {"run": run, "step": step, "train_loss": 0.5 if seed >= never and step >= first[name] else 2.0}
            for name, seed, run in rows
            for step in range(6)
        ]
    )
    found = find_effect(experiment, Claim.model_validate(SOON), Results(runs, runs, recorded, {}))
    row = (found.effect, found.lower, found.upper)
    assert row == pytest.approx((effect, *ends), nan_ok=True)
    assert judge(found, Region(-INF, 1, False, 1.0))[1] == reason


@pytest.mark.parametrize(
    ("steps", "rates", "bounds"),
    [
        # Ten epochs of four steps. The rate is seen at every epoch's beginning, and falls every time, or never.
        (range(0, 40, 4), np.linspace(1, 0.1, 10), (1.0, 1.0)),
        (range(0, 40, 4), np.ones(10), (0.0, 0.0)),
        # Only both ends are seen: it falls once at least.
        ([0, 36], [1.0, 0.5], (1 / 9, 1.0)),
        # It may fall within the last epoch alone, which is at no change of epoch.
        ([0, 39], [1.0, 0.5], (0.0, 1.0)),
        # It stays from epoch 0 to 5, and falls somewhere after.
        ([0, 20, 36], [1.0, 1.0, 0.5], (1 / 9, 4 / 9)),
        # It stays within an epoch, which tells nothing.
        ([1, 3, 36], [1.0, 1.0, 0.5], (1 / 9, 1.0)),
        # It rises.
        ([0, 39], [0.5, 1.0], (0.0, 1.0)),
        # Two falls within one epoch are a single fall from its beginning to the next one's.
        ([0, 1, 2, 4], [1.0, 0.9, 0.8, 0.7], (1 / 9, 1.0)),
    ],
)
def test_bounds_of_how_often_a_rate_falls(steps, rates, bounds):
    found = bound_falls(np.array(steps), np.array(rates, dtype=float), steps_per_epoch=4, epochs=10)
    assert found == pytest.approx(bounds)


COSINE = Claim.model_validate(
    {
        "says": "s",
        "compare": {"schedule": "cosine", "with": "constant", "optimizer": "adam"},
        "measure": "final train loss",
        "expect": "lower",
        "smallest_effect": "5 %",
    }
)


def over_schedules(cells):
    """Runs of Adam on ten seeds, that end at 1 at a constant rate and under cosine at a ratio of each problem and batch
    size, higher by 0.1 % from seed to seed."""
    runs = pd.DataFrame(
        [
            {"problem": problem, "optimizer": "adam", "schedule": schedule, "batch_size": size, "seed": seed}
            | {"run": f"{problem} {schedule} {size} {seed}", "final_train_loss": loss}
            for (problem, size), ratio in cells.items()
            for seed in range(10)
            for schedule, loss in (("constant", 1.0), ("cosine", ratio * (1 + seed / 1_000)))
        ]
    )
    return Results(runs.iloc[:0], runs, pd.DataFrame(), {})


@pytest.mark.parametrize(
    ("linear", "digits", "verdicts", "reason"),
    [
        (0.5, 0.6, ("holds", "holds", "holds"), "on every problem"),
        (1.5, 2.0, ("fails", "fails", "fails"), "on every problem"),
        (0.5, 2.0, ("undecided", "holds", "fails"), "differs between problems"),
        (0.5, 0.947, ("undecided", "holds", "undecided"), "interval too wide"),
        (2.0, 0.947, ("undecided", "fails", "undecided"), "interval too wide"),
    ],
)
def test_each_problem_is_judged_by_itself(experiment, linear, digits, verdicts, reason):
    """Of ten seeds the 2nd and the 9th hold the median, here 0.1 and 0.8 % above the ratio."""
    results = over_schedules({("linear", 1): linear, ("linear", 6): linear, ("digits_cnn", 512): digits})
    table = claims_table.tabulate(experiment, {"c": COSINE}, lambda claim: find_effect(experiment, claim, results))
    whole, *of_problems = table.to_dict("records")
    assert tuple(table["verdict"]) == verdicts
    assert (whole["reason"], whole["n"], whole["cells"]) == (reason, 10, 3)
    assert pd.isna(whole["problem"]) and math.isnan(whole["effect"]) and math.isnan(whole["lower"])
    for row, problem, ratio, cells in zip(of_problems, ("linear", "digits_cnn"), (linear, digits), (2, 1), strict=True):
        assert (row["problem"], row["cells"], row["declared"]) == (problem, cells, cells)
        ends = (1.0045 * ratio, 1.001 * ratio, 1.008 * ratio)
        assert (row["effect"], row["lower"], row["upper"]) == pytest.approx(ends)
    assert set(whole["runs"].split()) == set(" ".join(row["runs"] for row in of_problems).split())


def test_where_a_pair_of_cells_is_missing_nothing_is_decided(experiment):
    results = over_schedules({("linear", 6): 0.5, ("digits_cnn", 512): 0.5})
    table = claims_table.tabulate(experiment, {"c": COSINE}, lambda claim: find_effect(experiment, claim, results))
    columns = ["verdict", "reason", "cells", "declared"]
    assert [tuple(row) for row in table[columns].to_numpy()] == [
        ("undecided", "missing runs", 2, 3),
        ("undecided", "missing runs", 1, 2),
        ("holds", "beyond", 1, 1),
    ]
    assert table["effect"].iloc[1] == pytest.approx(0.5 * 1.0045), "what is there is shown"


@pytest.mark.parametrize(
    ("compare", "pairs"),
    [
        # Three optimizers, two schedules; batch sizes 1 and 6 of linear, 512 of digits_cnn.
        ({"schedule": "cosine", "with": "constant"}, 9),
        ({"schedule": "cosine", "with": "constant", "optimizer": "adam", "problem": "linear"}, 2),
        ({"batch_size": 1, "with": 6}, 6),
        ({"batch_size": 1, "with": 512}, 0),
        # At a rate: one that both have, one that SGD has not, and one of a reproduction's cell alone.
        ({"optimizer": "doomed", "with": "sgd", "learning_rate": 1.0}, 6),
        ({"optimizer": "doomed", "with": "sgd", "learning_rate": 3.0}, 0),
        ({"learning_rate": 0.1, "with": 1.0, "optimizer": "sgd", "problem": "linear"}, 4),
    ],
)
def test_pairs_of_cells_that_are_declared(experiment, compare, pairs):
    assert pairing.count_declared_pairs(experiment, read_comparison(compare)) == pairs


@pytest.mark.parametrize(
    ("expect", "lost", "verdict"),
    [
        # Nine and ten runs that predict 7: a lost run is as far outside as can be, and of ten seeds the 2nd and the
        # 9th count.
        ("at least 5", 0, "holds"),
        ("at least 5", 1, "holds"),
        ("at least 5", 2, "undecided"),
        ("at least 5", 9, "fails"),
        ("at least 5", 10, "fails"),
        ("at most 9", 1, "holds"),
        ("at most 9", 2, "undecided"),
        ("at most 9", 10, "fails"),
        ("within 1 of 7", 2, "undecided"),
        ("within 1 of 7", 10, "fails"),
    ],
)
@pytest.mark.parametrize("measure", ["prediction at x = 10", "final train loss", "final train accuracy"])
def test_a_lost_run_is_in_no_range(experiment, expect, lost, verdict, measure):
    unit = " %" if "accuracy" in measure else ""
    worst = -INF if "accuracy" in measure else INF
    runs = pd.DataFrame({"run": list("abcdefghij"), "problem": "linear", "outcome": "finished"})
    runs.loc[: lost - 1, "outcome"] = "diverged"
    predicted = np.where(runs["outcome"] == "diverged", np.nan, 7.0)
    runs = runs.assign(
        final_probe_0=predicted,
        final_train_loss=np.nan_to_num(predicted, nan=INF),
        final_train_accuracy=np.where(np.isnan(predicted), worst, predicted / 100),
    )
    given = {"says": "s", "of": {"reproduction": "r"}, "measure": measure, "expect": expect + unit}
    claim = Claim.model_validate(given)
    results = Results(runs, runs, pd.DataFrame(), {"linear": [([10.0], 19.0)]})
    found = measure_runs(experiment, runs, claim, results)
    assert judge(found, find_region(claim))[0] == verdict
    assert found.n == 10


@pytest.fixture(scope="module")
def claimed(small, tmp_path_factory):
    """The small experiment with claims added, its file beside results that were there before."""
    folder = tmp_path_factory.mktemp("claimed")
    shutil.copytree(small[0].parent, folder / "experiments")
    file = folder / "experiments" / "small.yaml"
    file.write_text(synthetic.SMALL + CLAIMS, encoding="utf-8")
    return load(file), small[1]


@pytest.fixture(scope="module")
def built(claimed):
    return tables.build(*claimed)


@pytest.fixture(scope="module")
def verdicts(built):
    return built["claims"].query("problem.isna()").set_index("claim")


@pytest.mark.parametrize(
    ("claim", "verdict", "reason"),
    [
        ("adam_beats_doom", "holds", "beyond"),
        ("never_there", "undecided", "not reached"),
        ("doom_equals_doom", "holds", "beyond"),
        ("fixed_rate", "undecided", "too few seeds"),
        ("small_updates_more", "holds", "beyond"),
        ("accurate", "holds", "beyond"),
        ("noise", "undecided", "not measured"),
        ("near_19", "holds", "in range"),
        ("elsewhere", "undecided", "not measured"),
        ("falls", "fails", "out of range"),
        ("rate_matters", "holds", "in range"),
    ],
)
def test_claims_on_results_that_were_there_before(verdicts, claim, verdict, reason):
    assert tuple(verdicts.loc[claim, ["verdict", "reason"]]) == (verdict, reason)


def test_an_effect_is_the_median_over_seeds_of_the_median_over_pairs(built):
    cells = built["cells"].query("optimizer == 'adam' and problem == 'linear'")
    chosen = (
        built["runs"].query("stage == 'evaluation'").merge(cells[["problem", "optimizer", "schedule", "batch_size"]])
    )
    wide = chosen.pivot(index=["seed", "batch_size"], columns="schedule", values="final_train_loss")
    ratios = (wide["cosine"] / wide["constant"]).groupby("seed").median()
    row = built["claims"].query("claim == 'cosine_is_lower' and problem == 'linear'").iloc[0]
    assert row["effect"] == pytest.approx(ratios.median())
    assert (row["lower"], row["upper"]) == pytest.approx((ratios.min(), ratios.max()))
    assert (row["n"], row["cells"], row["unit"]) == (7, 2, "ratio")
    assert set(row["runs"].split()) == set(chosen["run"])


def test_a_fixed_rate_takes_every_run_at_it(verdicts):
    row = verdicts.loc["fixed_rate"]
    assert row["n"] >= 3
    assert math.isfinite(row["effect"])
    assert math.isnan(row["lower"])


def measured(experiment, measure, runs, recorded):
    return read_measure(measure).values(gather_run_data(experiment, runs, Results(runs, runs, recorded, {})))


def test_noise_is_that_of_a_batch(experiment):
    runs = pd.DataFrame({"run": ["a", "b"], "batch_size": [1, 4]})
    recorded = pd.DataFrame({"run": ["a", "a", "a", "b"], "gradient_variance": [1.0, 3.0, 8.0, 8.0]})
    recorded["step"] = range(len(recorded))
    assert measured(experiment, "gradient noise", runs, recorded).tolist() == [3.0, 2.0]


def test_steps_to_a_loss_are_those_of_the_first_point_there(claimed, built):
    experiment, results = claimed
    recorded = histories.read(experiment, results, "histories")
    runs = built["runs"].drop_duplicates("run")
    found = measured(experiment, "steps to train loss <= 0.1", runs, recorded)
    for run, steps in zip(runs["run"], found, strict=True):
        there = recorded[(recorded["run"] == run) & (recorded["train_loss"] <= 0.1)]["step"]
        assert steps == (there.min() if len(there) else INF)


def test_rises_are_a_share_of_the_points(experiment):
    runs = pd.DataFrame({"run": ["a", "b"], "outcome": ["finished", "diverged"]})
    recorded = pd.DataFrame({"run": ["a"] * 5 + ["b"], "train_loss": [5.0, 4.0, 4.5, 4.5, 3.0, 9.0]})
    recorded["step"] = range(len(recorded))
    assert measured(experiment, "rises of train loss", runs, recorded).tolist() == [0.25, INF]


def test_where_everything_diverged_claims_still_come(claimed, small, tmp_path):
    shutil.copytree(small[1] / "runs", tmp_path / "runs")
    synthetic.lose_everything(tmp_path)
    table = tables.build(claimed[0], tmp_path)["claims"].set_index("claim")
    assert table.index.nunique() == 12
    assert table.loc["adam_beats_doom", "reason"] == "equivalent"
    assert table.loc["rate_matters", "verdict"] == "fails"
    assert table.loc["falls", "reason"] == "not measured"


def test_shares_of_variance_are_of_all_optimizers_or_none(claimed):
    experiment, results = claimed
    gathered = Inputs(experiment, results)
    ran = Results(gathered.counted, gathered.evaluation, gathered.recorded, {})
    claim = experiment.claims["rate_matters"]
    assert not find_effect(experiment, claim, ran).lacks
    without = ran._replace(runs=ran.runs[ran.runs["optimizer"] != "doomed"])
    assert find_effect(experiment, claim, without).lacks == "missing runs"


def test_without_claims_the_table_is_empty(small):
    table = pd.read_parquet(small[1] / "tables" / "claims.parquet")
    assert table.empty
    assert list(table) == list(claims_table.COLUMNS)


def test_the_report_tells_every_verdict_and_why(claimed, built, verdicts):
    experiment, _ = claimed
    asked = {
        "claims": pages.claim_verdicts(experiment, built["claims"]),
        "factors": pages._claimed_factors(experiment, built["factors"]),
    }
    page = templates.render("claims.html", experiment=experiment, figures={}, **asked)
    assert "Adam &lt;i&gt;is&lt;/i&gt; better" in page
    for name in experiment.claims:
        assert f'id="claim-{name}"' in page
    text = " ".join(page.split())
    holding = (verdicts["verdict"] == "holds").sum()
    assert f"Of 12 sentences, <strong>{holding}</strong> hold, <strong>1</strong> fails and <strong>4</strong>" in text
    assert "3 seeds are too few for a 95&nbsp;% interval." in text
    assert "with <code>record: [gradient_noise]</code> they would." in text
    assert "The whole interval lies beyond the smallest effect that counts, in the direction claimed." in text
    assert "sgd 0.01 to 1, adam 0.001 to 0.1, doomed 1 to 3" in text
    assert not {"nan", "None"} & set(text.replace("<", " ").replace(">", " ").split())
