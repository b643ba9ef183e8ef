"""Comparisons with the best cell: ratios, the sign test, its correction, against SciPy, statsmodels, enumeration."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from thalweg.analysis import TABLES, choose, comparing
from thalweg.analysis.statistics import intervals, paired
from thalweg.analysis.tables import comparisons, improvements, ranks

TIE = 0.0


@pytest.fixture(scope="module")
def built(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


def at(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def runs(losses):
    """Evaluation runs on linear, at the constant rate and batch size 6: a row an optimizer and seed."""
    return pd.DataFrame(
        {"problem": "linear", "optimizer": name, "schedule": "constant", "batch_size": 6, "seed": seed}
        | {"final_test_loss": loss, "outcome": "finished", "ended_at": 300}
        for name, values in losses.items()
        for seed, loss in enumerate(values)
    )


def of_signs(higher, lower, ties=0):
    return np.array([1.0] * higher + [-1.0] * lower + [TIE] * ties)


@pytest.mark.parametrize(
    ("losses", "reference", "ratios", "signs"),
    [
        ([2.0, 9.0], [1.0, 3.0], [2.0, 3.0], [1, 1]),
        ([0.0, np.inf], [0.0, np.inf], [1.0, 1.0], [0, 0]),
        ([np.inf, 1.0], [1.0, np.inf], [np.inf, 0.0], [1, -1]),
        ([1e-15, 1.0], [0.0, 0.0], [1.0, 2.0**46], [0, 1]),
        ([-3.0, 2.0], [-1.0, 1.0], None, [-1, 1]),
        ([-3.0, -1.0], [-3.0, -2.0], None, [0, 1]),
        ([np.inf, -2.0], [-1.0, -1.0], None, [1, -1]),
    ],
)
def test_ratios_are_paired_and_defined_for_infinite_losses_and_tiny_ones_but_not_for_negative_ones(
    experiment, losses, reference, ratios, signs
):
    found = comparing.by_seed(experiment, runs({"sgd": losses, "adam": reference}))
    both = comparing.paired(found["linear", "sgd", "constant", 6], found["linear", "adam", "constant", 6][::-1])
    assert paired.ratios(both) is None if ratios is None else list(paired.ratios(both)) == ratios
    assert list(paired.signs(both)) == signs


def test_the_lower_of_negative_losses_is_the_better_one(experiment, built):
    """By hand: of 7 seeds the first loss is the lower at all, and a ratio would say the reverse."""
    cells = at(built["cells"], problem="linear", schedule="constant", batch_size=6)
    cells = cells.assign(tuning_validation_loss=cells["optimizer"].map({"sgd": -1.0, "adam": -2.0, "doomed": np.inf}))
    evaluation = runs({"sgd": [-1.0] * 7, "adam": [-2.0] * 7})
    (row,) = at(comparisons.table(experiment, cells, evaluation), factor="optimizer", level="sgd").to_dict("records")
    assert (row["verdict"], row["median"], row["measure"]) == ("higher", -1.0, "final test loss")
    assert np.isnan([row["ratio"], row["lower"], row["upper"]]).all()


def test_where_runs_end_at_their_target_the_examples_to_it_are_compared(experiment, built):
    """By hand: sgd overshoots its target most and so ends lowest, but adam is there in half of the examples."""
    problem = experiment.problems["linear"].model_copy(update={"end_at_target": True})
    ending = experiment.model_copy(update={"problems": {**experiment.problems, "linear": problem}})
    cells = at(built["cells"], problem="linear", schedule="constant", batch_size=6)
    steps = cells["optimizer"].map({"sgd": 200.0, "adam": 100.0, "doomed": np.inf})
    losses = cells["optimizer"].map({"sgd": 0.001, "adam": 0.009, "doomed": np.inf})
    cells = cells.assign(tuning_validation_loss=losses, tuning_steps_to_target=steps)
    sgd = runs({"sgd": [0.001] * 7}).assign(ended_at=[200] * 7, outcome="reached target")
    adam = runs({"adam": [0.009] * 7}).assign(ended_at=[100] * 7, outcome="reached target")
    doomed = runs({"doomed": [0.5] * 7}).assign(ended_at=[50] * 7, outcome="finished")
    evaluation = pd.concat([sgd, adam, doomed])
    table = at(comparisons.table(ending, cells, evaluation), factor="optimizer").set_index("level")
    assert set(table["measure"]) == {"examples to target"}
    assert table["verdict"].to_dict() == {"sgd": "higher", "adam": "reference", "doomed": "higher"}
    assert table["median"].to_dict() == {"sgd": 1200.0, "adam": 600.0, "doomed": np.inf}
    assert table["ratio"].to_dict() == {"sgd": 2.0, "adam": 1.0, "doomed": np.inf}
    pair = improvements.table(ending, cells, evaluation).iloc[0]
    assert (pair["first"], pair["second"], pair["verdict"], pair["probability"]) == ("sgd", "adam", "higher", 0.0)
    ranked = at(ranks.table(ending, cells, evaluation), problem="linear").set_index("optimizer")
    assert ranked["rank"].to_dict() == {"sgd": 2.0, "adam": 1.0, "doomed": 3.0}
    assert ranked["value"].to_dict() == table["median"].to_dict()


@pytest.mark.parametrize("which", ["small", "wide"])
def test_the_best_cells_are_those_that_choosing_prefers(which, request):
    """On wide, one problem's runs end at a target."""
    tables = request.getfixturevalue(which)[1] / "tables"
    cells, rates = pd.read_parquet(tables / "cells.parquet"), pd.read_parquet(tables / "rates.parquet")
    for keys in (["problem"], ["problem", "optimizer"], ["problem", "schedule"], ["problem", "batch_size"]):
        ours = comparing.best_cells(cells, keys)[[*choose.CELL, *choose.TRIAL]].sort_index()
        pd.testing.assert_frame_equal(
            ours.reset_index(drop=True), choose.best(cells[[*choose.CELL, *choose.TRIAL]], rates, keys)
        )


