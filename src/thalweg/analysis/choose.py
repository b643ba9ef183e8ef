"""Choose each cell's trial, a learning rate above all, from its tuning runs: `python -m thalweg.analysis.choose`."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.statistics import intervals
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.results.files import write_atomically

CELL = ["problem", "optimizer", "schedule", "batch_size"]
TRIAL = ["learning_rate", "hyperparameters"]


def rates(tuning: pd.DataFrame) -> pd.DataFrame:
    """A row a cell and trial: n, diverged, out of time, median and quartiles of the final validation loss.

    `steps_to_target` is the median of the steps that runs took to a target at which they end, infinite for one that did
    not come there. `tuning` holds the tuning runs as histories.impute_failed gives them.
    """
    lost = {column: tuning["outcome"] == outcome for column, outcome in histories.FAILURES.items()}
    groups = tuning.assign(n=1, **lost).groupby([*CELL, *TRIAL], sort=False)
    summary, group = groups[["n", *lost]].sum().reset_index(), groups.ngroup().to_numpy()
    losses = tuning["final_validation_loss"].to_numpy(float)
    for name, share in (("median", 0.5), ("lower", 0.25), ("upper", 0.75)):
        summary[name] = intervals.quantile_by_group(losses, group, share)
    return summary.assign(steps_to_target=intervals.quantile_by_group(steps_to_target(tuning).to_numpy(), group, 0.5))


def steps_to_target(runs: pd.DataFrame) -> pd.Series:
    """The steps that each run took to a target at which it ended, infinite for one that did not come there."""
    return runs["ended_at"].astype(float).where(runs["outcome"] == "reached target", math.inf)


def choose(experiment: Experiment, by_rate: pd.DataFrame) -> pd.DataFrame:
    """A row a cell, in grid order: the trial with the lowest median final validation loss, ties to the smaller rate.

    Medians below histories.LOSS_RESOLUTION tie; `validation_loss` is the median as measured. Runs that end at a target
    all have the loss that they were to have: there the fewest steps to it come first.
    """
    ranked = by_rate.assign(resolved=histories.resolved(by_rate["median"]))
    chosen = (
        ranked.sort_values([*CELL, "steps_to_target", "resolved", *TRIAL])
        .drop_duplicates(CELL)
        .drop(columns="resolved")
    )
    chosen["edge"] = [
        _edge(rate, experiment.optimizers[name].learning_rates)
        for name, rate in zip(chosen["optimizer"], chosen["learning_rate"], strict=True)
    ]
    chosen = chosen.rename(columns={"median": "validation_loss", "n": "runs"}).drop(columns=["lower", "upper"])
    return histories.in_grid_order(chosen, experiment, ["problem", "optimizer", "batch_size", "schedule"])


def best(chosen: pd.DataFrame, by_rate: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """CELL and TRIAL of the one cell that tuning prefers of all that are equal in `keys`, in grid order. `chosen` and
    `by_rate` are what `choose` and `rates` give."""
    ranked = chosen[[*CELL, *TRIAL]].merge(by_rate)
    preferred = ranked.loc[by_preference(ranked["median"], ranked["steps_to_target"], ranked["batch_size"]).index]
    return preferred.drop_duplicates(keys)[[*CELL, *TRIAL]].sort_index(ignore_index=True)


def by_preference(losses: pd.Series, steps_to_target: pd.Series, batch_sizes: pd.Series) -> pd.DataFrame:
    """What tuning prefers cells by, `examples_to_target` and `loss`, the best first and equals as they stood.

    The lowest median final validation loss is best, those below histories.LOSS_RESOLUTION being equal. Where runs end
    at a target, the fewest examples to it come before that.
    """
    both = {"examples_to_target": steps_to_target * batch_sizes, "loss": histories.resolved(losses)}
    return pd.DataFrame(both).sort_values(list(both), kind="stable")


def as_json(chosen: pd.DataFrame) -> list[dict[str, Any]]:
    """What the evaluation jobs read: for each schedule and batch size the chosen trial, and how it was chosen."""
    return [
        {
            "schedule": row.schedule,
            "batch_size": int(row.batch_size),
            "learning_rate": float(row.learning_rate),
            "hyperparameters": json.loads(row.hyperparameters),
            "validation_loss": float(row.validation_loss) if math.isfinite(row.validation_loss) else None,
            "runs": int(row.runs),
            "diverged": int(row.diverged),
            "out_of_time": int(row.out_of_time),
            "edge": row.edge if isinstance(row.edge, str) else None,
        }
        for row in chosen.itertuples()
    ]


def _edge(rate: float, learning_rates: tuple[float, ...]) -> str | None:
    """Whether the rate is at an end of the grid, where a better one may lie outside. The draws of a search have no
    such ends."""
    if len(learning_rates) < 2:
        return None
    return {min(learning_rates): "lowest", max(learning_rates): "highest"}.get(rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--histories", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    runs = histories.with_outcomes(pd.read_parquet(arguments.runs), pd.read_parquet(arguments.histories))
    chosen = choose(load(arguments.experiment), rates(histories.impute_failed(runs)))
    write_atomically(arguments.output, (json.dumps(as_json(chosen), indent=1, allow_nan=False) + "\n").encode())


if __name__ == "__main__":
    main()
