"""The small plots of cells: what has no place on a logarithmic axis."""

import math
import re

import pytest

from thalweg.analysis.histories import Metric
from thalweg.reporting.html import plots

LOSS = Metric("test", "loss")


def curve(*medians):
    return [plots.Point(10**place - 1, 0.0, value, value, value, 0) for place, value in enumerate(medians)]


def heights(path):
    return [float(point.split()[1]) for point in re.split("[ML]", path)[1:]]


def test_a_decade_is_as_high_as_another_and_as_wide():
    (one,) = plots.lay_out({LOSS: curve(1.0, 0.1, 0.01)})
    first, second, third = heights(one["median"])
    assert not one["clipped"]
    assert third - second == pytest.approx(second - first, abs=0.11)
    places = [float(point.split()[0]) for point in re.split("[ML]", one["median"])[1:]]
    assert places == [plots.LEFT, (plots.LEFT + plots.RIGHT) / 2, plots.RIGHT]


def test_a_line_ends_where_its_median_is_infinite_and_says_where():
    (one,) = plots.lay_out({LOSS: curve(1.0, 0.1, math.inf)})
    assert len(heights(one["median"])) == 2
    assert (one["lost"], one["last"], one["last_at"]) == (99, 0.1, 9)


def test_what_is_not_positive_stands_at_the_lower_edge():
    (one,) = plots.lay_out({LOSS: curve(1.0, 0.0, -1.0)})
    assert heights(one["median"])[1:] == [plots.BOTTOM, plots.BOTTOM]
    assert one["clipped"]
    assert one["lowest"] == -1.0


@pytest.mark.parametrize("medians", [(0.0, -1.0), (math.inf, math.inf), ()])
def test_nothing_is_drawn_where_no_median_is_positive_and_finite(medians):
    assert plots.lay_out({LOSS: curve(*medians)}) == []


def test_all_plots_of_a_cell_have_the_same_axes_and_a_constant_line_has_some():
    one, other = plots.lay_out({LOSS: curve(1.0, 1.0), Metric("train", "loss"): curve(1.0, 1.0)})
    assert one["y"] == other["y"] == [{"value": 1.0, "at": pytest.approx((plots.TOP + plots.BOTTOM) / 2)}]
    assert one["x"] == other["x"]


def test_a_run_of_one_step_has_its_two_points_apart():
    (one,) = plots.lay_out({LOSS: [plots.Point(step, 0.0, 1.0, 1.0, 1.0, 0) for step in (0, 1)]})
    assert [tick["at"] for tick in one["x"]] == [plots.LEFT, plots.RIGHT]