@pytest.mark.parametrize("size", [1, 5, 6, 7, 10])
def test_the_sign_tests_p_is_the_share_of_all_signs_that_are_as_uneven(size):
    uneven = [abs(sum(signs)) for signs in product([-1, 1], repeat=size)]
    for higher in range(size + 1):
        expected = np.mean([one >= abs(2 * higher - size) for one in uneven])
        assert paired.sign_test(of_signs(higher, size - higher)) == pytest.approx(expected)


def test_ties_count_for_nothing_and_nothing_else_says_nothing():
    assert paired.sign_test(of_signs(8, 1, 3)) == paired.sign_test(of_signs(8, 1))
    assert paired.sign_test(of_signs(0, 0, 10)) == paired.sign_test(np.empty(0)) == 1
    assert paired.sign_test(np.ones(6)) == paired.sign_test(-np.ones(6)) == 2 * 0.5**6


@pytest.mark.parametrize("size", [6, 9, 10, 15, 20])
def test_the_sign_test_is_the_medians_interval_inverted(size):
    for higher in range(size + 1):
        signs = of_signs(higher, size - higher)
        lower, upper = intervals.median_interval(2.0**signs)
        assert (paired.sign_test(signs) <= 0.05) == (not lower <= 1 <= upper)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 15])
def test_holms_adjustment_is_that_of_statsmodels(size):
    for seed in range(20 if size else 0):
        p = np.round(np.random.default_rng(seed).uniform(size=size) ** 3, 2)
        assert paired.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert len(paired.holm(np.ones(size))) == size


@pytest.mark.parametrize(
    ("ratios", "adjusted_p", "enough", "verdict"),
    [
        (of_signs(9, 1), 0.04, True, "higher"),
        (of_signs(1, 9), 0.04, True, "lower"),
        (of_signs(9, 0, 11), 0.004, True, "higher"),
        (of_signs(9, 1), 0.06, True, "not distinguishable"),
        (of_signs(5, 0), 0.0625, False, "too few seeds"),
    ],
)
def test_verdicts_follow_from_the_adjusted_p(ratios, adjusted_p, enough, verdict):
    assert paired.verdict(ratios, adjusted_p, enough) == verdict


@pytest.mark.parametrize(("comparable", "seeds"), [(1, 6), (2, 7), (3, 7), (6, 8), (12, 9), (25, 10), (51, 11)])
def test_a_family_can_be_decided_from_as_many_seeds_as_are_said_and_no_fewer(comparable, seeds):
    def verdicts(size, number):
        found = paired.decide({name: of_signs(size, 0) for name in range(number)})
        return {one["verdict"] for one in found.values()}

    assert verdicts(seeds, comparable) == {"higher"}
    assert verdicts(seeds - 1, comparable) == {"too few seeds"}


def test_a_comparison_with_fewer_seeds_is_decided_where_the_others_could_be_before_it():
    found = paired.decide({"many": of_signs(10, 0), "few": of_signs(0, 6), "none": np.empty(0)})
    assert [one["verdict"] for one in found.values()] == ["higher", "too few seeds", "too few seeds"]
    found = paired.decide({"many": of_signs(10, 0), "few": of_signs(0, 6)})
    assert [one["verdict"] for one in found.values()] == ["higher", "lower"]
    assert found["few"]["adjusted_p"] == pytest.approx(stats.binomtest(0, 6).pvalue)


