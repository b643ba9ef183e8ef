"""Makes up what training would leave of an experiment with the article's problems, or such: checks, shards of all jobs.

`python bench/shards.py --experiment EXPERIMENT.yaml --results RESULTS`. All runs of a horizon are made at once, so that
50,000 take seconds.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis.choose import choose, rates
from thalweg.analysis.histories import impute_failed, with_outcomes
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment, ProblemGrid
from thalweg.grid import Run, Trial, evaluation_runs, evaluation_steps, reproduction_runs, tuning_runs
from thalweg.horizon import Horizon

EXAMPLES = {"linear": 6, "sine": 100, "sine_wide": 400, "digits_cnn": 1078, "digits_mlp": 1078}
CLASSIFIERS = ("digits_cnn", "digits_mlp")
BEST_RATE = 0.03
MACHINE = {"device": "cpu", "commit": "0" * 40, "dirty": False, "command": "snakemake --cores 2", "cpu_model": "a CPU"}
MACHINE |= {"instruction_set": "avx2", "cores": 2, "memory_gib": 8, "os": "Linux", "python": "3", "tensorflow": "2"}
MACHINE |= {"keras": "3", "numpy": "2"}


def write(experiment: Experiment, results: Path) -> None:
    for problem, grid in experiment.problems.items():
        check = results / "checks" / f"{problem}.json"
        check.parent.mkdir(parents=True, exist_ok=True)
        check.write_text(json.dumps(check_of(problem)))
        for optimizer in experiment.optimizers:
            runs = rows(grid, tuning_runs(experiment, problem, optimizer), "tuning")
            histories = write_job(grid, results / "runs" / "tuning" / problem / optimizer, runs)
            chosen = {
                (row.schedule, row.batch_size): Trial(row.learning_rate)
                for row in choose(experiment, rates(impute_failed(with_outcomes(runs, histories)))).itertuples()
            }
            parts = [rows(grid, evaluation_runs(experiment, problem, optimizer, chosen), "evaluation")]
            for name, again in reproduction_runs(experiment, problem, optimizer).items():
                parts.append(rows(grid, again, "reproduction", name))
            runs = pd.concat(parts, ignore_index=True)
            write_job(grid, results / "runs" / "evaluation" / problem / optimizer, runs)


def check_of(problem: str) -> dict[str, Any]:
    """What a problem's check would have found, as far as tables and pages ask for it."""
    splits = {split: {"examples": EXAMPLES[problem], "digest": split} for split in ("train", "validation", "test")}
    check = {
        "description": "Made up.",
        "splits": splits,
        "shared": [],
        "parameters": 4353,
        "input_shape": [1],
        "output_shape": [1],
    }
    if problem in CLASSIFIERS:
        return {**check, "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "probe": None}
    probe = {"inputs": [[10.0]], "targets": [[19.0]]}
    return {**check, "loss": "mean_squared_error", "metrics": [], "probe": probe}


def rows(grid: ProblemGrid, runs: list[Run], stage: str, reproduction: str | None = None) -> pd.DataFrame:
    """The runs as a shard has them; those beyond ten times the best rate diverge half-way."""
    table = pd.DataFrame([run.row() for run in runs])
    table.insert(0, "run", [hashlib.sha256(repr(run).encode()).hexdigest() for run in runs])
    table = table.assign(stage=stage, reproduction=pd.Series(reproduction, table.index, "str"), epochs=grid.epochs)
    examples = EXAMPLES[runs[0].problem]
    in_epoch = {size: Horizon(examples, size, grid.epochs).steps_per_epoch for size in grid.batch_sizes}
    table["steps_per_epoch"] = table["batch_size"].map(in_epoch)
    table["steps"] = table["epochs"] * table["steps_per_epoch"]
    diverges = table["learning_rate"] > 10 * BEST_RATE
    table["outcome"] = np.where(diverges, "diverged", "finished")
    table["ended_at"] = table["steps"].where(~diverges, table["steps"] // 2)
    table["diverged_at"] = table["ended_at"].where(diverges).astype("Int64")
    return table


def write_job(grid: ProblemGrid, folder: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """Write the shards of a job, and return the histories."""
    histories = pd.concat([histories_of(grid, some) for _, some in runs.groupby("steps")], ignore_index=True)
    measured = runs[["run"]].assign(seconds=17e-6 * runs["ended_at"], **MACHINE)
    folder.mkdir(parents=True)
    for name, frame in {"runs": runs, "histories": histories, "measured": measured}.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
    return histories


def histories_of(grid: ProblemGrid, runs: pd.DataFrame) -> pd.DataFrame:
    """The histories of runs of one horizon: losses fall from 1 to a floor, the higher the worse the learning rate."""
    steps, problem = int(runs["steps"].iloc[0]), runs["problem"].iloc[0]
    points = np.array(evaluation_steps(steps, grid.evaluation_points))
    rate = runs["learning_rate"].to_numpy()[:, None]
    random = np.random.default_rng(steps)
    floor = 1e-3 * 10 ** (np.log10(rate / BEST_RATE) ** 2 + 0.1 * random.normal(size=rate.shape))
    loss = floor + np.exp(-12 * (points / steps) ** 0.6 + 0.05 * random.normal(size=(len(runs), len(points))))
    columns = {}
    for split, factor in (("train", 1.0), ("validation", 1.1), ("test", 1.2)):
        columns[f"{split}_loss"] = factor * loss
        if problem in CLASSIFIERS:
            columns[f"{split}_accuracy"] = 1 / (1 + factor * loss)
    if problem not in CLASSIFIERS:
        columns["probe_0"] = 19 * (1 - loss)
    taken = np.where(points > 0, 1, np.nan)
    columns |= {"gradient_norm": loss**0.5 * taken, "update_ratio": 0.01 * loss * taken}
    if grid.record:
        columns["gradient_variance"] = loss * taken
    values_table = pd.DataFrame({name: values.ravel() for name, values in columns.items()}, dtype="float32")
    at = {"run": np.repeat(runs["run"].to_numpy(), len(points)), "step": np.tile(points, len(runs))}
    at |= {"epoch": at["step"] / runs["steps_per_epoch"].iloc[0], "learning_rate": (rate * taken).ravel()}
    last = np.repeat(runs["ended_at"].to_numpy() - (runs["outcome"] == "diverged").to_numpy(), len(points))
    return pd.concat([pd.DataFrame(at), values_table], axis=1)[at["step"] <= last]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    write(load(arguments.experiment), arguments.results)
