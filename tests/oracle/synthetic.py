"""Makes up an experiment with its results, in the layout that training leaves, without training anything.

`python tests/synthetic.py EXPERIMENT.yaml RESULTS` does the same for a whole experiment file, to look at its report.
"""

import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
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
from thalweg.results.layout import surface_file, timings_file

EXAMPLES = {"linear": 6, "sine": 100, "digits_cnn": 1078}
CLASSIFIERS = ("digits_cnn",)
HOSTILE = '<script>alert(1)</script> & 50 % of "quotes"'
SMALL = f"""
title: '{HOSTILE}'
description: 'a <b>small</b> experiment & its results'
problems:
  linear: {{batch_sizes: [1, 6], epochs: 20, record: [weights]}}
  digits_cnn: {{batch_sizes: [512], epochs: 4, timing: true}}
optimizers:
  sgd: {{class: SGD, learning_rates: 1e-2 .. 1}}
  adam: {{class: Adam, learning_rates: 1e-3 .. 1e-1}}
  doomed: {{class: SGD, momentum: 0.99, learning_rates: [1.0, 3.0]}}
schedules:
  constant: {{}}
  cosine: {{class: CosineDecay, decay_steps: 100 %}}
seeds: {{tuning: 3, evaluation: 7}}
reproductions:
  snippet_1:
    says: 'says <i>19</i>'
    problem: linear
    optimizer: sgd
    schedule: constant
    learning_rate: 0.1
    batch_size: 6
"""
WIDE = """
title: A search, warmups, a target and a time limit
problems:
  linear: {batch_sizes: [4], epochs: 40, drop_remainder: true, target: validation_loss <= 1e-2, end_at_target: true}
  sine: {batch_sizes: [8, 32], epochs: 60, time_limit: 90 seconds, record: [gradient_noise]}
optimizers:
  sgd: {class: SGD, learning_rates: 1e-2 .. 1}
  searched:
    class: Adam
    epsilon: 1e-7
    search: {trials: 20, learning_rate: 1e-4 .. 1e-1, beta_1: 1 - (1e-2 .. 3e-1), amsgrad: [0, 1]}
schedules:
  warm: {warmup: 5 epochs}
  steps: {class: PiecewiseConstantDecay, boundaries: [50 %, 75 %], values: [1, 0.1, 0.01], warmup: 10 %}
seeds: {tuning: 3, evaluation: 7}
"""
TIED = """
title: Two that are the same, at three batch sizes
problems:
  linear: {batch_sizes: [6], epochs: 20}
  sine: {batch_sizes: [8, 40, 90], epochs: 20, target: validation_loss <= 2e-2}
optimizers:
  one: {class: SGD, learning_rates: 1e-3 .. 1e-1}
  two: {class: SGD, learning_rates: 1e-3 .. 1e-1}
  adam: {class: Adam, learning_rates: 1e-3 .. 1e-1}
schedules:
  constant: {}
seeds: {tuning: 3, evaluation: 7}
"""
FEW = SMALL.replace("seeds: {tuning: 3, evaluation: 7}", "seeds: {tuning: 1, evaluation: 3}").replace(
    "[1, 6]", "[1, 2, 6]"
)
"""Of too few seeds for any interval."""
CLAIMED = """
title: Claims of every kind, and batch sizes that no curve fits
problems:
  linear: {batch_sizes: [1, 6], epochs: 30, timing: true}
  sine: {batch_sizes: [25, 50, 51], epochs: 20, drop_remainder: true, record: [gradient_noise], timing: true}
optimizers:
  sgd: {class: SGD, learning_rates: 1e-2 .. 1}
  adam: {class: Adam, learning_rates: 1e-3 .. 1e-1}
schedules:
  constant: {}
  cosine: {class: CosineDecay, decay_steps: 100 %}
seeds: {tuning: 3, evaluation: 9}
reproductions:
  falls:
    says: its rate falls
    problem: sine
    optimizer: adam
    schedule: cosine
    learning_rate: 0.01
    batch_size: 25
  stays:
    says: its rate stays
    problem: linear
    optimizer: sgd
    schedule: constant
    learning_rate: 0.1
    batch_size: 6
claims:
  lower_everywhere:
    says: the cosine ends lower wherever it is tried
    compare: {schedule: cosine, with: constant}
    measure: final train loss
    expect: lower
    smallest_effect: 5 %
  higher_at_small_batches:
    says: small batches make more steps
    compare: {batch_size: 50, with: 25, optimizer: sgd}
    measure: steps an epoch
    expect: higher
  sooner:
    says: Adam is sooner
    compare: {optimizer: adam, with: sgd, schedule: constant}
    measure: epochs to validation loss <= 0.01
    expect: within 20 of 90 %
  in_steps:
    says: Adam takes fewer steps
    compare: {optimizer: adam, with: sgd, problem: sine, batch_size: 50}
    measure: steps to test loss <= 0.02
    expect: same
    smallest_effect: 1 %
  in_seconds:
    says: Adam is quicker
    compare: {optimizer: adam, with: sgd, schedule: cosine}
    measure: seconds to validation loss <= 0.01
    expect: lower
  in_seconds_by_batch_size:
    says: twice the batch is quicker
    compare: {batch_size: 50, with: 25, problem: sine}
    measure: seconds to validation loss <= 0.01
    expect: lower
    smallest_effect: 10 %
  never_there:
    says: nobody comes there
    compare: {optimizer: adam, with: sgd, problem: linear}
    measure: steps to train loss <= 1e-9
    expect: lower
  rising:
    says: SGD goes up and down
    compare: {optimizer: sgd, with: adam}
    measure: rises of train loss
    expect: higher
    smallest_effect: 1 point
  noisier:
    says: smaller batches are noisier
    compare: {batch_size: 25, with: 50, problem: sine, schedule: constant}
    measure: gradient noise
    expect: higher
    smallest_effect: 50 %
  noise_of_none:
    says: nobody recorded it
    compare: {batch_size: 1, with: 6, problem: linear}
    measure: gradient noise
    expect: higher
  rates_matter:
    says: rates matter
    of: {factor: learning_rate}
    measure: share of variance with interactions
    expect: at least 50 %
  schedules_matter_little:
    says: the schedule alone does not matter
    of: {factor: schedule, problem: sine}
    measure: share of variance
    expect: at most 10 %
  falls_always:
    says: the rate falls with every epoch
    of: {reproduction: falls}
    measure: share of epochs with a lower learning rate
    expect: at least 100 %
  stays_always:
    says: the rate stays
    of: {reproduction: stays}
    measure: share of epochs with a lower learning rate
    expect: at most 0 %
  predicts:
    says: it predicts 19
    of: {reproduction: stays}
    measure: prediction at x = 10
    expect: within 0.5 of 19
  predicts_much:
    says: it predicts 18 or more
    of: {reproduction: stays}
    measure: prediction at x = 10
    expect: at least 18
  loses_little:
    says: it ends low
    of: {reproduction: falls}
    measure: final validation loss
    expect: at most 0.01
"""
"""Made-up losses know an optimizer by the length of its name, if they do not know the name."""
TARGET = 0.01
"""What a run of `linear` is to reach, where it has a target."""

