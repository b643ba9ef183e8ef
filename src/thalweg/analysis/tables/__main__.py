"""The experiment's results as tables, each as Parquet and CSV: `python -m thalweg.analysis.tables`.

What follows from the runs alone is the same bytes whenever it is built again. What a clock measured lies in a folder of
its own, with all that rests on it.
"""

import argparse
import gc
import io
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray

from thalweg.analysis import MEASURED, TABLES, dictionary, histories
from thalweg.analysis.choose import CELL, TRIAL, best, choose, rates
from thalweg.analysis.claims import table as claims_table
from thalweg.analysis.claims.runs import Results, Targets, find_unknown_metrics
from thalweg.analysis.histories import FINISHED, LOST
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import (
    budgets,
    comparisons,
    curves,
    factors,
    improvements,
    paths,
    profiles,
    ranks,
    scaling,
    sensitivity,
    targets,
    timings,
)
from thalweg.experiment.errors import format_mistakes
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.results import layout
from thalweg.results.files import write_atomically

KEYS = ("problem", "stage", "reproduction", "optimizer", "schedule", "batch_size", *TRIAL, "seed", "step")
ENVIRONMENT = (
    "device",
    "cpu_model",
    "instruction_set",
    "cores",
    "memory_gib",
    "os",
    "python",
    "tensorflow",
    "keras",
    "numpy",
    "commit",
    "dirty",
    "command",
)
"""Where a run was trained, and with what."""
IN_GRID_ORDER = (
    "runs",
    "curves",
    "diagnostics",
    "rates",
    "targets",
    "budgets",
    "sensitivity",
    "schedules",
    "paths",
    "surfaces",
    "seconds",
)
"""The tables whose rows are sorted by all their KEYS; the others come in an order of their own."""

_NONE = np.array([], int)
"""The places of a cell's runs where there is none."""


class Gathered(NamedTuple):
    """What tables are made of: all runs with their outcomes; the same with lost ones counted as the worst, and the
    evaluation runs at the chosen trials among them; what all recorded; how each trial did and which were chosen; the
    true values at probe points; and what was timed in turn."""

    runs: pd.DataFrame
    counted: pd.DataFrame
    evaluation: pd.DataFrame
    recorded: pd.DataFrame
    by_rate: pd.DataFrame
    chosen: pd.DataFrame
    truths: Targets
    turns: pd.DataFrame


def gather(experiment: Experiment, results: Path) -> Gathered:
    """Read what training left in `results` (results/<experiment>). Raises FileNotFoundError where that is nothing."""
    runs, recorded = histories.trained(experiment, results)
    runs["log_test_loss_area"] = targets.areas(runs, recorded)
    runs["examples_to_target"] = comparisons.examples_to_target(experiment, runs)
    counted = histories.counting_lost(runs)
    by_rate = rates(counted[counted["stage"] == "tuning"])
    chosen = choose(experiment, by_rate)
    evaluation = counted[counted["stage"] == "evaluation"].merge(chosen[[*CELL, *TRIAL]])
    truths, turns = probe_targets(experiment, results), timings.read(experiment, results)
    return Gathered(runs, counted, evaluation, recorded, by_rate, chosen, truths, turns)


def judged(experiment: Experiment, gathered: Gathered) -> dict[str, pd.DataFrame]:
    """The tables of claims, those in seconds apart."""
    claimed = Results(gathered.counted, gathered.evaluation, gathered.recorded, gathered.truths)
    return {
        "claims": claims_table.build_table(experiment, claimed),
        "claims_in_seconds": timings.claims_in_seconds(experiment, claimed, gathered.turns),
    }


def build(experiment: Experiment, results: Path) -> dict[str, pd.DataFrame]:
    """Every table by name, from what training left in `results` (results/<experiment>)."""
    gathered = gather(experiment, results)
    runs, counted, evaluation, recorded, by_rate, chosen, truths, turns = gathered
    measured = histories.read(experiment, results, "measured").drop_duplicates("run")
    tuning = counted[counted["stage"] == "tuning"]
    by_cell = cells(chosen, evaluation)
    examples = targets.examples_of(experiment, results)
    reached = targets.times(evaluation, recorded, targets.of_problems(experiment, evaluation), experiment, examples)
    preferred = best(chosen, by_rate, CELL[:2])
    profile, score = profiles.tables(reached, evaluation, preferred, experiment)
    tables = {
        "runs": runs,
        "cells": by_cell,
        "curves": curves.table(evaluation, recorded, experiment, examples),
        "diagnostics": curves.diagnostics(evaluation, recorded, experiment, examples),
        "rates": with_lost_shares(by_rate),
        "targets": targets.table(reached, experiment, examples),
        "arrivals": targets.arrivals(reached, preferred, experiment),
        "profiles": profile,
        "scores": score,
        "scaling": scaling.table(reached, preferred, experiment),
        "budgets": budgets.table(tuning, by_rate),
        "sensitivity": sensitivity.table(experiment, by_rate),
        "comparisons": comparisons.table(experiment, by_cell, evaluation),
        "improvements": improvements.table(experiment, by_cell, evaluation),
        "ranks": ranks.table(experiment, by_cell, evaluation),
        **judged(experiment, gathered),
        "factors": factors.table(experiment, tuning),
        "schedules": schedules(runs, recorded),
        "paths": paths.table(evaluation, recorded),
        "surfaces": paths.surfaces(experiment, results),
        "reproductions": reproductions(experiment, counted, truths),
        "counts": counts(experiment, runs),
        "provenance": provenance(measured),
        "seconds": seconds(runs, measured),
        "timings": timings.table(experiment, turns),
    }
    for name in IN_GRID_ORDER:
        tables[name] = histories.in_grid_order(tables[name], experiment, [key for key in KEYS if key in tables[name]])
    for name in ("runs", "paths"):
        tables[name] = tables[name].astype({"run": "str"})
    return tables


