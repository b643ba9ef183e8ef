"""Times of steps, and the claims in seconds that rest on them: numbers by hand, and how often a verdict is false."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats

from thalweg.analysis import timings
from thalweg.analysis.claims import pairing
from thalweg.analysis.claims import table as claims_table
from thalweg.analysis.claims.runs import Results
from thalweg.analysis.claims.verdicts import Region, judge
from thalweg.analysis.tables import __main__ as tables
from thalweg.analysis.tables.measured import timings as timings_table
from thalweg.experiment.claims import read_comparison
from thalweg.experiment.loading import load
from thalweg.experiment.measures import read_measure

CLAIM = """
claims:
  quicker:
    says: Adam is there in less time
    compare: {optimizer: adam, with: sgd, problem: digits_cnn, schedule: cosine}
    measure: seconds to train loss <= 0.1
    expect: lower
    smallest_effect: 5 %
  sooner:
    says: Adam is there in fewer steps
    compare: {optimizer: adam, with: sgd, problem: digits_cnn, schedule: cosine}
    measure: steps to train loss <= 0.1
    expect: lower
    smallest_effect: 5 %
"""
CELLS = {"optimizer": "adam", "with": "sgd", "problem": "linear", "schedule": "constant", "batch_size": 6}
MEASURE = read_measure("seconds to train loss <= 0.1")


def turns(times, problem="linear", batch_size=6):
    """Turns of optimizers at one batch size, from a list of microseconds a step for each, one a round."""
    return pd.DataFrame(
        [
            {"problem": problem, "batch_size": batch_size, "optimizer": name, "round": number, "microseconds": taken}
            | {"steps": 3, "device": "cpu", "threads": 1, "cpu_model": "Example CPU"}
            for name, of_rounds in times.items()
            for number, taken in enumerate(of_rounds, start=1)
        ]
    )


def test_a_ratio_is_taken_within_a_round(experiment):
    times = {"adam": [3.0, 30.0, 12.0], "sgd": [2.0, 10.0, 8.0]}
    table = timings_table.table(experiment, turns(times))
    first, second = table.to_dict("records")
    assert (first["optimizer"], second["optimizer"]) == ("sgd", "adam"), "in the order of the experiment file"
    assert (first["median"], first["reference"], first["ratio"], first["lower"], first["upper"]) == (8, "sgd", 1, 1, 1)
    # Round by round 1.5, 3 and 1.5; the ratio of the medians would be 1.5 too, that of the means 2.25.
    assert (second["median"], second["ratio"], second["lower"], second["upper"]) == (12.0, 1.5, 1.5, 2.25)
    assert (second["rounds"], second["steps"], second["cpu_model"]) == (3, 3, "Example CPU")


def results(steps, cells=("constant",)):
    """Evaluation runs of linear at batch size 6 that come to a train loss of 0.1 after so many steps, by optimizer: an
    array (seeds, cells)."""
    runs = pd.DataFrame(
        [
            {"problem": "linear", "optimizer": name, "schedule": schedule, "batch_size": 6, "seed": seed}
            | {"run": f"{name} {schedule} {seed}", "taken": taken}
            for name, of_seeds in steps.items()
            for seed, of_cells in enumerate(np.reshape(of_seeds, (-1, len(cells))))
            for schedule, taken in zip(cells, of_cells, strict=True)
        ]
    )
    recorded = pd.DataFrame({"run": runs["run"], "step": runs["taken"], "train_loss": 0.05})
    recorded.loc[np.isinf(recorded["step"]), ["step", "train_loss"]] = (20.0, 1.0)
    return Results(runs.iloc[:0], runs, recorded, {})


def compared(experiment, steps, times, **named):
    compare = read_comparison({**CELLS, **named})
    return timings.compared(experiment, compare, MEASURE, results(steps), turns(times))


def test_seconds_are_steps_times_the_time_of_a_step(experiment):
    """Ten seeds whose steps have the ratios 0.5 to 0.95, eleven rounds with the ratios 1.1 to 2.1. Of ten the 2nd and
    the 9th hold the median with 97.9 %, of eleven the 2nd and the 10th with 98.8 %."""
    steps = {"adam": np.arange(50.0, 100.0, 5.0), "sgd": np.full(10, 100.0)}
    times = {"adam": np.linspace(11, 21, 11), "sgd": np.full(11, 10.0)}
    found = compared(experiment, steps, times)
    assert found.effect == pytest.approx(0.725 * 1.6)
    assert found.lower == pytest.approx(0.55 * 1.2)
    assert found.upper == pytest.approx(0.90 * 2.0)
    assert (found.n, found.cells) == (10, 1)
    assert stats.binom.cdf(1, 10, 0.5) < 0.0125 < stats.binom.cdf(2, 10, 0.5)
    assert stats.binom.cdf(1, 11, 0.5) < 0.0125 < stats.binom.cdf(2, 11, 0.5)


def test_a_run_that_never_comes_there_takes_for_ever(experiment):
    steps = {"adam": np.full(10, math.inf), "sgd": np.full(10, 100.0)}
    times = {"adam": np.linspace(11, 21, 11), "sgd": np.full(11, 10.0)}
    assert compared(experiment, steps, times)[:3] == (math.inf, math.inf, math.inf)


def test_one_program_is_as_quick_as_itself(experiment):
    """Two schedules of an optimizer: their steps alone differ."""
    compare = read_comparison({"schedule": "cosine", "with": "constant", "problem": "linear", "optimizer": "sgd"})
    steps = np.column_stack([np.full(10, 100.0), np.arange(50.0, 100.0, 5.0)])
    ran = results({"sgd": steps}, cells=("constant", "cosine"))
    found = timings.compared(experiment, compare, MEASURE, ran, turns({"sgd": np.geomspace(1, 9, 11)}))
    assert found[:3] == pytest.approx((0.725, 0.55, 0.90))


@pytest.mark.parametrize(
    ("seeds", "rounds", "lacks"), [(10, 0, "not timed"), (10, 6, "too few rounds"), (6, 11, ""), (0, 11, "no runs")]
)
def test_with_too_little_there_is_no_interval(experiment, seeds, rounds, lacks):
    steps = {"adam": np.full(seeds, 50.0), "sgd": np.full(seeds, 100.0)} if seeds else {"sgd": np.full(3, 100.0)}
    times = {"adam": np.full(rounds, 2.0), "sgd": np.full(rounds, 1.0)}
    compare = read_comparison(CELLS)
    timed = turns(times) if rounds else pd.DataFrame(columns=timings.TURN)
    found = timings.compared(experiment, compare, MEASURE, results(steps), timed)
    assert found.lacks == lacks
    assert math.isnan(found.lower), "six seeds have an interval of 95 %, but none of 97.5 %"


def test_where_pairs_of_cells_are_missing_nothing_is_decided(experiment):
    """Runs of one schedule are there, and two are declared."""
    steps = {"adam": np.full(10, 50.0), "sgd": np.full(10, 100.0)}
    compare = read_comparison({name: level for name, level in CELLS.items() if name != "schedule"})
    timed = turns({"adam": np.full(11, 1.0), "sgd": np.full(11, 1.0)})
    found = timings.compared(experiment, compare, MEASURE, results(steps), timed)
    assert (found.effect, found.cells, found.declared, found.lacks) == (0.5, 1, 2, "missing runs")


def test_a_batch_size_that_was_not_timed_is_said(experiment):
    steps = {"adam": np.full(10, 50.0), "sgd": np.full(10, 100.0)}
    times = {"adam": np.full(11, 2.0), "sgd": np.full(11, 1.0)}
    compare = read_comparison(CELLS)
    other = turns(times, batch_size=1)
    assert timings.compared(experiment, compare, MEASURE, results(steps), other).lacks == "not timed"


@pytest.mark.parametrize(("of_seeds", "of_rounds"), [(0.3, 0.01), (0.01, 0.3), (0.3, 0.3), (1.0, 1.0)])
def test_false_verdicts_are_rare(experiment, monkeypatch, of_seeds, of_rounds):
    """500 samples of 10 seeds and 11 rounds, where both ratios together are the smallest that counts, so that neither
    verdict is true; with heavy tails and bad rounds."""
    random = np.random.default_rng(11)
    by_seed = 0.5 * np.exp(of_seeds * random.standard_t(3, size=(500, 10)))
    by_round = 1.5 * np.exp(of_rounds * random.standard_t(3, size=(500, 11)))
    verdicts = [verdict(experiment, monkeypatch, *sample) for sample in zip(by_seed, by_round, strict=True)]
    assert verdicts.count("holds") <= 0.05 * len(verdicts)
    assert verdicts.count("fails") <= 0.05 * len(verdicts)


def test_a_clear_effect_is_found(experiment, monkeypatch):
    random = np.random.default_rng(12)
    by_seed = 0.5 * np.exp(0.05 * random.normal(size=(100, 10)))
    by_round = 1.2 * np.exp(0.05 * random.normal(size=(100, 11)))
    verdicts = [verdict(experiment, monkeypatch, *sample) for sample in zip(by_seed, by_round, strict=True)]
    assert verdicts.count("holds") == 100


def verdict(experiment, monkeypatch, by_seed, by_round):
    """On whether it is lower by 25 % at least."""
    pairs = pd.DataFrame({"seed": range(len(by_seed)), "effect": by_seed, "run": "a", "run_other": "b"})
    monkeypatch.setattr(pairing, "pair_runs", lambda *_: (pairs, ""))
    monkeypatch.setattr(pairing, "count_declared_pairs", lambda *_: 1)
    monkeypatch.setattr(timings, "ratios_by_round", lambda *_: np.tile(by_round, (len(pairs), 1)))
    found = timings.compared(experiment, None, MEASURE, None, None)
    return judge(found, Region(-math.inf, 0.75, False, 1.0))[0]


def test_with_several_pairs_of_cells_every_one_s_time_may_be_off(experiment, monkeypatch):
    """Three pairs of cells of seeds that differ little, each with times of its own; the true ratio is one."""
    random, missed = np.random.default_rng(13), 0
    seeds = np.repeat(np.arange(10), 3)
    monkeypatch.setattr(pairing, "count_declared_pairs", lambda *_: 3)
    for _ in range(300):
        effect = np.exp(0.02 * random.normal(size=30))
        pairs = pd.DataFrame({"seed": seeds, "effect": effect, "run": "a", "run_other": "b"})
        of_cells = np.exp(0.3 * random.normal(size=(3, 11)))
        monkeypatch.setattr(pairing, "pair_runs", lambda *_, pairs=pairs: (pairs, ""))
        monkeypatch.setattr(timings, "ratios_by_round", lambda *_, of_cells=of_cells: np.tile(of_cells, (10, 1)))
        found = timings.compared(experiment, None, MEASURE, None, None)
        missed += not found.lower <= 1 <= found.upper
    assert missed <= 0.05 * 300


@pytest.fixture(scope="module")
def built(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("timed")
    shutil.copytree(small[0].parent, folder / "experiments")
    file = folder / "experiments" / "small.yaml"
    file.write_text(synthetic.SMALL + CLAIM, encoding="utf-8")
    return tables.build(load(file), small[1])


def test_a_claim_in_seconds_stands_apart_from_those_that_no_clock_has_a_say_in(built):
    assert list(built["claims"]["claim"]) == ["sooner"]
    (row,) = built["claims_in_seconds"].to_dict("records")
    assert (row["claim"], row["unit"], row["n"], row["at_most"]) == ("quicker", "ratio", 7, 0.95)
    (sooner,) = built["claims"].to_dict("records")
    # At the made-up times each round has a ratio of its own, 1.1 × 1, 1.01 … 1.06 for the second optimizer.
    assert row["effect"] == pytest.approx(sooner["effect"] * 1.1 * 1.03)
    assert row["lower"] <= sooner["lower"] * 1.1 * 1.03
    assert row["runs"] == sooner["runs"]


def test_what_was_not_timed_leaves_tables_with_the_same_columns(experiment, wide, small, tmp_path):
    shutil.copytree(small[1] / "runs", tmp_path / "runs")
    untimed = tables.build(experiment, tmp_path)
    assert untimed["timings"].empty and list(untimed["timings"]) == timings_table.COLUMNS
    assert untimed["claims_in_seconds"].empty and list(untimed["claims_in_seconds"]) == list(claims_table.COLUMNS)
    assert pd.read_parquet(wide[1] / "tables" / "measured" / "timings.parquet").empty
