import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from thalweg.analysis import TABLES
from thalweg.analysis.choose import CELL, TRIAL, best
from thalweg.analysis.statistics import intervals, performance_profiles
from thalweg.analysis.tables import profiles


@pytest.fixture(scope="module")
def small_tables(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


def at(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def by_definition(times, points=30_001):
    """The profiles at many τ from 1 to 4 and their integrals, as the paper defines them, number by number."""
    taus = np.linspace(1, 4, points)
    scores = []
    for ours in times:
        ratios = []
        for workload, time in enumerate(ours):
            shortest = min(other[workload] for other in times)
            ratios.append(math.inf if math.isinf(time) else time / shortest)
        profile = [sum(ratio <= tau for ratio in ratios) / len(ratios) for tau in taus]
        scores.append(np.trapezoid(profile, taus) / 3)
    return scores


@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_the_integral_of_the_profile_by_its_definition(seed):
    rng = np.random.default_rng(seed)
    times = np.where(rng.random((4, 7)) < 0.2, np.inf, rng.lognormal(3, 0.8, (4, 7)))
    times[:, 0] = np.inf
    assert performance_profiles.score(times) == pytest.approx(by_definition(times), abs=1e-4)


def test_scores_of_closed_form():
    always, twice, late, half = [10.0] * 4, [20.0] * 4, [40.0] * 4, [10.0, 10.0, np.inf, np.inf]
    assert performance_profiles.score(np.array([always, twice, late, half])) == pytest.approx([1, 2 / 3, 0, 1 / 2])


def test_a_workload_that_nobody_reaches_counts_against_everybody():
    times = np.array([[10.0, np.inf], [20.0, np.inf]])
    assert np.isinf(performance_profiles.ratios(times)[:, 1]).all()
    assert performance_profiles.score(times) == pytest.approx([1 / 2, 1 / 3])


def test_where_initial_weights_are_at_the_target_the_others_are_infinitely_slower():
    assert performance_profiles.ratios(np.array([[0.0], [0.0], [5.0]])).ravel().tolist() == [1, 1, np.inf]


def test_scores_of_many_samples_are_those_of_each():
    times = np.random.default_rng(1).lognormal(3, 1, (5, 3, 4))
    assert performance_profiles.score(times) == pytest.approx(
        np.stack([performance_profiles.score(one) for one in times])
    )


def test_a_profile_has_each_workload_once_at_the_time_of_the_cell_that_tuning_prefers(small_tables):
    made, reported = small_tables["profiles"], small_tables["targets"]
    workloads = reported[["problem", "target"]].drop_duplicates()
    assert len(made) == 2 * 3 * len(workloads)
    for row in made.itertuples():
        cells = at(small_tables["cells"], problem=row.problem, optimizer=row.optimizer)
        preferred = cells.loc[cells["tuning_validation_loss"].idxmin()]
        assert [getattr(row, name) for name in (*CELL, *TRIAL)] == list(preferred[[*CELL, *TRIAL]])
        (found,) = at(reported, **dict(preferred[CELL]), target=row.target).to_dict("records")
        median = found["median" if row.measure == "steps" else "median_examples"]
        assert row.time == (math.inf if math.isnan(median) else median)


def test_shares_and_scores_follow_from_the_profile_as_it_is_drawn(small_tables):
    made, scores = small_tables["profiles"], small_tables["scores"]
    assert np.isinf(made["tau"]).any()
    for (measure, optimizer), rows in made.groupby(["measure", "optimizer"]):
        assert rows["share"].tolist() == [
            (rows["tau"] <= tau).sum() / len(rows) if tau < math.inf else np.isfinite(rows["tau"]).sum() / len(rows)
            for tau in rows["tau"]
        ]
        assert rows["tau"].is_monotonic_increasing
        (score,) = at(scores, measure=measure, optimizer=optimizer).to_dict("records")
        # Steps: each share holds from its τ to the next one.
        taus = np.append(np.minimum(rows["tau"], 4), 4)
        assert score["score"] == pytest.approx((np.diff(taus) * rows["share"]).sum() / 3)
        assert score["lower"] <= score["score"] <= score["upper"]
        assert (score["workloads"], score["reached"]) == (len(rows), np.isfinite(rows["time"]).sum())


@pytest.fixture(scope="module")
def two(experiment):
    """The experiment with no more than the optimizers of CHOSEN, and its problem."""
    parts = {"problems": ["linear"], "optimizers": ["sgd", "adam"]}
    return experiment.model_copy(
        update={part: {name: getattr(experiment, part)[name] for name in names} for part, names in parts.items()}
    )


def of(runs, cells, experiment):
    """The tables from the times of some runs, which are all evaluation runs that there are."""
    return profiles.tables(runs, runs[["problem", "optimizer", "seed", *CELL[2:], *TRIAL]], cells, experiment)


def test_optimizers_that_are_equal_at_every_seed_are_equal_in_every_resample(two):
    made, scores = of(found([10, 20, 30, 40, 50, 60, 70], [10, 20, 30, 40, 50, 60, 70]), CHOSEN, two)
    steps = at(scores, measure="steps").set_index("optimizer")
    assert steps.loc["sgd", ["score", "lower", "upper"]].tolist() == [1, 1, 1]
    assert steps.loc["adam", ["score", "lower", "upper"]].tolist() == [1, 1, 1]
    assert at(made, measure="examples", optimizer="adam")["time"].tolist() == [160]


def on_two_problems():
    """Times on `linear`, where adam takes twice as long, and on `sine`, where it takes half as long; and the cells."""
    linear, sine = found(np.arange(10.0, 80, 10), np.arange(20.0, 160, 20)), found(np.full(7, 40.0), np.full(7, 20.0))
    cells = pd.concat([CHOSEN, CHOSEN.assign(problem="sine")], ignore_index=True)
    return linear, sine.assign(problem="sine", place=1), cells


@pytest.fixture(scope="module")
def both(two):
    linear = two.problems["linear"]
    return two.model_copy(update={"problems": {"linear": linear, "sine": linear}})


@pytest.mark.parametrize("there", [0, 3, 6])
def test_where_an_optimizer_lacks_runs_the_problem_is_left_out_for_all(two, both, there):
    linear, sine, cells = on_two_problems()
    partly = sine[(sine["optimizer"] != "adam") | (sine["seed"] < there)]
    made, scores = of(pd.concat([linear, partly], ignore_index=True), cells, both)
    alone = of(linear, CHOSEN, two)
    assert set(made["problem"]) == {"linear"}
    assert set(scores["left_out"]) == {1}
    # All is as if there were no such problem: in steps adam has the ratio 2, and (4 − 2) / 3 of the score.
    assert at(scores, measure="steps")["score"].tolist() == pytest.approx([1, 2 / 3])
    pd.testing.assert_frame_equal(made, alone[0])
    pd.testing.assert_frame_equal(scores.drop(columns="left_out"), alone[1].drop(columns="left_out"))
    assert set(scores["n"]) == {7}


def test_where_no_run_is_missing_no_problem_is_left_out(both):
    linear, sine, cells = on_two_problems()
    _, scores = of(pd.concat([linear, sine], ignore_index=True), cells, both)
    assert set(scores["left_out"]) == {0}
    assert at(scores, measure="steps")["score"].tolist() == pytest.approx([(1 + 2 / 3) / 2] * 2)


def test_a_seed_that_no_optimizer_has_leaves_no_problem_out(two):
    fewer = found([10, 20, 30, 40, 50, 60], [20, 40, 60, 80, 100, 120])
    _, scores = of(fewer, CHOSEN, two)
    assert scores[["left_out", "n"]].drop_duplicates().to_numpy().tolist() == [[0, 6]]


def test_where_runs_are_missing_on_every_problem_there_is_no_score(both):
    linear, sine, cells = on_two_problems()
    without = pd.concat([linear[linear["optimizer"] == "sgd"], sine[sine["optimizer"] == "adam"]], ignore_index=True)
    made, scores = of(without, cells, both)
    assert made.empty
    assert scores["score"].isna().all()
    assert scores[["workloads", "left_out", "n"]].drop_duplicates().to_numpy().tolist() == [[0, 2, 0]]


def test_five_seeds_have_a_score_and_no_interval(two):
    _, scores = of(found([10, 20, 30, 40, 50], [20, 40, 60, 80, 100]), CHOSEN, two)
    steps = at(scores, measure="steps").set_index("optimizer")
    assert steps["score"].tolist() == pytest.approx([1, 2 / 3])
    assert steps[["lower", "upper"]].isna().all().all()
    assert set(steps["interval"]) == {"too few seeds"}


def drawn(*scores):
    """Scores of two optimizers and the best: as they are, then in every resample."""
    return np.stack([np.broadcast_to(one, 1 + intervals.RESAMPLES) for one in scores], axis=1)


def test_a_difference_is_told_of_the_same_resamples_though_intervals_overlap():
    noise = np.concatenate([[0], np.random.default_rng(0).normal(0, 0.1, intervals.RESAMPLES)])
    made = performance_profiles.against_the_best(drawn(0.6 + noise, 0.5 + noise, 0.6 - noise / 9), 10)
    assert made["verdict"].tolist() == ["reference", "lower", "not distinguishable"]
    assert made.loc[1, ["difference", "difference_lower", "difference_upper"]].to_numpy(float) == pytest.approx(-0.1)
    # No resample of 4,000 is at zero.
    tail = stats.norm.sf(-stats.norm.ppf(1 / 4001) / math.sqrt(10 / 9))
    assert made.loc[1, ["p", "adjusted_p"]].to_numpy(float) == pytest.approx([2 * tail, 4 * tail])
    assert np.isnan(made.loc[0, "p"])


def test_p_is_the_interval_inverted_and_that_of_a_normal_difference():
    noise = stats.norm.ppf((np.arange(intervals.RESAMPLES) + 0.5) / intervals.RESAMPLES)
    for apart in (0.5, 1.5, 1.9, 2.0, 2.5):
        both = drawn(9.0, np.concatenate([[9 - apart], 9 - apart + noise]))
        (_, row) = performance_profiles.against_the_best(both, 1_000).to_dict("records")
        # One more is counted than the 25 resamples in the outermost of these tails.
        assert row["p"] == pytest.approx(2 * stats.norm.sf(apart), rel=0.06)
        assert (row["difference_upper"] < 0) == (row["p"] <= 0.05) == (row["verdict"] == "lower")


def test_equal_scores_and_few_seeds_tell_nothing():
    made = performance_profiles.against_the_best(drawn(0.5, 0.5), 10)
    assert made["verdict"].tolist() == ["reference", "not distinguishable"]
    assert made.loc[1, "p"] == 1
    few = performance_profiles.against_the_best(drawn(0.5, 0.1), 5)
    assert few["verdict"].tolist() == ["reference", "too few seeds"]
    assert few[["p", "adjusted_p", "difference_upper"]].isna().all().all()


def test_an_optimizer_that_can_only_lose_has_an_interval_that_ends_at_its_score(both):
    cells = pd.concat([CHOSEN, CHOSEN.assign(problem="sine")], ignore_index=True)
    first = found(np.linspace(95, 105, 10), np.linspace(90, 130, 10)).assign(place=0)
    second = found(np.full(10, 900.0), np.full(10, 100.0)).assign(place=1, problem="sine")
    _, scores = of(pd.concat([first, second], ignore_index=True), cells, both)
    sgd = at(scores, measure="steps", optimizer="sgd").iloc[0]
    assert (sgd["score"], sgd["upper"]) == (0.5, 0.5)


def test_intervals_hold_a_known_score(two):
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        seeds = rng.normal(0, 0.2, 10)
        sgd, adam = (median * np.exp(seeds + rng.normal(0, 0.2, 10)) for median in (100, 160))
        _, scores = of(found(sgd, adam), CHOSEN, two)
        row = scores[(scores["measure"] == "steps") & (scores["optimizer"] == "adam")].iloc[0]
        held += row["lower"] <= (4 - 1.6) / 3 <= row["upper"]
    assert held >= 92


CHOSEN = pd.DataFrame(
    {
        "problem": "linear",
        "optimizer": ["sgd", "adam"],
        "schedule": "constant",
        "batch_size": [1, 4],
        "learning_rate": 0.1,
        "hyperparameters": "{}",
    }
)


def found(*times):
    """Runs that reach one target after these times, for each cell of CHOSEN."""
    parts = []
    for taken, (_, cell) in zip(times, CHOSEN.iterrows(), strict=True):
        rows = pd.DataFrame({"seed": range(len(taken)), "taken": np.asarray(taken, float), "reached": True})
        rows = rows.assign(**cell, target="validation_loss <= 1", place=0, watched=rows["taken"])
        parts.append(rows.assign(examples_taken=rows["taken"] * cell["batch_size"]))
    return pd.concat(parts, ignore_index=True)


def tuned(losses, steps=math.inf):
    """Cells of one optimizer, one a batch size, with their tuning losses and steps to a target at which they end."""
    sizes = 2 ** np.arange(len(losses))
    cells = {"problem": "p", "optimizer": "o", "schedule": "s", "batch_size": sizes}
    rows = pd.DataFrame({**cells, "learning_rate": 0.1, "hyperparameters": "{}", "median": losses})
    return rows.assign(steps_to_target=steps)


def test_the_best_cell_has_the_lowest_tuning_loss_and_of_equals_the_first():
    by_rate = tuned([3.0, 1.0, 1.0, np.inf])
    assert best(by_rate[[*CELL, *TRIAL]], by_rate, ["problem", "optimizer"])["batch_size"].tolist() == [2]
    assert best(by_rate[[*CELL, *TRIAL]], by_rate, CELL)["batch_size"].tolist() == [1, 2, 4, 8]
    tiny = tuned([1e-20, 0.0])
    assert best(tiny[[*CELL, *TRIAL]], tiny, ["problem"])["batch_size"].tolist() == [1]


def test_where_runs_end_at_a_target_the_best_cell_takes_the_fewest_examples_to_it():
    by_rate = tuned([0.9, 0.99, 0.5, 0.4], [100.0, 45.0, 30.0, np.inf])
    assert best(by_rate[[*CELL, *TRIAL]], by_rate, ["problem"])["batch_size"].tolist() == [2]
