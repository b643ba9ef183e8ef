"""Curves of what was measured and of gradients, against runs whose quantiles can be told by hand or by NumPy."""

import numpy as np
import pandas as pd
import pytest

from thalweg.analysis import targets
from thalweg.analysis.tables import curves, diagnostics
from thalweg.experiment.loading import load

CELL = {"problem": "p", "optimizer": "o", "schedule": "s", "batch_size": 4}
OUTCOMES = {"a": "finished", "b": "reached target", "c": "out of time", "d": "diverged"}


@pytest.fixture
def runs():
    made = pd.DataFrame([{**CELL, "run": run, "outcome": how} for run, how in OUTCOMES.items()])
    return made.assign(steps=3, steps_per_epoch=1)


def recorded(column, points):
    return pd.DataFrame(
        {"run": run, "step": step, column: value} for run, values in points.items() for step, value in values.items()
    )


@pytest.fixture
def of_this(experiment):
    """An experiment with this problem."""
    return experiment.model_copy(update={"problems": {"p": experiment.problems["linear"]}})


def test_a_run_keeps_its_place_in_a_curve_after_its_target_and_loses_it_when_time_is_out(runs, of_this):
    points = {"a": [5.0, 4.0, 3.0, 2.0], "b": [5.0, 1.0], "c": [5.0, 4.0, 3.5], "d": [5.0]}
    losses = recorded("test_loss", {run: dict(enumerate(values)) for run, values in points.items()})
    curve = curves.table(runs, losses, of_this, {"p": 4})
    assert curve["diverged"].tolist() == [0, 1, 1, 1]
    assert curve["out_of_time"].tolist() == [0, 0, 0, 1]
    assert curve["lower"].tolist() == [5.0, 3.25, 2.5, 1.75]
    assert curve["median"].tolist() == [5.0, 4.0, 3.25, np.inf]


def test_diagnostics_begin_where_they_were_recorded_and_lost_runs_count_as_infinite(runs, of_this):
    points = {"a": {1: 4.0, 2: 3.0, 3: 2.0}, "b": {1: 1.0}, "c": {1: 4.0, 2: 3.5}, "d": {1: 9.0}}
    norms = recorded("gradient_norm", {run: {0: np.nan, **values} for run, values in points.items()})
    found = diagnostics.table(runs, norms, of_this, {"p": 4})
    assert found["quantity"].unique().tolist() == ["gradient_norm"]
    assert found["step"].tolist() == [1, 2, 3]
    assert found["median"].tolist() == [4.0, 3.25, np.inf]
    assert found["diverged"].tolist() == [0, 1, 1]
    assert (found["n"] == 4).all()


def test_what_finished_runs_did_not_record_has_no_row(runs, of_this):
    """The variance of a batch's gradient is unknown where an epoch is one batch."""
    whole = runs.assign(batch_size=8, run=runs["run"] + "8")
    variance = {run: {0: 8.0, 3: 4.0} for run in OUTCOMES} | {run: {0: np.nan, 3: np.nan} for run in whole["run"]}
    found = diagnostics.table(pd.concat([runs, whole]), recorded("gradient_variance", variance), of_this, {"p": 8})
    assert set(found["batch_size"]) == {4}
    assert found["median"].tolist() == [8 / 4, 4 / 4]


def test_runs_may_be_categories(runs, of_this):
    """Also where each has a batch size of its own."""
    runs = runs.assign(batch_size=[1, 2, 4, 8])
    variance = recorded("gradient_variance", {run: {0: 8.0, 3: 4.0} for run in OUTCOMES})
    alike = pd.CategoricalDtype(list(OUTCOMES)[::-1])
    found = diagnostics.table(runs.astype({"run": alike}), variance.astype({"run": alike}), of_this, {"p": 8})
    pd.testing.assert_frame_equal(found, diagnostics.table(runs, variance, of_this, {"p": 8}))
    assert found["median"].tolist() == [8 / 1, 4 / 1, 8 / 2, 4 / 2, 8 / 4, 4 / 4, 8 / 8, 4 / 8]


def test_diagnostics_are_quantiles_of_the_histories_of_the_chosen_rate(small):
    found = pd.read_parquet(small[1] / "tables" / "diagnostics.parquet")
    cell = {"problem": "linear", "optimizer": "adam", "schedule": "cosine", "batch_size": 6}
    folder = small[1] / "runs" / "evaluation" / "linear" / "adam"
    made, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    mine = made[(made["schedule"] == "cosine") & (made["batch_size"] == 6) & (made["stage"] == "evaluation")]
    for quantity in ("gradient_norm", "update_ratio"):
        rows = found[(found[list(cell)] == pd.Series(cell)).all(axis=1) & (found["quantity"] == quantity)]
        values = histories[histories["run"].isin(mine["run"])].pivot(index="step", columns="run", values=quantity)
        expected = np.quantile(values.drop(index=0).astype(float), [0.25, 0.5, 0.75], axis=1, method="linear")
        assert rows["step"].tolist() == values.index[1:].tolist()
        assert pytest.approx(expected) == rows[["lower", "median", "upper"]].to_numpy().T


def test_a_batch_s_variance_is_that_of_an_example_over_the_batch_size(wide):
    found = pd.read_parquet(wide[1] / "tables" / "diagnostics.parquet")
    folder = wide[1] / "runs" / "evaluation" / "sine" / "sgd"
    made, histories = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "histories"))
    first = histories[histories["step"] == 0].merge(made[["run", "schedule", "batch_size"]])
    expected = first.groupby(["schedule", "batch_size"])["gradient_variance"].median()
    rows = found[(found["optimizer"] == "sgd") & (found["step"] == 0)]
    rows = rows[rows["quantity"] == "batch_gradient_variance"].set_index(["schedule", "batch_size"])
    assert set(found.loc[found["problem"] == "linear", "quantity"]) == {"gradient_norm", "update_ratio"}
    for key, row in rows.iterrows():
        assert row["median"] == pytest.approx(expected[key] / key[1])
    assert len(rows) == 4


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_examples_seen_are_those_of_the_batches_one_after_the_other(small, drop_remainder):
    """Counted by going through epochs of 10 examples in batches of 4."""
    experiment = load(small[0])
    grid = experiment.problems["linear"].model_copy(update={"drop_remainder": drop_remainder})
    experiment = experiment.model_copy(update={"problems": {"linear": grid}})
    batches = [4, 4] if drop_remainder else [4, 4, 2]
    seen = np.cumsum([0, *batches, *batches, *batches])
    rows = pd.DataFrame({"step": range(len(seen)), "problem": "linear", "batch_size": 4})
    rows["steps_per_epoch"] = len(batches)
    assert targets.examples_seen(rows["step"], rows, experiment, {"linear": 10}).tolist() == seen.tolist()
    unknown = targets.examples_seen(rows["step"], rows, experiment, {})
    assert unknown.tolist() == seen.tolist() if drop_remainder else unknown.isna().all()


def test_examples_in_the_table_of_curves(small):
    found = pd.read_parquet(small[1] / "tables" / "curves.parquet")
    ends = found.drop_duplicates(["problem", "batch_size", "optimizer", "schedule", "split", "metric"], keep="last")
    assert set(ends.loc[ends["problem"] == "linear", "examples"]) == {20 * 6}
    assert set(ends.loc[ends["problem"] == "digits_cnn", "examples"]) == {4 * 1078}
