"""How runs go: median and quartiles over evaluation seeds, step by step, of what was measured and of the gradients."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories, targets
from thalweg.analysis.choose import CELL
from thalweg.analysis.columns import Column
from thalweg.analysis.histories import FAILURES, FINISHED
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics import intervals
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment

SPREAD = ["n", *FAILURES, "median", "lower", "upper"]

POINT = ["step", "epoch", "examples"]

SHARES = {"median": 0.5, "lower": 0.25, "upper": 0.75}

SHARED = ["problem", "batch_size"]
"""What cells have in common whose runs are evaluated at the same steps."""

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
    return tabulate(evaluation, recorded, quantities, ["split", "metric"], experiment, examples)


def tabulate(
    evaluation: pd.DataFrame,
    recorded: pd.DataFrame,
    quantities: Quantities,
    names: list[str],
    experiment: Experiment,
    examples: Mapping[str, float],
) -> pd.DataFrame:
    parts = [part for part in _spreads(evaluation, recorded, quantities) if len(part)]
    order = [*CELL, *names, *POINT, *SPREAD]
    if not parts:
        return evaluation.iloc[:0].reindex(columns=order)
    points = pd.concat(parts, ignore_index=True)
    of_cells = evaluation[[*CELL, "steps_per_epoch"]].take(points["place"]).reset_index(drop=True)
    points = pd.concat([of_cells, points], axis=1).astype(dict.fromkeys(names, "str"))
    points["epoch"] = points["step"] / points["steps_per_epoch"]
    points["examples"] = targets.examples_seen(points["step"], points, experiment, examples)
    return points[order]


def _spreads(evaluation: pd.DataFrame, recorded: pd.DataFrame, quantities: Quantities) -> Iterator[pd.DataFrame]:
    """A frame for each quantity and each problem and batch size that has it, whose runs share their steps: SPREAD, and
    of each cell the `place` in `evaluation` of its first run."""
    evaluation = evaluation.reset_index(drop=True)
    reached = evaluation[["run"]].reset_index(names="place").merge(recorded, on="run")
    reached = reached.drop(columns="run").drop_duplicates(["place", "step"])
    sharing = evaluation.groupby(SHARED, sort=False)
    found = dict(iter(reached.groupby(sharing.ngroup().to_numpy()[reached["place"]])))
    groups = [
        (problem, group, [*group.groupby(CELL, sort=False).indices.values()], found.get(number, reached.iloc[:0]))
        for number, ((problem, _), group) in enumerate(sharing)
    ]
    for names, column, worst in quantities:
        measured = {problem for problem, *_, rows in groups if rows[column].notna().any()}
        for problem, group, cells, rows in groups:
            if problem in measured:
                there = rows.loc[rows[column].notna(), ["place", "step", column]]
                yield _of_cells(group, cells, there, column, worst).assign(**names)


def _of_cells(
    group: pd.DataFrame, cells: list[NDArray[np.int64]], rows: pd.DataFrame, column: str, worst: float
) -> pd.DataFrame:
    """SPREAD of every cell of a problem and batch size, step by step. `cells` are the places of each one's runs in
    `group`, and `rows` the histories of these runs."""
    steps = np.union1d(rows["step"], group["steps"].iloc[:1])
    run_of, step_of = group.index.get_indexer(rows["place"]), np.searchsorted(steps, rows["step"])
    there = np.zeros((len(group), len(steps)), bool)
    there[run_of, step_of] = True
    values = np.full(there.shape, worst)
    values[run_of, step_of] = rows[column]
    ended_well = group["outcome"].isin(FINISHED).to_numpy()
    latest = np.maximum.accumulate(np.where(there, np.arange(len(steps)), 0), axis=1)
    values[ended_well] = np.take_along_axis(values, latest, axis=1)[ended_well]
    lost = {name: ~there & (group["outcome"] == how).to_numpy()[:, None] for name, how in FAILURES.items()}
    # What finished runs did not record is not known, and not infinite.
    cells = [runs for runs in cells if there[runs].any() or not ended_well[runs].any()]
    ordered = [np.sort(values[runs], axis=0) for runs in cells]
    columns = {
        "n": [np.full(len(steps), len(runs)) for runs in cells],
        **{name: [of_runs[runs].sum(axis=0) for runs in cells] for name, of_runs in lost.items()},
        **{name: [intervals.quantile(one, share) for one in ordered] for name, share in SHARES.items()},
    }
    flat_columns = {name: np.ravel(of_cells) for name, of_cells in columns.items()}
    places = np.repeat(group.index[[runs[0] for runs in cells]], len(steps))
    return pd.DataFrame({"place": places, "step": np.tile(steps, len(cells)), **flat_columns})


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.evaluation, inputs.recorded, inputs.experiment, inputs.examples)


TABLE = Table(
    build=build,
    keys=(*CELL, "step"),
    columns={
        "n": Column(
            int, "evaluation runs at the chosen rate, diverged ones and those out of time included", unit="runs"
        ),
        "split": Column(str, "the examples on which the metric was taken"),
        "metric": Column(str, "the metric's name"),
        "diverged": Column(int, "how many had diverged by this step; they count as the worst value", unit="runs"),
        "out_of_time": Column(
            int, "how many had been stopped before this step; they count as the worst value", unit="runs"
        ),
        "median": Column(float, "median over the runs; one that reached its target before counts as it was there"),
        "lower": Column(float, "first quartile over the runs"),
        "upper": Column(float, "third quartile over the runs"),
    },
)
