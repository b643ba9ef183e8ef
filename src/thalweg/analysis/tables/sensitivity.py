"""How exactly a learning rate must be chosen: over how wide a range of rates the result is nearly the best."""

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics.learning_rate_range import WITHIN, find_range
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment


def table(experiment: Experiment, by_rate: pd.DataFrame) -> pd.DataFrame:
    """A row a cell of an optimizer with a range of learning rates, not a search, which has no neighbouring rates.

    The result at a rate is the median that tuning chooses by: the final validation loss or, where runs end at a target
    and the best rate comes there, the steps to it. `by_rate` is choose.rates of the tuning runs.
    """
    ranges = [name for name, one in experiment.optimizers.items() if len(one.learning_rates) > 1]
    tried = by_rate[by_rate["optimizer"].isin(ranges)].assign(loss=histories.resolved(by_rate["median"]))
    rows = []
    for key, group in tried.groupby(CELL, sort=False)[["learning_rate", "steps_to_target", "loss"]]:
        values = group.to_numpy(float)
        rates, steps, losses = values[values[:, 0].argsort()].T
        by_steps = bool(np.isfinite(steps).any())
        measure = "steps to target" if by_steps else "final validation loss"
        range_found = find_range(rates, steps if by_steps else losses)
        rows.append({**dict(zip(CELL, key, strict=True)), "measure": measure, "within": WITHIN, **range_found})
    names = [*CELL, "measure", "within", "best", "lower", "upper", "decades", "rates", "open", "range"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(["open", "range"], "str"))


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.by_rate)


TABLE = Table(
    build=build,
    keys=(*CELL,),
    columns={
        "measure": Column(
            str, "what is compared: the median over tuning seeds of the final validation loss or steps to target"
        ),
        "within": Column(
            float, "how much above the lowest a result may be to count as nearly the best, as a share of it"
        ),
        "best": Column(float, "the learning rate with the lowest result; null where none is finite and above zero"),
        "lower": Column(
            float, "lower end of the range of learning rates around it that are nearly the best, interpolated"
        ),
        "upper": Column(float, "upper end of it"),
        "decades": Column(float, "the range's width, log10(upper / lower)", unit="decades"),
        "rates": Column(
            int, "how many of the rates tried are in it; with one alone, its ends and width are null", unit="rates"
        ),
        "open": Column(
            str, "at which side the range goes on to the last rate tried, so that it may be wider: below, above, both"
        ),
        "range": Column(
            str,
            "interpolated between the rates tried; or why there is none: one rate alone, where those beside the "
            "best are beyond the limit and what is between them was not trained; no finite result above zero",
        ),
    },
)
