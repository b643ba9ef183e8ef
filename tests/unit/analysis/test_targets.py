import math

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times
from scipy import stats

from thalweg.analysis import TABLES, targets
from thalweg.analysis.statistics import intervals, survival
from thalweg.analysis.tables import targets as targets_table

CELL = {"problem": "linear", "optimizer": "sgd", "schedule": "constant", "batch_size": 4}
TRIAL = {"learning_rate": 0.1, "hyperparameters": "{}"}


@pytest.fixture(scope="module")
def small_tables(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="module")
def wide_tables(wide):
    return {name: pd.read_parquet(wide[1] / "tables" / f"{name}.parquet") for name in TABLES}


def at(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def evaluated(outcomes, horizon=100):
    """Evaluation runs named r0, r1 … of one cell, given as (outcome, ended_at); 10 steps an epoch."""
    rows = [{"run": f"r{k}", "seed": k, "outcome": how, "ended_at": end} for k, (how, end) in enumerate(outcomes)]
    return pd.DataFrame(rows).assign(**CELL, **TRIAL, steps=horizon, steps_per_epoch=10)


def recorded(histories):
    """A history a run, as {step: validation loss}; test losses are the same."""
    rows = [(f"r{k}", step, loss, loss) for k, points in enumerate(histories) for step, loss in points.items()]
    frame = pd.DataFrame(rows, columns=["run", "step", "validation_loss", "test_loss"])
    return frame.astype({"validation_loss": "float32", "test_loss": "float32"})


def below(value, problem="linear"):
    target = f"validation_loss <= {value}"
    row = {"problem": problem, "target": target, "share": np.nan, "column": "validation_loss", "at_least": False}
    return pd.DataFrame([row | {"value": value}])


def rows_of(runs, points, made, experiment, examples):
    return targets_table.table(targets.times(runs, points, made, experiment, examples), experiment, examples).to_dict(
        "records"
    )


def medians(times, reached):
    lower, median, upper = survival.median_times(
        np.array([times], float), np.array([reached], bool), np.array([len(times)])
    )[0]
    return lower, median, upper


def test_ert_of_successes_after_10_and_20_and_a_failure_after_30_is_30(experiment):
    runs = evaluated([("finished", 100), ("reached target", 20), ("diverged", 30)])
    points = recorded([{0: 9, 10: 1, 100: 5}, {0: 9, 20: 0.5}, {0: 9, 20: 2}])
    (row,) = rows_of(runs, points, below(1.0), experiment, {"linear": 38})
    assert (row["ert"], row["n"], row["reached"]) == (30, 3, 2)
    assert row["ert_epochs"] == pytest.approx(3)
    # An epoch is nine batches of four and one of two.
    assert row["ert_examples"] == (38 + 2 * 38 + 3 * 38) / 2
    assert row["interval"] == "too few seeds"


def test_ert_is_infinite_where_no_run_comes_there(experiment):
    runs, points = evaluated([("finished", 100)] * 7), recorded([{0: 9, 100: 5}] * 7)
    (row,) = rows_of(runs, points, below(1.0), experiment, {"linear": 38})
    assert row["ert"] == row["ert_epochs"] == row["ert_examples"] == math.inf
    assert np.isnan([row["median"], row["lower"], row["upper"]]).all()
    assert row["interval"] == "fewer than half reached it"


def test_ert_is_what_restarting_until_one_run_reaches_the_target_takes():
    taken, reached = np.array([10, 20, 30]), np.array([True, True, False])
    rng = np.random.default_rng(1)
    spent = []
    for _ in range(50_000):
        drawn = rng.integers(0, 3, 50)
        spent.append(taken[drawn[: reached[drawn].argmax() + 1]].sum())
    assert np.mean(spent) == pytest.approx(30, rel=0.01)


def ert_interval(taken, reached, horizon=100):
    taken, reached = np.array([taken], float), np.array([reached], bool)
    return survival.ert_intervals(taken, reached, np.array([taken.shape[1]]), np.array([horizon]))[0]


@pytest.mark.parametrize(("reached", "unseen"), [([True] * 6 + [False] * 2, 60), ([True] * 8, 100)])
def test_ert_interval_is_a_bayesian_bootstrap_with_half_a_seed_more_that_fails(reached, unseen):
    taken = [10.0, 12, 15, 20, 21, 30, 50, 70]
    shares = np.random.default_rng(1).dirichlet([1] * 8 + [0.5], 200_000)
    erts = [
        sum(share * time for share, time in zip(one, [*taken, unseen], strict=True))
        / sum(share for share, there in zip(one, reached, strict=False) if there)
        for one in shares.tolist()
    ]
    tail = stats.norm.cdf(stats.norm.ppf(0.025) * math.sqrt(8 / 7))
    assert ert_interval(taken, reached) == pytest.approx(np.quantile(erts, [tail, 1 - tail]), rel=0.05)


def test_ert_interval_has_no_upper_end_without_a_success_and_is_none_for_five_seeds():
    lower, upper = ert_interval([100] * 7, [False] * 7)
    assert np.isnan(lower)
    assert upper == math.inf
    assert np.isnan(ert_interval([10] * 5, [True] * 5)).all()


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("size", [10, 20])
def test_ert_interval_holds_the_truth_about_as_often_as_it_says(size, share):
    rng = np.random.default_rng([size, int(100 * share)])
    reached = rng.random((2_000, size)) < share
    taken = np.where(reached, rng.lognormal(4, 0.5, reached.shape), 300)
    truth = math.exp(4 + 0.5**2 / 2) + (1 - share) / share * 300
    sizes, horizons = np.full(len(taken), size), np.full(len(taken), 300.0)
    lower, upper = survival.ert_intervals(taken, reached, sizes, horizons).T
    assert 0.925 <= ((lower <= truth) & (truth <= upper)).mean() <= 0.99


def test_the_order_of_seeds_changes_no_interval(experiment):
    ends = [("reached target", 10 * k) for k in range(1, 8)] + [("finished", 100)] * 2
    histories = [{0: 9, end: 1 if how == "reached target" else 5} for how, end in ends]
    (row,) = rows_of(evaluated(ends), recorded(histories), below(1.0), experiment, {})
    (other,) = rows_of(evaluated(ends[::-1]), recorded(histories[::-1]), below(1.0), experiment, {})
    assert row["ert_lower"] < row["ert"] < row["ert_upper"]
    assert (row["ert_lower"], row["ert_upper"]) == (other["ert_lower"], other["ert_upper"])


@pytest.mark.parametrize("seed", range(5))
def test_resampled_medians_are_those_of_samples_in_which_runs_stand_as_often_as_they_were_drawn(seed):
    rng = np.random.default_rng(seed)
    found = pd.DataFrame({"seed": np.tile(np.arange(8), 3), "reached": rng.random(24) < 0.7})
    found["taken"] = found["watched"] = rng.integers(1, 10, 24).astype(float)
    found = found.drop(index=23)
    made = targets.resampled_medians(found.sample(frac=1, random_state=1), *grouped(found), "taken")
    counts = intervals.resample_counts(8).astype(int)
    for place in range(200):
        times = counts[:, place - 1] if place else np.ones(8, int)
        for group, rows in found.groupby(np.arange(23) // 8):
            sample = rows.loc[rows.index.repeat(times[rows["seed"]])]
            expected = medians(sample["watched"], sample["reached"])[1]
            assert made[group, place] == (np.inf if np.isnan(expected) else expected)


def grouped(found):
    """The groups of 8 rows each, in the order in which sample(random_state=1) puts them, and their number."""
    return found.sample(frac=1, random_state=1).index.to_numpy() // 8, 3


def test_a_group_without_runs_has_an_infinite_median_and_times_are_given_as_asked():
    found = pd.DataFrame({"seed": range(7), "reached": True, "watched": range(1, 8), "taken": range(1, 8)})
    found["examples_taken"] = 4.0 * found["taken"]
    made = targets.resampled_medians(found, np.ones(7, int), 2, "examples_taken")
    assert np.isinf(made[0]).all()
    assert made[1, 0] == 16
    assert set(made[1]) <= set(4.0 * np.arange(1, 8))


def test_a_run_is_there_at_the_first_evaluation_point_at_or_beyond_the_target(experiment):
    runs, points = evaluated([("finished", 100)]), recorded([{0: 9, 13: 1, 40: 3, 100: 0.5}])
    found = targets.times(runs, points, below(1.0), experiment, {"linear": 38}).iloc[0]
    assert (found["reached"], found["taken"], found["watched"], found["epochs_taken"]) == (True, 13, 13, 1.3)
    assert found["examples_taken"] == 38 + 3 * 4
    at_least = below(9.0).assign(at_least=True)
    assert targets.times(runs, points, at_least, experiment, {})["taken"].tolist() == [0]


def test_a_target_is_compared_in_the_precision_of_what_was_recorded(experiment):
    runs, points = evaluated([("finished", 100)]), recorded([{0: 0.1, 100: 0.9}])
    high = below(0.9).assign(at_least=True)
    assert float(np.float32(0.9)) != 0.9
    assert targets.times(runs, points, high, experiment, {})["reached"].tolist() == [True]


def test_a_diverged_run_is_watched_to_its_horizon_and_one_out_of_time_until_it_was_stopped(experiment):
    runs = evaluated([("diverged", 30), ("out of time", 50), ("finished", 100)])
    found = targets.times(runs, recorded([{0: 9}] * 3), below(1.0), experiment, {})
    assert found["taken"].tolist() == [30, 50, 100]
    assert found["watched"].tolist() == [100, 50, 100]
    assert found["examples_taken"].isna().all()


def test_runs_that_diverge_are_not_taken_for_runs_that_were_as_good_as_the_others(experiment):
    runs = evaluated([("diverged", 5)] * 6 + [("finished", 100)] * 4)
    points = recorded([{0: 9}] * 6 + [{0: 9, 50: 1, 100: 1}] * 4)
    (row,) = rows_of(runs, points, below(1.0), experiment, {})
    assert np.isnan(row["median"])


def test_without_censoring_the_median_is_the_first_time_by_which_half_have_come():
    assert medians([3, 1, 2, 4, 5, 6, 7], [True] * 7)[1] == 4
    assert medians([8, 3, 1, 2, 4, 5, 6, 7], [True] * 8)[1] == 4


def test_a_run_lost_from_sight_counts_for_those_still_watched():
    # S: 3/4 at 1, then 3/4 · 1/2 at 3, the run lost at 2 being no longer at risk.
    assert medians([1, 2, 3, 4], [True, False, True, True])[1] == 3
    # At equal times the one that is lost was still at risk: S = 2/3 at 2.
    assert np.isnan(medians([2, 2, 9], [True, False, False])[1])


@pytest.mark.parametrize("seed", range(100))
def test_median_and_interval_are_those_of_lifelines(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(6, 30))
    # Few distinct times, so that there are ties, of events with events and with runs that are lost.
    times, reached = rng.integers(1, 15, size).astype(float), rng.random(size) < rng.choice([0.4, 0.7, 1.0])
    fitted = KaplanMeierFitter().fit(times, reached)
    curve, interval = fitted.survival_function_, fitted.confidence_interval_
    # Where nothing survives lifelines says [0, 0], R's survfit and SciPy that there is no interval: the former here, if
    # every run came there.
    interval = interval[(curve.iloc[:, 0] > 0) | reached.all()]
    # Rounded, so that a product of shares that should be one half is.
    median, ends = median_survival_times(curve.round(12)), median_survival_times(interval.round(12))
    theirs = np.array([ends.iloc[0, 0], median, ends.iloc[0, 1]])
    np.testing.assert_array_equal(medians(times, reached), np.where(np.isinf(theirs), np.nan, theirs))


def test_samples_of_different_sizes_are_told_apart_in_one_call():
    times = np.array([[1, 2, 3, 4, 5, 6, 7, 8], [10, 20, 30, 40, 50, 60, np.nan, np.nan]], float)
    both = survival.median_times(times, np.ones((2, 8), bool), np.array([8, 6]))
    np.testing.assert_array_equal(both[0], medians(times[0], [True] * 8))
    np.testing.assert_array_equal(both[1], medians(times[1, :6], [True] * 6))


def test_five_runs_have_a_median_and_no_interval():
    lower, median, upper = medians([1, 2, 3, 4, 5], [True] * 5)
    assert median == 3
    assert np.isnan([lower, upper]).all()


def final(problem, losses):
    return pd.DataFrame({"problem": problem, "final_validation_loss": losses})


def test_generated_targets_are_quantiles_of_all_runs_rounded_up_and_no_diverged_run_moves_them(experiment):
    losses = [0.123456, 0.5, 0.2, 0.3, 0.4]
    made = targets.of_problems(experiment, final("linear", losses))
    assert made["value"].tolist() == [0.4, 0.3, 0.2]
    assert made["share"].tolist() == [0.75, 0.5, 0.25]
    assert made["target"].tolist()[0] == "validation_loss <= 0.4"
    doomed = targets.of_problems(experiment, final("linear", [*losses, np.inf, np.inf]))
    pd.testing.assert_frame_equal(made, doomed)
    assert targets.of_problems(experiment, final("linear", [0.123456]))["value"].tolist() == [0.124]


def test_targets_that_cannot_be_told_apart_are_one_and_without_a_loss_there_is_none(experiment):
    assert len(targets.of_problems(experiment, final("linear", [0.1, 0.1, 0.1]))) == 1
    assert targets.of_problems(experiment, final("linear", [0.0, 1e-20]))["value"].tolist() == [1.43e-14]
    assert targets.of_problems(experiment, final("linear", [np.inf])).empty


def test_a_target_of_the_experiment_file_is_the_only_one_of_its_problem(wide_tables):
    of_problem = at(wide_tables["targets"], problem="linear")
    assert set(of_problem["target"]) == {"validation_loss <= 0.01"}
    assert of_problem["share"].isna().all()
    assert set(at(wide_tables["targets"], problem="sine")["share"]) == {0.75, 0.5, 0.25}


def test_the_runs_that_end_at_a_target_are_those_that_reach_it(wide_tables):
    of_cell = at(wide_tables["targets"], problem="linear").iloc[0]
    cell = {name: of_cell[name] for name in CELL}
    runs = at(wide_tables["runs"], **cell, stage="evaluation", outcome="reached target")
    assert of_cell["reached"] == len(runs) > 0
    assert of_cell["ert"] == runs["ended_at"].mean()
    assert of_cell["median"] == np.sort(runs["ended_at"])[(len(runs) - 1) // 2]


def test_every_cell_has_a_row_for_every_target(small_tables):
    table = small_tables["targets"]
    assert (table.groupby(list(CELL)).size() == 3).all()
    assert len(table) == 3 * len(small_tables["cells"])
    assert (table["n"] == 7).all()


def test_a_cell_has_the_interquartile_mean_of_its_areas_and_its_share_of_diverged_runs(small_tables):
    cell = {"problem": "linear", "optimizer": "adam", "schedule": "cosine", "batch_size": 6}
    found = at(small_tables["cells"], **cell).iloc[0]
    areas = at(small_tables["runs"], **cell, stage="evaluation")["log_test_loss_area"]
    assert found["log_test_loss_area"] == pytest.approx(stats.trim_mean(areas, 0.25))
    assert found["log_test_loss_area_lower"] < found["log_test_loss_area"] < found["log_test_loss_area_upper"]
    assert found["diverged_share"] == found["diverged_share_lower"] == 0
    doomed = at(small_tables["cells"], **cell | {"optimizer": "doomed"}).iloc[0]
    assert (doomed["log_test_loss_area"], doomed["diverged_share"]) == (np.inf, 1)
    wilson = stats.binomtest(7, 7).proportion_ci(method="wilson")
    assert doomed["diverged_share_lower"] == pytest.approx(wilson.low)


def test_the_area_is_the_average_of_the_logarithm_of_the_loss():
    runs = evaluated([("finished", 100), ("reached target", 50), ("diverged", 50), ("out of time", 50)])
    points = recorded([{0: 1, 50: 0.01, 100: 0.01}, {0: 1, 50: 0.01}, {0: 1}, {0: 1, 50: 1}])
    # A straight line from 0 to −2 over half of the run, and −2 over the other half.
    assert targets.areas(runs, points).tolist() == pytest.approx([-1.5, -1.5, np.inf, np.inf])
    shuffled = points.sample(frac=1, random_state=1)
    assert targets.areas(pd.concat([runs, runs]), shuffled)[:4].tolist() == targets.areas(runs, points).tolist()


def test_the_area_agrees_with_numpys_trapezoids():
    steps, losses = [0, 3, 4, 30, 100], np.array([5, 3, 0.5, 0.2, 0.25], "float32")
    points = recorded([dict(zip(steps, losses, strict=True))])
    expected = np.trapezoid(np.log10(losses.astype(float)), steps) / 100
    assert targets.areas(evaluated([("finished", 100)]), points) == pytest.approx([expected])


def test_the_area_of_a_loss_below_zero_is_undefined_and_without_histories_that_of_lost_runs_is_infinite():
    assert np.isnan(targets.areas(evaluated([("finished", 100)]), recorded([{0: 1, 100: -1}]))).all()
    assert np.isinf(targets.areas(evaluated([("diverged", 1)]), recorded([]))).all()
