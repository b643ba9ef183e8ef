"""The range of learning rates with nearly the best result."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

WITHIN = 0.1
"""A result is nearly the best when it is at most this share above it."""


def find_range(rates: NDArray[np.float64], results: NDArray[np.float64]) -> dict[str, Any]:
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