BEST_RATE = {"sgd": 0.1, "momentum": 0.03, "nesterov": 0.03, "rmsprop": 0.003, "adam": 0.01, "adamw": 0.01}
FLOOR = {"sgd": 3.0, "momentum": 1.3, "nesterov": 1.2, "rmsprop": 1.6, "adam": 1.0, "adamw": 1.02}


def write_small(folder: Path) -> tuple[Path, Path]:
    """A small experiment below `folder`; returns its file and its results. `doomed` always diverges."""
    return write_experiment(folder, "small", SMALL)


def write_wide(folder: Path) -> tuple[Path, Path]:
    """One with a search, where runs of `linear` reach a target, and some of `sine` are out of time."""
    return write_experiment(folder, "wide", WIDE)


def write_experiment(folder: Path, name: str, text: str) -> tuple[Path, Path]:
    file = folder / "experiments" / f"{name}.yaml"
    for problem in EXAMPLES:
        source = file.parent / "problems" / f"{problem}.py"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("", encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    results = folder / "results" / name
    write(load(file), results)
    return file, results


def write(experiment: Experiment, results: Path) -> None:
    """The files of every job of the experiment, and its checks."""
    for problem in experiment.problems:
        check = check_of(problem)
        path = results / "checks" / f"{problem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(check), encoding="utf-8")
        if "weights" in experiment.problems[problem].record:
            write_surface(surface_file(results, problem))
        for optimizer in experiment.optimizers:
            tuning = [(run, "tuning", None) for run in tuning_runs(experiment, problem, optimizer)]
            runs, histories = write_job(experiment, results, "tuning", tuning)
            chosen = choose(experiment, rates(impute_failed(with_outcomes(runs, histories))))
            by_cell = {
                (row.schedule, row.batch_size): Trial(row.learning_rate, tuple(json.loads(row.hyperparameters).items()))
                for row in chosen.itertuples()
            }
            evaluation: list[tuple[Run, str, str | None]] = [
                (run, "evaluation", None) for run in evaluation_runs(experiment, problem, optimizer, by_cell)
            ]
            for name, again in reproduction_runs(experiment, problem, optimizer).items():
                evaluation += [(run, "reproduction", name) for run in again]
            write_job(experiment, results, "evaluation", evaluation)
        if experiment.problems[problem].timing:
            file = timings_file(results, problem)
            file.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(turns(experiment, problem)).to_parquet(file, index=False)


def write_job(
    experiment: Experiment, results: Path, stage: str, wanted: Sequence[tuple[Run, str, str | None]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, histories, measured = [], {}, {}
    for run, stage_of_run, reproduction in wanted:
        digest = hashlib.sha256(repr(run).encode()).hexdigest()
        grid = experiment.problems[run.problem]
        horizon = grid.horizon(EXAMPLES[run.problem], run.batch_size)
        outcome, ended_at, points = trained(grid, run, horizon)
        histories[digest] = pd.DataFrame(points).assign(run=digest)
        rows.append(
            {"run": digest, "stage": stage_of_run, "reproduction": reproduction, **run.row()}
            | {"epochs": grid.epochs, "steps_per_epoch": horizon.steps_per_epoch, "steps": horizon.steps}
            | {"outcome": outcome, "ended_at": ended_at}
            | {"diverged_at": ended_at if outcome == "diverged" else None}
        )
        measured[digest] = measurement(digest, horizon)
    folder = results / "runs" / stage / wanted[0][0].problem / wanted[0][0].optimizer
    folder.mkdir(parents=True, exist_ok=True)
    runs = pd.DataFrame(rows).astype({"diverged_at": "Int64", "reproduction": "str"})
    history_frame = pd.concat(histories.values(), ignore_index=True)
    metrics = [name for name in history_frame if "_" in name and name != "learning_rate"]
    history_frame = history_frame.astype(dict.fromkeys(metrics, "float32"))
    runs.to_parquet(folder / "runs.parquet", index=False)
    history_frame.to_parquet(folder / "histories.parquet", index=False)
    pd.DataFrame(measured.values()).to_parquet(folder / "measured.parquet", index=False)
    return runs, history_frame


def write_surface(file: Path) -> None:
    """A round bowl, with its bottom at (2, −1), a point of the grid."""
    weight_0, weight_1 = (axis.ravel() for axis in np.meshgrid(*np.linspace([1.25, -1.75], [2.75, -0.25], 13).T))
    surface = {"weight_0": weight_0, "weight_1": weight_1, "train_loss": (weight_0 - 2) ** 2 + (weight_1 + 1) ** 2}
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(surface, dtype="float32").to_parquet(file, index=False)


def lose_everything(results: Path) -> None:
    """Make every run of `results` one that diverged at step 0 and has no row in the histories.

    Evaluation runs then are at the smallest rate, which is chosen where all diverged.
    """
    for path in results.rglob("runs.parquet"):
        runs = pd.read_parquet(path).assign(outcome="diverged", ended_at=0, diverged_at=0)
        tuning = pd.read_parquet(results / "runs" / "tuning" / path.relative_to(results / "runs" / path.parts[-4]))
        runs["learning_rate"] = runs["learning_rate"].mask(runs["stage"] == "evaluation", tuning["learning_rate"].min())
        runs.astype({"diverged_at": "Int64"}).to_parquet(path, index=False)
        histories = path.with_name("histories.parquet")
        pd.read_parquet(histories).iloc[:0].to_parquet(histories, index=False)


def lose_evaluation(results: Path, problem: str, optimizer: str, kept: int) -> None:
    """Take away the evaluation runs of an optimizer on a problem, but for those of its `kept` first seeds."""
    folder = results / "runs" / "evaluation" / problem / optimizer
    runs = pd.read_parquet(folder / "runs.parquet")
    there = runs[runs["seed"].isin(sorted(set(runs["seed"]))[:kept])]
    there.to_parquet(folder / "runs.parquet", index=False)
    for name in ("histories", "measured"):
        shard = pd.read_parquet(folder / f"{name}.parquet")
        shard[shard["run"].isin(there["run"])].to_parquet(folder / f"{name}.parquet", index=False)


def trained(grid: ProblemGrid, run: Run, horizon: Horizon) -> tuple[str, int, list[dict[str, Any]]]:
    """How a run ended and where, with its history as far as it came."""
    points = list(history(grid, run, horizon))
    diverged_at = diverges(run, horizon)
    if diverged_at:
        return "diverged", diverged_at, points
    if grid.time_limit and run.seed % 7 == 2:
        ended_at = horizon.steps // 2
        return "out of time", ended_at, [point for point in points if point["step"] <= ended_at]
    reached = [point["step"] for point in points if grid.end_at_target and point["validation_loss"] <= TARGET]
    if reached:
        return "reached target", reached[0], [point for point in points if point["step"] <= reached[0]]
    return "finished", horizon.steps, points


def diverges(run: Run, horizon: Horizon) -> int | None:
    """The step at which a run diverges: beyond ten times its optimizer's best rate, and by bad luck near it."""
    if run.optimizer == "doomed":
        return 2
    excess = run.learning_rate / BEST_RATE.get(run.optimizer, 0.01)
    if excess > 9 or (excess > 2.5 and run.seed % 4 == 1):
        return max(1, horizon.steps // 3)
    return None


def history(grid: ProblemGrid, run: Run, horizon: Horizon) -> Iterator[dict[str, Any]]:
    noise = np.random.default_rng([run.seed, run.batch_size, len(run.schedule), len(run.optimizer)])
    # What is searched beside the rate matters too: the worse, the farther beta_1 is from 0.9.
    searched = 1 + 40 * abs(dict(run.hyperparameters).get("beta_1", 0.9) - 0.9)
    start = math.exp(0.2 * np.random.default_rng(run.seed).normal())
    decades = math.log10(run.learning_rate / BEST_RATE.get(run.optimizer, 0.01))
    schedule_gain = {"constant": 1.6, "staircase": 1.2}.get(run.schedule, 1.0)
    floor = 1e-3 * FLOOR.get(run.optimizer, 1) * schedule_gain * math.exp(0.25 * noise.normal())
    floor = min(floor * 10**decades**2 * searched, start)
    end = diverges(run, horizon) or math.inf
    for step in evaluation_steps(horizon.steps, grid.evaluation_points):
        if step >= end:
            return
        share = step / horizon.steps
        loss = floor + (start - floor) * math.exp(-12 * share**0.6) * math.exp(0.05 * noise.normal())
        row: dict[str, Any] = {"step": step, "epoch": step / horizon.steps_per_epoch}
        row["learning_rate"] = float(np.float32(run.learning_rate * relative(run.schedule, share))) if step else None
        for split, factor in (("train", 1.0), ("validation", 1.1), ("test", 1.2)):
            row[f"{split}_loss"] = factor * loss
            if run.problem in CLASSIFIERS:
                row[f"{split}_accuracy"] = 1 / (1 + factor * loss)
        row |= {"gradient_norm": loss**0.5 if step else None, "update_ratio": 0.01 * loss if step else None}
        if run.problem not in CLASSIFIERS:
            row["probe_0"] = 19 * (1 - loss * noise.uniform(0.5, 1.5))
        if "gradient_noise" in grid.record:
            scale = math.exp(3 * share + 0.3 * noise.normal())
            row |= {"full_gradient_norm": loss**0.5, "gradient_variance": scale * loss, "gradient_noise_scale": scale}
        if "weights" in grid.record:
            angle = 3 * share + run.seed
            row |= {"weight_0": 2 + loss**0.5 * math.cos(angle), "weight_1": -1 + loss**0.5 * math.sin(angle)}
        yield row


def relative(schedule: str, share: float) -> float:
    if schedule == "staircase":
        return 0.96 ** math.floor(20 * share)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    if schedule == "warm":
        return min(1.0, 8 * share)
    if schedule == "steps":
        return 10 * share if share < 0.1 else 1.0 if share < 0.6 else 0.1 if share < 0.85 else 0.01
    if schedule == "warmup":
        return 10 * share if share < 0.1 else 0.5 * (1 + math.cos(math.pi * (share - 0.1) / 0.9))
    return 1.0


def measurement(digest: str, horizon: Horizon) -> dict[str, Any]:
    return {
        "run": digest,
        "seconds": horizon.steps * 17e-6 * (1 + int(digest[:2], 16) / 512),
        "cpu_model": "Example CPU @ 2.50GHz",
        "instruction_set": "avx512",
        "cores": 2,
        "memory_gib": 8.0,
        "os": "Linux 6.1",
        "python": "3.11.2",
        "tensorflow": "2.21.0",
        "keras": "3.15.0",
        "numpy": "2.3.0",
        "device": "cpu",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "dirty": digest.startswith("0"),
        "command": "snakemake --cores 2",
    }


def turns(experiment: Experiment, problem: str) -> Iterator[dict[str, Any]]:
    """Eleven rounds of timing: each later optimizer takes a tenth longer, and each round and batch size is slow in its
    own way."""
    optimizers = list(experiment.optimizers)
    for number, slowness in enumerate(1 + 0.05 * np.random.default_rng(0).exponential(size=11), start=1):
        for batch_size in experiment.problems[problem].batch_sizes:
            for place in np.random.default_rng(number).permutation(len(optimizers)):
                uneven = number * place * batch_size % 7
                yield {
                    "problem": problem,
                    "batch_size": batch_size,
                    "optimizer": optimizers[place],
                    "round": number,
                    "microseconds": batch_size * slowness * (1 + 0.1 * place) * (1 + 0.01 * uneven),
                    "steps": 3,
                    "device": "cpu",
                    "threads": 1,
                    **{key: measurement("00", Horizon(1, 1, 1))[key] for key in ("cpu_model", "cores")},
                }


def check_of(problem: str) -> dict[str, Any]:
    def split(name: str, examples: int) -> dict[str, Any]:
        return {"examples": examples, "digest": hashlib.sha256(f"{problem} {name}".encode()).hexdigest()}

    examples = EXAMPLES[problem]
    validation = split("train", examples) if problem == "linear" else split("validation", examples // 3)
    return {
        "problem": problem,
        "description": f"What {problem} is <i>about</i>.\n\nA second paragraph & more.",
        "data": hashlib.sha256(problem.encode()).hexdigest(),
        "model": hashlib.sha256(f"{problem} model".encode()).hexdigest(),
        "in_memory": True,
        "splits": {"train": split("train", examples), "validation": validation, "test": split("test", 2 * examples)},
        "shared": [
            {"splits": ["train", "validation"], "examples": examples}
            if problem == "linear"
            else {"splits": ["validation", "test"], "examples": 2}
        ],
        "input_shape": [8, 8, 1] if problem in CLASSIFIERS else [1],
        "output_shape": [10] if problem in CLASSIFIERS else [1],
        "parameters": 2 if problem == "linear" else 4353,
        "loss": "sparse_categorical_crossentropy" if problem in CLASSIFIERS else "mean_squared_error",
        "metrics": ["accuracy"] if problem in CLASSIFIERS else [],
        "probe": None if problem in CLASSIFIERS else {"inputs": [[10.0]], "targets": [[19.0]]},
    }


if __name__ == "__main__":
    write(load(Path(sys.argv[1])), Path(sys.argv[2]))
