"""How exactly a learning rate must be chosen: over how wide a range of rates the result is nearly the best."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.experiment.schema import Experiment

WITHIN = 0.1
"""A result is nearly the best when it is at most this share above it."""


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
        found = width(rates, steps if by_steps else losses)
        rows.append({**dict(zip(CELL, key, strict=True)), "measure": measure, "within": WITHIN, **found})
    names = [*CELL, "measure", "within", "best", "lower", "upper", "decades", "rates", "open", "range"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(["open", "range"], "str"))


def width(rates: NDArray[np.float64], results: NDArray[np.float64]) -> dict[str, Any]:
    """The range of `rates` (ascending) around the best whose `results` are at most WITHIN above the lowest.

    From the best rate (the smallest of equals) outwards to where the result first crosses that limit, with straight
    lines between the rates tried, both on logarithmic scales: whole steps of the grid would all be half a decade or a
    multiple of it. Such a line lies above a bowl, so that the width is understated rather than overstated. A second
    range beyond a worse rate does not count. Next to an infinite result there is no line to follow, and the range ends
    at the last rate within. Where the last rate tried is within, the range is `open` at that side: it is at least as
    wide. Where the best alone of the rates tried is within, the ends would rest on no other run and are NaN: they lie
    somewhere between its neighbours. All are NaN where no result is finite, or the best is not above zero.
    """
    place = int(np.argmin(results))
    best = float(results[place])
    if not (math.isfinite(best) and best > 0):
        nothing = dict.fromkeys(("best", "lower", "upper", "decades"), math.nan)
        return nothing | {"rates": 0, "open": None, "range": "no finite result above zero"}
    limit = best * (1 + WITHIN)
    below, lower = _reach(rates[place::-1], results[place::-1], limit)
    above, upper = _reach(rates[place:], results[place:], limit)
    ends = {(True, False): "below", (False, True): "above", (True, True): "both"}
    within = below + above - 1
    found = {"lower": lower, "upper": upper, "decades": math.log10(upper / lower)}
    return {
        "best": float(rates[place]),
        **(found if within > 1 else dict.fromkeys(found, math.nan)),
        "rates": within,
        "open": ends.get((below == place + 1, above == len(rates) - place)),
        "range": "interpolated" if within > 1 else "one rate alone",
    }


def _reach(rates: NDArray[np.float64], results: NDArray[np.float64], limit: float) -> tuple[int, float]:
    """How many of the rates, outwards from the best, are within the limit, and the rate at which it is crossed."""
    beyond = results > limit
    if not beyond.any():
        return len(rates), float(rates[-1])
    count = int(np.argmax(beyond))
    inside, outside = results[count - 1], results[count]
    if not math.isfinite(outside):
        return count, float(rates[count - 1])
    share = math.log(limit / inside) / math.log(outside / inside)
    return count, float(rates[count - 1] * (rates[count] / rates[count - 1]) ** share)
