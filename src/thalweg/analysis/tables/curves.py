"""How runs go: median and quartiles over evaluation seeds, step by step, of what was measured and of the gradients."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.histories import FINISHED, LOST
from thalweg.analysis.statistics import intervals
from thalweg.analysis.tables import targets
from thalweg.experiment.schema import Experiment

DIAGNOSTICS = ("gradient_norm", "update_ratio", "gradient_noise_scale", "batch_gradient_variance")
"""What is told of gradients, as far as it was recorded."""

SPREAD = ["n", *LOST, "median", "lower", "upper"]
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
        batch_sizes = evaluation.drop_duplicates("run").set_index("run")["batch_size"]
        of_runs = recorded["run"].map(batch_sizes).astype(float)
        recorded = recorded.assign(batch_gradient_variance=recorded["gradient_variance"] / of_runs)
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
    parts = [part for part in _spreads(evaluation, recorded, quantities) if len(part)]
    order = [*CELL, *names, *POINT, *SPREAD]
    if not parts:
        return evaluation.iloc[:0].reindex(columns=order)
    made = pd.concat(parts, ignore_index=True)
    of_cells = evaluation[[*CELL, "steps_per_epoch"]].take(made["place"]).reset_index(drop=True)
    made = pd.concat([of_cells, made], axis=1).astype(dict.fromkeys(names, "str"))
    made["epoch"] = made["step"] / made["steps_per_epoch"]
    made["examples"] = targets.examples_seen(made["step"], made, experiment, examples)
    return made[order]


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
    lost = {name: ~there & (group["outcome"] == how).to_numpy()[:, None] for name, how in LOST.items()}
    # What finished runs did not record is not known, and not infinite.
    cells = [runs for runs in cells if there[runs].any() or not ended_well[runs].any()]
    ordered = [np.sort(values[runs], axis=0) for runs in cells]
    columns = {
        "n": [np.full(len(steps), len(runs)) for runs in cells],
        **{name: [of_runs[runs].sum(axis=0) for runs in cells] for name, of_runs in lost.items()},
        **{name: [intervals.quantile(one, share) for one in ordered] for name, share in SHARES.items()},
    }
    told = {name: np.ravel(of_cells) for name, of_cells in columns.items()}
    places = np.repeat(group.index[[runs[0] for runs in cells]], len(steps))
    return pd.DataFrame({"place": places, "step": np.tile(steps, len(cells)), **told})
