"""The numbers that are published of runs, and the headline numbers that follow from them.

They are derived alike from an experiment's results, from a sample that was trained again, and from a published file.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL, choose, rates
from thalweg.analysis.statistics import intervals
from thalweg.certificate.published import Setting
from thalweg.experiment.schema import Experiment
from thalweg.grid import Cell, Trial, trials

Numbers = dict[Setting, dict[str, list[Any]]]
"""For each setting the final numbers of its seeds by name, None where a run has none, and the digests `bits` of their
histories."""

HeadlineValues = tuple[float, float, float]
"""A headline number, and the lower and upper end of its tolerance."""


def published_numbers(experiment: Experiment, runs: pd.DataFrame) -> Numbers:
    """The numbers that are published of runs, by setting, in the order of the grid.

    A setting that lacks a seed is left out. Numbers are in single precision, as short as they read back.

    Args:
        experiment: The experiment.
        runs: The table of runs, with their final metrics and `bits`.
    """
    ordered = histories.in_grid_order(
        runs.assign(reproduction=runs["reproduction"].fillna("")),
        experiment,
        ["stage", *CELL[:2], "batch_size", "schedule", "seed"],
    )
    numbers: Numbers = {}
    for key, group in ordered.groupby(["stage", "reproduction", *CELL, *TRIAL], sort=False):
        stage, reproduction, problem, optimizer, schedule, batch_size, rate, drawn = key
        seeds = experiment.seeds.tuning if stage == "tuning" else experiment.seeds.evaluation
        by_seed = group.set_index("seed")
        if not set(seeds) <= set(by_seed.index):
            continue
        rows = by_seed.loc[list(seeds)]
        trial = Trial(float(rate), tuple(json.loads(drawn).items()))
        setting = Setting(stage, reproduction, Cell(problem, optimizer, schedule, int(batch_size)), trial, seeds)
        values = {name: [_shortest(value) for value in rows[f"final_{name}"]] for name in _number_names(stage, rows)}
        if stage == "tuning" and experiment.problems[problem].end_at_target:
            ends = zip(rows["ended_at"], rows["outcome"], strict=True)
            values["steps_to_target"] = [int(step) if outcome == "reached target" else None for step, outcome in ends]
        numbers[setting] = {**values, "bits": list(rows["bits"])}
    # The table has the trials of a search in the order of their rates, the published file in that of their draws.
    order = {
        name: {trial: place for place, trial in enumerate(trials(optimizer))}
        for name, optimizer in experiment.optimizers.items()
    }
    return dict(sorted(numbers.items(), key=lambda item: order[item[0].cell.optimizer].get(item[0].trial, 0)))


def headline_numbers(numbers: Numbers) -> dict[Setting, dict[str, HeadlineValues]]:
    """The headline numbers that follow from runs' numbers, by setting and name, rounded to six digits.

    For a cell it is the interquartile mean of the final test loss, with its 95 % interval; for a reproduction the
    medians of the final training loss and of each prediction, with theirs. With too few seeds for an interval their
    range is taken. A number that most runs did not live to have is infinite.
    """
    headlines: dict[Setting, dict[str, HeadlineValues]] = {}
    for setting, by_name in numbers.items():
        for name in [name for name in by_name if name != "bits"] if setting.stage != "tuning" else ():
            lost = np.inf if name.endswith("loss") or setting.stage == "reproduction" else np.nan
            values = np.array([lost if value is None else np.float32(value) for value in by_name[name]], float)
            values = values[~np.isnan(values)]
            if setting.stage == "evaluation":
                value, ends = intervals.interquartile_mean(values), intervals.interquartile_mean_interval(values)
            else:
                value, ends = intervals.quartiles(values)[1], intervals.median_interval(values)
            if np.isnan(ends).any() and len(values):
                ends = values.min(), values.max()
            headlines.setdefault(setting, {})[name] = round_headline((value, *ends))
    return headlines


def chosen_trials(experiment: Experiment, numbers: Numbers) -> dict[Cell, Trial]:
    """The trial of each cell that the numbers of its tuning runs choose."""
    rows = [
        {
            **setting.cell._asdict(),
            "learning_rate": setting.trial.learning_rate,
            "hyperparameters": json.dumps(dict(setting.trial.hyperparameters)),
            "final_validation_loss": np.nan if loss is None else float(np.float32(loss)),
            "outcome": "diverged" if loss is None else "finished" if steps is None else "reached target",
            "ended_at": steps or 0,
        }
        for setting, content in numbers.items()
        if setting.stage == "tuning"
        for loss, steps in zip(
            content["validation_loss"], content.get("steps_to_target", [None] * len(setting.seeds)), strict=True
        )
    ]
    chosen = choose(experiment, rates(histories.impute_failed(pd.DataFrame(rows))))
    return {
        Cell(*row[:4]): Trial(row[4], tuple(json.loads(row[5]).items()))
        for row in chosen[[*CELL, *TRIAL]].itertuples(index=False)
    }


def round_headline(values: Iterable[float]) -> HeadlineValues:
    """Round each of three numbers to six digits. NaN stands for a number that no run had, and becomes infinite."""
    value, lower, upper = (math.inf if math.isnan(number) else float(f"{number:.6g}") for number in values)
    return value, lower, upper


def headline_to_json(values: HeadlineValues) -> list[float | None]:
    """A headline as [number, lower, upper], with null for what is infinite."""
    return [None if math.isinf(value) else value for value in values]


def trial_to_json(trial: Trial) -> dict[str, float]:
    """A trial's values by their names."""
    return {"learning_rate": trial.learning_rate, **dict(trial.hyperparameters)}


def _number_names(stage: str, rows: pd.DataFrame) -> list[str]:
    """The final numbers that are published of runs of a stage: those from which the headline numbers follow."""
    if stage != "reproduction":
        return ["validation_loss" if stage == "tuning" else "test_loss"]
    probes = histories.probes(name.removeprefix("final_") for name in rows)
    return ["train_loss", *(name for name in probes if rows[f"final_{name}"].notna().any())]


def _shortest(value: float) -> float | None:
    """A number of single precision in as few digits as tell it from all others; None where there is none."""
    return None if pd.isna(value) else float(str(np.float32(value)))
