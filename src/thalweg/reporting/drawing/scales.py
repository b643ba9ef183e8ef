"""Axes of numbers: their limits and ticks, and values brought within them."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from thalweg import templates
from thalweg.analysis.histories import LOSS_RESOLUTION
from thalweg.reporting import style
from thalweg.reporting.drawing import panels


def positive_limits(values: Any) -> tuple[float, float]:
    """Return limits of a logarithmic axis around all positive, finite values; (0.1, 10) where there are none.

    The axis ends at the LOSS_RESOLUTION, since smaller values count as that much.
    """
    shown = np.asarray(values, dtype=float)
    shown = shown[np.isfinite(shown) & (shown > 0)]
    if not len(shown):
        return 0.1, 10.0
    lower, upper = (max(float(end), LOSS_RESOLUTION) for end in (shown.min() / 1.6, shown.max()))
    return lower, upper * 1.6


def linear_limits(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return limits of a linear axis around all finite values, with a little room; (0, 1) where there are none."""
    shown = values[np.isfinite(values)]
    if not len(shown):
        return 0.0, 1.0
    room = 0.05 * (shown.max() - shown.min()) or 0.05 * abs(shown.max()) or 0.05
    return float(shown.min() - room), float(shown.max() + room)


def any_unresolved(values: pd.Series) -> bool:
    """Tell whether some values are below the LOSS_RESOLUTION, and so on the edge of a logarithmic axis."""
    return bool((values < LOSS_RESOLUTION).any())


def clip_to_axis(values: pd.Series, limits: tuple[float, float]) -> pd.Series:
    """Move values below a logarithmic axis, such as zero, to its edge. Infinite values become missing."""
    return values.where(np.isfinite(values)).clip(lower=limits[0])


def clip_spreads(rows: pd.DataFrame, limits: tuple[float, float]) -> pd.DataFrame:
    """Bring medians and quartiles onto a logarithmic axis.

    Quartiles end at the limits. Where both are infinite they bound nothing, and become missing.
    """
    finite = np.isfinite(rows["lower"])
    ends = {end: rows[end].where(finite).clip(*limits) for end in ("lower", "upper")}
    return rows.assign(median=clip_to_axis(rows["median"], limits), **ends)


def format_power(value: float, _: Any = None) -> str:
    """Write a tick at a power of ten. Its exponent is a letter of the font: raised type would be too small."""
    return "0" if value == 0 else f"10{templates.superscript(round(math.log10(value)))}"


def set_log_scale(axis: Axes, which: str, limits: tuple[float, float]) -> None:
    """Make an axis (`x` or `y`) logarithmic. Over less than two decades its ticks are written out."""
    getattr(axis, f"set_{which}scale")("log")
    getattr(axis, f"set_{which}lim")(limits)
    if limits[1] < 100 * limits[0]:
        decades = range(math.floor(math.log10(limits[0])), math.ceil(math.log10(limits[1])) + 1)
        mantissas = (1, 2, 5) if limits[1] > 10 * limits[0] else (1, 1.5, 2, 3, 5, 7)
        ticks = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in mantissas]
        ticks = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
        while which == "x" and sum(len(f"{tick:g}") + 2 for tick in ticks) > panels.letters_across(
            axis, style.small_font()
        ):
            ticks = ticks[::2]
        getattr(axis, f"set_{which}ticks")(ticks, [f"{tick:g}" for tick in ticks])
    else:
        getattr(axis, f"{which}axis").set_major_formatter(format_power)
    hide_minor_ticks(axis, which)


def hide_minor_ticks(axis: Axes, which: str) -> None:
    """Leave out the minor ticks of an axis (`x` or `y`), which would be placed and measured again and again."""
    getattr(axis, f"{which}axis").set_minor_locator(NullLocator())


def set_progress_scale(axis: Axes, values: pd.Series) -> None:
    """Make a logarithmic x axis for how far runs are, with a place for zero where it is among the values."""
    positive = values[values > 0]
    first, last = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 10.0)
    decades = range(math.ceil(math.log10(first)), math.ceil(math.log10(max(10 * first, last))))
    if len(positive) == len(values):
        set_log_scale(axis, "x", (first, max(10 * first, last)))
    else:
        axis.set_xscale("symlog", linthresh=first, linscale=0.5)
        axis.set_xticks([0, *(10.0**decade for decade in decades)])
        hide_minor_ticks(axis, "x")
        axis.xaxis.set_major_formatter(format_power)
        axis.set_xlim(0, last + 0.05 * last)