def cells(chosen: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """A row a cell: the chosen trial, then the test metrics of its evaluation runs with 95 % intervals over seeds.

    The interval is that of the interquartile mean; the median of final metrics is given beside it.
    """
    places = evaluation.groupby(CELL, sort=False).indices
    of_cells = [places.get(key, _NONE) for key in chosen[CELL].itertuples(index=False, name=None)]
    made = pd.DataFrame({"n": [len(runs) for runs in of_cells]})
    for column, outcome in LOST.items():
        lost = (evaluation["outcome"] == outcome).to_numpy()
        made[column] = [lost[runs].sum() for runs in of_cells]
    made["diverged_share"] = made["diverged"] / made["n"]
    made["diverged_share_lower"], made["diverged_share_upper"] = intervals.wilson(made["diverged"], made["n"])
    made["interval"] = np.where(made["n"] >= intervals.FEWEST, "bootstrap", "too few seeds")
    names = [name for name in evaluation if name.startswith(("final_test_", "best_test_"))]
    for name in [*names, "log_test_loss_area", "examples_to_target"]:
        values = [evaluation[name].to_numpy()[runs] for runs in of_cells]
        made[name] = [intervals.interquartile_mean(one) for one in values]
        made[[f"{name}_lower", f"{name}_upper"]] = [intervals.interquartile_mean_interval(one) for one in values]
        if name.startswith("final_"):
            made[f"{name}_median"] = [intervals.quartiles(one)[1] for one in values]
    named = {name: f"tuning_{name}" for name in ("runs", *LOST, "validation_loss", "steps_to_target")}
    order = [*CELL, *TRIAL, "edge", *named.values()]
    return pd.concat([chosen.rename(columns=named)[order], made], axis=1)


def with_lost_shares(by_rate: pd.DataFrame) -> pd.DataFrame:
    """What `choose.rates` gives, with the share of runs that diverged or were out of time and its 95 % interval."""
    lost = by_rate[list(LOST)].sum(axis=1)
    lower, upper = intervals.wilson(lost, by_rate["n"])
    return by_rate.assign(lost_share=lost / by_rate["n"], lost_share_lower=lower, lost_share_upper=upper)


def schedules(runs: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """A row a problem, batch size, schedule and step: the learning rate as applied, relative to its peak."""
    keys = ["problem", "schedule", "batch_size", "step"]
    columns = ["run", "problem", "schedule", "batch_size", "learning_rate", "steps_per_epoch"]
    peaks = runs[columns].drop_duplicates("run").rename(columns={"learning_rate": "peak"})
    applied = recorded.loc[recorded["learning_rate"].notna(), ["run", "step", "learning_rate"]].merge(peaks, on="run")
    applied["relative"] = applied["learning_rate"] / applied["peak"]
    applied["epoch"] = applied["step"] / applied["steps_per_epoch"]
    # A rate is applied in single precision, so that peaks differ in the relative rate's seventh digit.
    return applied.groupby(keys, as_index=False)[["epoch", "relative"]].median().round({"relative": 6})


def probe_targets(experiment: Experiment, results: Path) -> dict[str, list[tuple[list[float], float]]]:
    """For each problem with probe points, in the order of the columns probe_0, probe_1 …: the point, the true value."""
    targets = {}
    for problem in experiment.problems:
        file = layout.check_file(results, problem)
        probe = json.loads(file.read_text(encoding="utf-8")).get("probe") if file.is_file() else None
        if probe:
            pairs = zip(probe["inputs"], probe["targets"], strict=True)
            targets[problem] = [(list(np.ravel(x)), float(truth)) for x, truths in pairs for truth in np.ravel(truths)]
    return targets


def reproductions(experiment: Experiment, counted: pd.DataFrame, targets: Targets) -> pd.DataFrame:
    """A row a reproduction and quantity: the final train loss, and the prediction at each probe point.

    A run that diverged or was out of time counts as infinite, in a prediction too, as it does in claims.
    """
    rows = []
    for name, one in experiment.reproductions.items():
        runs = counted[(counted["stage"] == "reproduction") & (counted["reproduction"] == name)]
        setting = {"reproduction": name, **one.model_dump(include={*CELL, "learning_rate"})}
        setting |= histories.lost(runs)
        rows.append({**setting, "quantity": "train_loss", **_spread(runs["final_train_loss"].to_numpy())})
        for k, (point, truth) in enumerate(targets.get(one.problem, [])):
            predicted = runs[f"final_probe_{k}"].where(runs["outcome"].isin(FINISHED), np.inf).to_numpy(dtype=float)
            at = ", ".join(f"{coordinate:g}" for coordinate in point)
            rows.append({**setting, "quantity": f"probe_{k}", "input": at, "target": truth, **_spread(predicted)})
    order = ["reproduction", *CELL, "learning_rate", "quantity", "input", "target", "n", *LOST]
    return pd.DataFrame(rows, columns=[*order, "median", "lower", "upper", "minimum", "maximum"])


def counts(experiment: Experiment, runs: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and stage: how many runs were declared, how each of them ended, how many are missing and of
    which optimizers.

    Runs that reached their target are among those that finished.
    """
    there = runs.groupby(["problem", "stage", "outcome"]).size().to_dict()
    by_optimizer = runs.groupby(["problem", "stage", "optimizer"]).size().to_dict()
    rows = []
    for (problem, stage), number in declared(experiment).items():
        lacking = [
            name
            for name in experiment.optimizers
            if by_optimizer.get((problem, stage, name), 0) < declared(experiment, name)[problem, stage]
        ]
        ended = {outcome: there.get((problem, stage, outcome), 0) for outcome in (*FINISHED, *LOST.values())}
        rows.append(
            {
                "problem": problem,
                "stage": stage,
                "declared": number,
                "finished": sum(ended[outcome] for outcome in FINISHED),
                "reached_target": ended["reached target"],
                **{column: ended[outcome] for column, outcome in LOST.items()},
                "missing": number - sum(ended.values()),
                "missing_of": ", ".join(lacking),
            }
        )
    return pd.DataFrame(rows)


def provenance(measured: pd.DataFrame) -> pd.DataFrame:
    """A row a distinct environment, and the number of runs that were trained in it, the most first."""
    columns = list(ENVIRONMENT)
    found = measured.groupby(columns, dropna=False, as_index=False).agg(runs=("run", "size"))
    return found.sort_values(["runs", *columns], ascending=[False] + [True] * len(columns), ignore_index=True)


def seconds(runs: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """A row a problem, optimizer, batch size, device and processor: what the runs that finished cost.

    A run whose initial weights are at its target takes no step, and tells nothing of what one costs.
    """
    keys = ["problem", "optimizer", "batch_size", "device", "cpu_model"]
    finished = runs[runs["outcome"].isin(FINISHED) & (runs["ended_at"] > 0)].drop_duplicates("run")
    cost = finished[["run", "problem", "optimizer", "batch_size", "ended_at"]].merge(measured, on="run")
    cost["microseconds"] = 1e6 * cost["seconds"] / cost["ended_at"]
    rows = []
    for key, group in cost.groupby(keys, sort=True, dropna=False):
        lower, median, upper = intervals.quartiles(group["microseconds"].to_numpy())
        steps = int(group["ended_at"].sum())
        rows.append((*key, len(group), steps, float(group["seconds"].sum()), median, lower, upper))
    return pd.DataFrame(rows, columns=[*keys, "n", "steps", "seconds", "median", "lower", "upper"])


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    lower, upper = intervals.median_interval(values)
    ends = (float(values.min()), float(values.max())) if len(values) else (np.nan, np.nan)
    names = ("n", "median", "lower", "upper", "minimum", "maximum")
    return dict(zip(names, (len(values), intervals.quartiles(values)[1], lower, upper, *ends), strict=True))


def write(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as Parquet and CSV, and the dictionary that says what their columns mean."""
    for name, table in {**tables, "dictionary": dictionary.describe(tables)}.items():
        place = folder if name in TABLES or name == "dictionary" else folder / MEASURED
        write_atomically(place / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode())
        if name != "dictionary":
            write_atomically(place / f"{name}.parquet", _parquet(table))


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def missing(name: str, counts: pd.DataFrame) -> str | None:
    """What is told of the declared runs that are not there, and whose they are; None where all are."""
    lost, wanted = int(counts["missing"].sum()), int(counts["declared"].sum())
    whose = [
        f"{row.problem}, {row.stage}: {row.missing:,} ({row.missing_of})"
        for row in counts[counts["missing"] > 0].itertuples()
    ]
    return f"[tables] {name}: {lost:,} of {wanted:,} runs are missing: {'; '.join(whose)}" if lost else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    if mistakes := find_unknown_metrics(experiment, arguments.results):
        sys.exit(format_mistakes(arguments.experiment, mistakes))
    # There is hardly any garbage to be looked for, and the memory of large frames that is given back to the system, as
    # Arrow's own allocator does, is soon wanted again: both together take a twelfth of the time.
    gc.disable()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    try:
        tables = build(experiment, arguments.results)
    except FileNotFoundError as error:
        sys.exit(str(error))
    write(tables, arguments.output)
    line = missing(experiment.name, tables["counts"])
    if line:
        print(line, flush=True)


if __name__ == "__main__":
    main()
