"""The tables, derived again from the raw files by other code where that is short."""

import json
import os
import shutil
import statistics
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

from thalweg.analysis import MEASURED_TABLES, TABLES
from thalweg.analysis.table import describe, find_table
from thalweg.analysis.tables import __main__ as tables
from thalweg.analysis.tables.measured import seconds as seconds_table
from thalweg.grid import declared

FINITE_CELL = {"problem": "linear", "optimizer": "adam", "schedule": "cosine", "batch_size": 6}
DOOMED_CELL = {"problem": "linear", "optimizer": "doomed", "schedule": "cosine", "batch_size": 6}


@pytest.fixture(scope="module")
def built(small):
    return {name: pd.read_parquet(small[1] / "tables" / f"{name}.parquet") for name in TABLES}


@pytest.fixture(scope="module")
def wide_built(wide):
    return {name: pd.read_parquet(wide[1] / "tables" / f"{name}.parquet") for name in TABLES}


def raw(results, stage, problem, optimizer):
    """Runs with their final rows, by run, read without pandas."""
    folder = results / "runs" / stage / problem / optimizer
    histories = {}
    for row in pq.read_table(folder / "histories.parquet").to_pylist():
        histories.setdefault(row["run"], []).append(row)
    runs = pq.read_table(folder / "runs.parquet").to_pylist()
    return [(run, sorted(histories[run["run"]], key=lambda row: row["step"])) for run in runs]


