"""How runs go: median and quartiles over evaluation seeds, step by step, of what was measured and of the gradients."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import histories, intervals, targets
from thalweg.analysis.choose import CELL
from thalweg.analysis.histories import FINISHED, LOST
from thalweg.grid.experiment import Experiment

DIAGNOSTICS = ("gradient_norm", "update_ratio", "gradient_noise_scale", "batch_gradient_variance")
"""What is told of gradients, as far as it was recorded."""

SPREAD = ["n", *LOST, "median", "lower", "upper"]
POINT = ["step", "epoch", "examples"]

Quantities = Iterable[tuple[dict[str, str], str, float]]
"""The names that tell a quantity from others, its column in the histories, and what a lost run counts as."""


def table(
    evaluation: pd.DataFrame, recorded: pd.DataFrame, experiment: Experiment, examples: Mapping[str, float]
) -> pd.DataFrame:
    """A row a cell, split, metric and step: median and quartiles over the evaluation runs at the chosen rate.

    From where a run diverged or was out of time to the horizon it counts as the worst value there is, so that it stays
    in every quantile. One that reached its target counts as what it was there. `examples` are those of the training
    split, by problem.
    """
    found = histories.metrics(recorded.columns)
    quantities = [({"split": one.split, "metric": one.name}, one.column, one.worst) for one in found]
    return _table(evaluation, recorded, quantities, ["split", "metric"], experiment, examples)


def diagnostics(
    evaluation: pd.DataFrame, recorded: pd.DataFrame, experiment: Experiment, examples: Mapping[str, float]
) -> pd.DataFrame:
    """The same of each quantity of DIAGNOSTICS, from the first step at which it was recorded.

    The worst value is infinity. `batch_gradient_variance` is tr(Σ) / batch size, the variance of a batch's gradient
    (McCandlish et al. 2018, arXiv:1812.06162, section 2.2). Where an epoch is one batch nothing is known of either
    quantity of noise, and there is no row.
    """
    if "gradient_variance" in recorded:
        batch_sizes = recorded["run"].map(evaluation.drop_duplicates("run").set_index("run")["batch_size"])
        recorded = recorded.assign(batch_gradient_variance=recorded["gradient_variance"] / batch_sizes)
    quantities = [({"quantity": name}, name, np.inf) for name in DIAGNOSTICS if name in recorded]
    return _table(evaluation, recorded, quantities, ["quantity"], experiment, examples)


def _table(
    evaluation: pd.DataFrame,
    recorded: pd.DataFrame,
    quantities: Quantities,
    names: list[str],
    experiment: Experiment,
    examples: Mapping[str, float],
) -> pd.DataFrame:
    parts = list(_spreads(evaluation, recorded, quantities))
    order = [*CELL, *names, *POINT, *SPREAD]
    if not parts:
        return evaluation.iloc[:0].reindex(columns=order)
    made = pd.concat(parts, ignore_index=True)
    made["epoch"] = made["step"] / made["steps_per_epoch"]
    made["examples"] = targets.examples_seen(made["step"], made, experiment, examples)
    return made[order]


def _spreads(evaluation: pd.DataFrame, recorded: pd.DataFrame, quantities: Quantities) -> Iterator[pd.DataFrame]:
    """A frame for each quantity and each cell whose problem has it."""
    reached = evaluation[["run", *CELL]].merge(recorded.drop_duplicates(["run", "step"]), on="run")
    for names, column, worst in quantities:
        there = reached[reached[column].notna()]
        measured = set(there["problem"])
        by_cell = dict(iter(there.groupby(CELL, sort=False)))
        points = {key: set(steps) for key, steps in there.groupby(["problem", "batch_size"])["step"]}
        for key, group in evaluation.groupby(CELL, sort=False):
            problem, _, _, batch_size = key
            rows = by_cell.get(key, there.iloc[:0])
            # What finished runs did not record is not known, and not infinite.
            if problem in measured and not (rows.empty and group["outcome"].isin(FINISHED).any()):
                steps = np.array(sorted({*points.get((problem, batch_size), ()), group["steps"].iloc[0]}))
                alike = {**dict(zip(CELL, key, strict=True)), **names}
                alike["steps_per_epoch"] = group["steps_per_epoch"].iloc[0]
                yield _spread(group, rows, column, worst, steps).assign(**alike)


def _spread(group: pd.DataFrame, rows: pd.DataFrame, column: str, worst: float, steps: Any) -> pd.DataFrame:
    """SPREAD of a cell's runs at each of `steps`; `rows` are their histories."""
    seed_of, step_of = pd.Index(group["run"]).get_indexer(rows["run"]), np.searchsorted(steps, rows["step"])
    there = np.zeros((len(group), len(steps)), bool)
    there[seed_of, step_of] = True
    values = np.full(there.shape, worst)
    values[seed_of, step_of] = rows[column]
    ended_well = group["outcome"].isin(FINISHED).to_numpy()
    latest = np.maximum.accumulate(np.where(there, np.arange(len(steps)), 0), axis=1)
    values[ended_well] = np.take_along_axis(values, latest, axis=1)[ended_well]
    lost = {name: (~there & (group["outcome"] == how).to_numpy()[:, None]).sum(axis=0) for name, how in LOST.items()}
    ordered = np.sort(values, axis=0)
    shares = {"median": 0.5, "lower": 0.25, "upper": 0.75}
    quantiles = {name: intervals.quantile(ordered, share) for name, share in shares.items()}
    return pd.DataFrame({"step": steps, "n": len(group), **lost, **quantiles})
