"""The table of all cells, as a reader uses it. Its order is compared with that of pandas on the table of the cells."""

import json

import pandas as pd
import pytest

AXES = ["problem", "optimizer", "schedule", "batch_size"]


@pytest.fixture(scope="module")
def steps(node, report):
    """What a reader sees of the table after each step of `table.mjs`."""
    return json.loads(node("table.mjs", report / "cells.html"))


@pytest.fixture(scope="module")
def cells(report):
    """The cells by what they are, in words."""
    table = pd.read_csv(report / "tables" / "cells.csv", keep_default_na=False)
    return table.set_index(pd.MultiIndex.from_frame(table[AXES].astype(str)))


def shown(step):
    return [tuple(row[axis] for axis in AXES) for row in step["rows"]]


def test_without_script_all_rows_are_there_and_nothing_that_would_not_work(steps, cells):
    plain = steps["plain"]
    assert sorted(shown(plain)) == sorted(cells.index)
    assert (plain["controls"], plain["counted"], plain["sorted"]) == (0, False, {})
    assert steps["opened"]["rows"] == plain["rows"]
    assert steps["opened"]["controls"] > len(AXES)


@pytest.mark.parametrize(
    ("step", "key", "order"),
    [
        ("clicked", "final_test_loss", "ascending"),
        ("clicked again", "final_test_loss", "descending"),
        ("entered", "batch_size", "ascending"),
    ],
)
def test_a_click_or_enter_sorts_by_numbers_and_says_so(steps, cells, step, key, order):
    seen = steps[step]
    wanted = cells[key].astype(float).sort_values(ascending=order == "ascending")
    assert not wanted.is_monotonic_increasing or not wanted.is_monotonic_decreasing
    assert cells[key].loc[shown(seen)].astype(float).tolist() == wanted.tolist()
    assert sorted(shown(seen)) == sorted(cells.index)
    assert seen["sorted"] == {key: order}


def test_equal_rows_stay_in_the_order_of_the_page(steps):
    for size in ("1", "6", "512"):
        before, after = ([row for row in shown(steps[step]) if row[3] == size] for step in ("opened", "entered"))
        assert before == after


def test_a_filter_shows_its_rows_in_their_order_and_counts_them(steps):
    wanted = [row for row in steps["entered"]["rows"] if row["optimizer"] == "adam"]
    assert steps["filtered"]["rows"] == wanted
    assert steps["filtered"]["counted"] == str(len(wanted))
    both = [row for row in wanted if row["problem"] == "linear"]
    assert 0 < len(both) < len(wanted)
    assert steps["filtered twice"]["rows"] == both


def test_the_address_brings_the_table_back(steps):
    assert steps["filtered"]["address"]
    assert steps["reloaded"] == steps["filtered"]
    assert steps["elsewhere"] == steps["filtered"]


def test_reset_brings_back_the_page_as_it_came(steps):
    assert steps["reset"] == steps["opened"]
