import math

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times
from scipy import stats

from thalweg.analysis import TABLES, targets

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
    rows = [{"run": f"r{k}", "outcome": how, "ended_at": end} for k, (how, end) in enumerate(outcomes)]
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


def medians(times, reached):
    lower, median, upper = targets.median_times(
        np.array([times], float), np.array([reached], bool), np.array([len(times)])
    )[0]
    return lower, median, upper


def test_ert_of_successes_after_10_and_20_and_a_failure_after_30_is_30(experiment):
    runs = evaluated([("finished", 100), ("reached target", 20), ("diverged", 30)])
    points = recorded([{0: 9, 10: 1, 100: 5}, {0: 9, 20: 0.5}, {0: 9, 20: 2}])
    (row,) = targets.table(runs, points, below(1.0), experiment, {"linear": 38}).to_dict("records")
    assert (row["ert"], row["n"], row["reached"]) == (30, 3, 2)
    assert row["ert_epochs"] == pytest.approx(3)
    # An epoch is nine batches of four and one of two.
    assert row["ert_examples"] == (38 + 2 * 38 + 3 * 38) / 2
    assert row["interval"] == "too few seeds"


def test_ert_is_infinite_where_no_run_comes_there(experiment):
    runs, points = evaluated([("finished", 100)] * 7), recorded([{0: 9, 100: 5}] * 7)
    (row,) = targets.table(runs, points, below(1.0), experiment, {"linear": 38}).to_dict("records")
    assert row["ert"] == row["ert_epochs"] == row["ert_examples"] == math.inf
    assert np.isnan([row["median"], row["lower"], row["upper"]]).all()
    assert row["interval"] == "fewer than half reached it"


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
    (row,) = targets.table(runs, points, below(1.0), experiment, {}).to_dict("records")
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
    # Where nothing survives the interval is undefined: R's survfit and SciPy have none either, lifelines says [0, 0].
    interval = interval[curve.iloc[:, 0] > 0]
    # Rounded, so that a product of shares that should be one half is.
    median, ends = median_survival_times(curve.round(12)), median_survival_times(interval.round(12))
    theirs = np.array([ends.iloc[0, 0], median, ends.iloc[0, 1]])
    np.testing.assert_array_equal(medians(times, reached), np.where(np.isinf(theirs), np.nan, theirs))


def test_samples_of_different_sizes_are_told_apart_in_one_call():
    times = np.array([[1, 2, 3, 4, 5, 6, 7, 8], [10, 20, 30, 40, 50, 60, np.nan, np.nan]], float)
    both = targets.median_times(times, np.ones((2, 8), bool), np.array([8, 6]))
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