def at(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def test_a_second_build_elsewhere_writes_the_same_bytes(small, tmp_path):
    file, results = small
    command = [sys.executable, "-m", "thalweg.analysis.tables", "--experiment", file, "--results", results]
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([*command, "--output", tmp_path], check=True, env=elsewhere)
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert len(files) == 2 * len([*TABLES, *MEASURED_TABLES]) + 1
    for name in files:
        assert (tmp_path / name).read_bytes() == (results / "tables" / name).read_bytes(), name


def test_a_cell_is_the_trimmed_mean_of_its_runs(small, built):
    (cell,) = at(built["cells"], **FINITE_CELL).to_dict("records")
    losses = [
        rows[-1]["test_loss"]
        for run, rows in raw(small[1], "evaluation", "linear", "adam")
        if (run["stage"], run["schedule"], run["batch_size"]) == ("evaluation", "cosine", 6)
    ]
    assert cell["n"] == len(losses) == 7
    assert cell["final_test_loss"] == pytest.approx(stats.trim_mean(losses, 0.25))
    assert cell["final_test_loss_lower"] < cell["final_test_loss"] < cell["final_test_loss_upper"]
    assert cell["final_test_loss_median"] == pytest.approx(statistics.median(losses))


def test_a_cell_in_which_all_diverged_is_there_and_infinite(built):
    (cell,) = at(built["cells"], **DOOMED_CELL).to_dict("records")
    assert (cell["n"], cell["diverged"]) == (7, 7)
    assert cell["final_test_loss"] == cell["tuning_validation_loss"] == np.inf


def test_the_chosen_rate_has_the_lowest_median_of_its_tuning_runs(small, built):
    medians = {}
    for run, rows in raw(small[1], "tuning", "linear", "adam"):
        if (run["schedule"], run["batch_size"]) == ("cosine", 6):
            loss = rows[-1]["validation_loss"] if run["outcome"] == "finished" else float("inf")
            medians.setdefault(run["learning_rate"], []).append(loss)
    medians = {rate: statistics.median(losses) for rate, losses in medians.items()}
    (cell,) = at(built["cells"], **FINITE_CELL).to_dict("records")
    assert cell["learning_rate"] == min(medians, key=medians.get)
    by_rate = at(built["rates"], **FINITE_CELL)
    assert dict(zip(by_rate["learning_rate"], by_rate["median"], strict=True)) == pytest.approx(medians)


def test_a_curve_is_the_median_of_its_runs_at_every_step(small, built):
    curve = at(built["curves"], **FINITE_CELL, split="train", metric="loss")
    by_step = {}
    for run, rows in raw(small[1], "evaluation", "linear", "adam"):
        if (run["stage"], run["schedule"], run["batch_size"]) == ("evaluation", "cosine", 6):
            for row in rows:
                by_step.setdefault(row["step"], []).append(row["train_loss"])
    expected = {step: statistics.median(losses) for step, losses in by_step.items()}
    assert dict(zip(curve["step"], curve["median"], strict=True)) == pytest.approx(expected)
    assert list(curve["step"]) == sorted(expected)


def test_a_curve_goes_on_to_the_horizon_as_infinite_where_all_diverged(built):
    curve = at(built["curves"], **DOOMED_CELL, split="test", metric="loss")
    assert curve["step"].max() == 20
    assert np.isfinite(curve["median"][curve["step"] < 2]).all()
    assert np.isinf(curve["median"][curve["step"] >= 2]).all()
    assert (curve["diverged"][curve["step"] >= 2] == 7).all()


def test_a_diverged_classifier_counts_as_the_lowest_accuracy(built):
    curve = at(built["curves"], problem="digits_cnn", optimizer="doomed", metric="accuracy", split="test")
    assert curve["median"].iloc[-1] == -np.inf


def test_only_metrics_that_a_problem_measures_have_curves(built):
    assert set(at(built["curves"], problem="linear")["metric"]) == {"loss"}
    assert set(at(built["curves"], problem="digits_cnn")["metric"]) == {"loss", "accuracy"}


def test_counts_add_up_to_what_the_grid_declares(experiment, built):
    counts = built["counts"]
    assert counts["declared"].sum() == sum(declared(experiment).values())
    assert (counts["missing"] == 0).all()
    assert counts["diverged"].sum() == (built["runs"]["outcome"] == "diverged").sum() > 0


def test_runs_are_counted_by_how_they_ended(wide_built):
    counts, runs = wide_built["counts"], wide_built["runs"]
    ended = ["finished", "diverged", "out_of_time", "missing"]
    assert (counts[ended].sum(axis=1) == counts["declared"]).all()
    reached = at(runs, outcome="reached target")
    assert counts["reached_target"].sum() == len(reached) > 0
    assert counts["finished"].sum() == len(reached) + len(at(runs, outcome="finished"))
    assert counts["out_of_time"].sum() == len(at(runs, outcome="out of time")) > 0
    assert at(counts, problem="linear")["out_of_time"].sum() == 0
    sine = at(wide_built["cells"], problem="sine")
    assert (sine["out_of_time"] == 1).all()
    assert (sine["diverged"] == 0).all()
    assert np.isfinite(sine["final_test_loss"]).all()


def test_a_searched_cell_holds_what_its_tuning_runs_chose(wide_built):
    for name in ("cells", "comparisons"):
        chosen = at(wide_built[name], problem="linear", optimizer="searched", schedule="warm")
        assert set(json.loads(chosen["hyperparameters"].iloc[0])) == {"amsgrad", "beta_1"}
    by_trial = at(wide_built["rates"], problem="linear", optimizer="searched", schedule="warm")
    assert len(by_trial) == 20
    (cell,) = at(wide_built["cells"], problem="linear", optimizer="searched", schedule="warm").to_dict("records")
    best = by_trial.loc[by_trial["median"].idxmin()]
    assert (cell["learning_rate"], cell["hyperparameters"]) == (best["learning_rate"], best["hyperparameters"])
    runs = at(wide_built["runs"], problem="linear", optimizer="searched", schedule="warm", stage="evaluation")
    assert set(runs["hyperparameters"]) == {cell["hyperparameters"]}


def test_seconds_are_those_of_the_steps_taken(wide, wide_built):
    seconds = pd.read_parquet(wide[1] / "tables" / "measured" / "seconds.parquet")
    runs = wide_built["runs"]
    runs = runs[runs["outcome"].isin(["finished", "reached target"])].drop_duplicates("run")
    sgd = at(runs, problem="linear", optimizer="sgd")
    (row,) = at(seconds, problem="linear", optimizer="sgd").to_dict("records")
    assert (row["n"], row["steps"]) == (len(sgd), sgd["ended_at"].sum())
    assert row["steps"] < sgd["steps"].sum()


def test_a_run_that_took_no_step_tells_nothing_of_what_one_costs(wide, wide_built):
    measured = pd.read_parquet(wide[1] / "runs" / "tuning" / "linear" / "sgd" / "measured.parquet")
    runs = wide_built["runs"].merge(measured[["run"]]).assign(outcome="reached target", ended_at=1)
    runs.loc[0, "ended_at"] = 0
    (row,) = seconds_table.table(runs, measured).to_dict("records")
    assert row["n"] == row["steps"] == len(runs) - 1
    assert np.isfinite(row["upper"])


def test_a_job_that_never_ran_is_counted_as_missing(experiment, small, tmp_path):
    results = tmp_path / "results"
    for path in small[1].rglob("*"):
        if path.is_file() and "tables" not in path.parts and path.parts[-4:-1] != ("evaluation", "linear", "adam"):
            copy = results / path.relative_to(small[1])
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    built = tables.build(experiment, results)
    row = at(built["counts"], problem="linear", stage="evaluation").iloc[0]
    assert (row["missing"], row["missing_of"]) == (4 * 7, "adam")
    (cell,) = at(built["cells"], **FINITE_CELL).to_dict("records")
    assert cell["n"] == 0
    assert np.isnan(cell["final_test_loss"])


def test_finished_runs_without_histories_are_counted_as_missing_and_are_not_infinite(experiment, small, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(small[1], results, ignore=shutil.ignore_patterns("tables", "report"))
    (results / "runs" / "evaluation" / "linear" / "adam" / "histories.parquet").unlink()
    built = tables.build(experiment, results)
    counts = at(built["counts"], problem="linear", stage="evaluation").iloc[0]
    assert counts["missing"] == 4 * 7
    assert counts[["finished", "diverged", "out_of_time", "missing"]].sum() == counts["declared"]
    assert "28 of" in tables.missing("small", built["counts"])
    (cell,) = at(built["cells"], **FINITE_CELL).to_dict("records")
    assert (cell["n"], cell["diverged"]) == (0, 0)
    assert np.isnan(cell["final_test_loss"])


def test_missing_runs_are_said_in_one_line(built):
    assert tables.missing("small", built["counts"]) is None
    counts = pd.DataFrame(
        {
            "problem": ["sine", "sine", "linear"],
            "stage": ["tuning", "evaluation", "tuning"],
            "declared": [6000, 78, 9],
            "missing": [1000, 44, 0],
            "missing_of": ["sgd, adam", "sgd", ""],
        }
    )
    assert tables.missing("article", counts) == (
        "[tables] article: 1,044 of 6,087 runs are missing: sine, tuning: 1,000 (sgd, adam); sine, evaluation: 44 (sgd)"
    )


def test_a_reproduction_has_its_loss_and_its_prediction_beside_the_true_value(small, built):
    loss, prediction = built["reproductions"].to_dict("records")
    predicted = [
        rows[-1]["probe_0"]
        for run, rows in raw(small[1], "evaluation", "linear", "sgd")
        if run["stage"] == "reproduction"
    ]
    assert (loss["quantity"], prediction["quantity"]) == ("train_loss", "probe_0")
    assert (prediction["input"], prediction["target"], prediction["n"]) == ("10", 19.0, 7)
    assert prediction["median"] == pytest.approx(statistics.median(predicted))
    # The interval of the median of seven: the second lowest value has too little, so the extremes.
    assert (prediction["lower"], prediction["upper"]) == pytest.approx((min(predicted), max(predicted)))


def test_schedules_are_relative_to_the_peak(built):
    cosine = at(built["schedules"], problem="linear", schedule="cosine", batch_size=6)
    expected = 0.5 * (1 + np.cos(np.pi * cosine["step"] / 20))
    assert cosine["relative"].to_numpy() == pytest.approx(expected.to_numpy(), abs=2e-6)
    assert (at(built["schedules"], schedule="constant")["relative"] == 1).all()


def test_every_run_counts_once_in_provenance_and_no_clock_is_in_it(small, built):
    runs = built["runs"]["run"].nunique()
    assert built["provenance"]["runs"].sum() == runs
    assert set(built["provenance"]["dirty"]) == {True, False}
    for name in TABLES:
        assert "seconds" not in built[name], name


def test_every_column_of_every_table_is_in_the_dictionary_with_a_meaning(small, built, wide, wide_built):
    for (_, results), there in ((small, built), (wide, wide_built)):
        described = pd.read_csv(results / "tables" / "dictionary.csv", keep_default_na=False)
        assert (described["meaning"] != "").all()
        for name, table in there.items():
            assert list(at(described, table=name)["column"]) == list(table.columns)


KINDS = {"i": int, "u": int, "f": float, "b": bool}
"""What columns of each kind of NumPy hold; those of all others hold texts."""


def test_every_column_holds_values_of_the_type_that_its_table_declares(built, wide_built):
    for tables_built in (built, wide_built):
        for name, rows in tables_built.items():
            for column in rows:
                values = rows[column].dropna()
                declared_type = find_table(name).column(column).type
                if len(values):
                    found = KINDS.get(values.dtype.kind, str)
                    assert found is declared_type or (found, declared_type) == (int, float), f"{name}.{column}"


def test_a_column_that_nobody_described_is_refused():
    with pytest.raises(KeyError, match=r"runs\.surprise"):
        describe({"runs": ["surprise"]})


def test_csv_and_parquet_hold_the_same(small, built):
    for name, table in built.items():
        csv = pd.read_csv(small[1] / "tables" / f"{name}.csv")
        assert list(csv.columns) == list(table.columns)
        assert len(csv) == len(table)
        numbers = list(table.select_dtypes("float64"))
        np.testing.assert_array_equal(csv[numbers].to_numpy(dtype=float), table[numbers].to_numpy())