def test_of_families_of_true_nulls_at_most_5_percent_have_a_verdict():
    """2,000 families of 5 levels that are as good as the reference, which all share, as the table has it."""
    losses = np.random.default_rng(3).lognormal(size=(2_000, 6, 10))
    wrong = 0
    for reference, *levels in losses:
        found = paired.decide({place: np.sign(level - reference) for place, level in enumerate(levels)})
        wrong += any(one["verdict"] != "not distinguishable" for one in found.values())
    assert 0 < wrong <= 0.05 * len(losses)


def test_the_table_is_corrected_for_all_cells_of_a_problem_that_are_compared(built):
    for _, of_problem in built["comparisons"].groupby("problem"):
        others = of_problem[of_problem["verdict"] != "reference"]
        assert len(others) == len(of_problem) - 3, "each factor has the reference among its levels"
        family = others.drop_duplicates(choose.CELL)
        assert family["adjusted_p"].to_numpy() == pytest.approx(multipletests(family["p"], method="holm")[1])
    reference = at(built["comparisons"], verdict="reference")
    assert reference[["p", "adjusted_p"]].isna().all(axis=None)


def test_a_cell_that_is_the_best_of_several_levels_has_one_verdict(experiment, built):
    """By hand: adam at the cosine is lower by far, sgd at the constant rate is both its best and the constant's."""
    cells = at(built["cells"], problem="linear", batch_size=6)
    order = {("adam", "cosine"): 1.0, ("sgd", "constant"): 2.0}
    losses = [order.get(key, 3.0) for key in zip(cells["optimizer"], cells["schedule"], strict=True)]
    cells = cells.assign(tuning_validation_loss=losses)
    evaluation = pd.concat([runs({"sgd": [2.0] * 8, "doomed": [3.0] * 8}), runs({"adam": [1.0] * 8})])
    evaluation["schedule"] = evaluation["schedule"].mask(evaluation["optimizer"] == "adam", "cosine")
    table = comparisons.table(experiment, cells, evaluation)
    same = at(table, optimizer="sgd")
    assert list(same["level"]) == ["sgd", "constant"]
    assert set(same["verdict"]) == {"higher"}
    assert same["adjusted_p"].tolist() == pytest.approx([2 * 2 * 0.5**8] * 2), "of two comparisons, not three"


def test_a_p_is_scipys_for_the_losses_of_the_runs(built):
    rows = at(built["comparisons"], problem="linear", factor="optimizer").set_index("level")
    runs = at(built["runs"], stage="evaluation", problem="linear")

    def losses(row):
        own = at(runs, **{name: row[name] for name in ("optimizer", "schedule", "batch_size")})
        return own.set_index("seed")["final_test_loss"].fillna(np.inf)

    reference = losses(rows[rows["verdict"] == "reference"].iloc[0])
    for _, row in rows[rows["verdict"] != "reference"].iterrows():
        higher = int((losses(row) > reference).sum())
        assert row["n"] == len(reference) == 7
        assert row["p"] == pytest.approx(stats.binomtest(higher, 7).pvalue)


def test_the_reference_of_a_problem_is_its_best_cell_on_tuning_runs(built):
    cells = at(built["cells"], problem="linear")
    best = cells.loc[cells["tuning_validation_loss"].idxmin()]
    reference = at(built["comparisons"], problem="linear", verdict="reference")
    assert list(reference["factor"]) == ["optimizer", "schedule", "batch_size"]
    for name in ("optimizer", "schedule", "batch_size", "learning_rate"):
        assert (reference[name] == best[name]).all()
    assert at(built["comparisons"], problem="linear", level="doomed")["verdict"].item() == "too few seeds"
    assert at(built["comparisons"], problem="digits_cnn", level="doomed")["verdict"].item() == "higher"


def test_cells_that_cannot_be_told_apart_are_taken_in_grid_order(experiment, built):
    evaluation = at(built["runs"], stage="evaluation")
    losses = np.geomspace(1e-14, 1e-15, len(built["cells"]))
    tied = comparisons.table(experiment, built["cells"].assign(tuning_validation_loss=losses), evaluation)
    reference = at(tied, problem="linear", verdict="reference").iloc[0]
    first = at(built["cells"], problem="linear").iloc[0]
    for name in ("optimizer", "schedule", "batch_size"):
        assert reference[name] == first[name]
