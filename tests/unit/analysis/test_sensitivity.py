import math

import numpy as np
import pandas as pd
import pytest

from thalweg.analysis import TABLES
from thalweg.analysis.statistics import learning_rate_range
from thalweg.analysis.tables import sensitivity

RATES = np.array([0.001, 0.01, 0.1, 1.0])


@pytest.fixture(scope="module")
def small_tables(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="module")
def wide_tables(wide):
    return {name: pd.read_parquet(wide[1] / "tables" / f"{name}.parquet") for name in TABLES}


def test_the_range_goes_on_to_where_the_line_through_the_rates_crosses_the_limit():
    # In logarithms the loss doubles in a decade on the left and rises by 21 % on the right: half a decade to 10 %.
    found = learning_rate_range.find_range(
        np.array([0.001, 0.01, 0.1, 1.0, 10.0]), np.array([9.0, 2.0, 1.0, 1.0, 1.21])
    )
    left = math.log(1.1) / math.log(2)
    assert found["best"] == 0.1
    assert found["lower"] == pytest.approx(0.1 * 10**-left)
    assert found["upper"] == pytest.approx(10**0.5)
    assert found["decades"] == pytest.approx(left + 1.5)
    assert (found["rates"], found["open"], found["range"]) == (2, None, "interpolated")


@pytest.mark.parametrize(
    ("results", "side"),
    [([9.0, 2.0, 1.0, 1.21], None), ([9.0, 2.0, 1.2, 1.0], "above"), ([np.inf, np.inf, 1.0, np.inf], None)],
)
def test_one_rate_alone_has_no_width(results, side):
    found = learning_rate_range.find_range(RATES, np.array(results))
    assert np.isnan([found["lower"], found["upper"], found["decades"]]).all()
    assert (found["best"], found["rates"]) == (RATES[np.argmin(results)], 1)
    assert (found["open"], found["range"]) == (side, "one rate alone")


def test_rates_that_are_within_are_counted_and_a_second_valley_is_not():
    found = learning_rate_range.find_range(RATES, np.array([1.0, 2.0, 1.05, 1.0]))
    assert (found["best"], found["rates"], found["open"]) == (0.001, 1, "below")
    found = learning_rate_range.find_range(RATES, np.array([0.99, 1.0, 1.05, 1.05]))
    assert (found["rates"], found["open"], found["decades"]) == (4, "both", pytest.approx(3))


def test_next_to_a_rate_that_diverges_the_range_ends_at_the_last_one_within():
    found = learning_rate_range.find_range(RATES, np.array([np.inf, 1.0, 1.01, np.inf]))
    assert (found["lower"], found["upper"], found["rates"], found["open"]) == (0.01, 0.1, 2, None)


@pytest.mark.parametrize("results", [[np.inf] * 4, [-1.0, -2.0, -3.0, -2.0]])
def test_without_a_best_result_above_zero_there_is_no_range(results):
    found = learning_rate_range.find_range(RATES, np.array(results))
    assert math.isnan(found["decades"])
    assert (found["rates"], found["range"]) == (0, "no finite result above zero")


def by_rate(**columns):
    cell = {"problem": "linear", "schedule": "constant", "batch_size": 1}
    return pd.DataFrame({**cell, "optimizer": "sgd", "learning_rate": [0.1, 0.01, 1.0], **columns})


def test_where_runs_end_at_their_target_the_steps_to_it_are_compared(experiment):
    steps = by_rate(median=[1.0, 1.0, 1.0], steps_to_target=[100.0, 1000.0, np.inf])
    (row,) = sensitivity.table(experiment, steps).to_dict("records")
    assert (row["measure"], row["best"], row["rates"]) == ("steps to target", 0.1, 1)
    steps = by_rate(median=[1.0, 1.0, 1.0], steps_to_target=[100.0, 109.0, np.inf])
    (row,) = sensitivity.table(experiment, steps).to_dict("records")
    assert (row["lower"], row["upper"], row["rates"], row["open"]) == (0.01, 0.1, 2, "below")
    losses = by_rate(median=[1.0, 1.0, 2.0], steps_to_target=np.inf)
    (row,) = sensitivity.table(experiment, losses).to_dict("records")
    assert (row["measure"], row["best"], row["rates"]) == ("final validation loss", 0.01, 2)


def test_losses_below_what_single_precision_tells_are_as_good_as_each_other(experiment):
    tiny = by_rate(median=[0.0, 1e-15, 1e-16], steps_to_target=np.inf)
    (row,) = sensitivity.table(experiment, tiny).to_dict("records")
    assert (row["best"], row["rates"], row["open"]) == (0.01, 3, "both")


def test_a_search_has_no_width_and_every_other_cell_has_a_row(small_tables, wide_tables):
    assert set(wide_tables["sensitivity"]["optimizer"]) == {"sgd"}
    assert len(small_tables["sensitivity"]) == len(small_tables["cells"])
    cells = small_tables["cells"]
    finite = small_tables["sensitivity"]["best"].notna()
    assert (small_tables["sensitivity"]["best"] == cells["learning_rate"])[finite].all()
    assert not finite[cells["optimizer"] == "doomed"].any()
