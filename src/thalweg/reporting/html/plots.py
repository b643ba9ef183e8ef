"""Lay out the small plots of a cell's page as numbers and paths, which a template draws as SVG.

Matplotlib would take minutes to draw the plots of 1,500 cells. These take seconds, and are part of their pages.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from thalweg.analysis.histories import Metric

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 392, 22, 192
"""The panel within the plot, in CSS pixels."""

MAX_DECADES = 12
"""How many powers of ten a panel spans at most. Lower values are drawn at its lower edge."""


class Point(NamedTuple):
    """Median and quartiles of a metric over a cell after `step` steps, and the number of runs `lost` by then."""

    step: int
    epoch: float
    median: float
    lower: float
    upper: float
    lost: int


def lay_out(curves: Mapping[Metric, Sequence[Point]]) -> list[dict[str, Any]]:
    """Lay out one plot for each curve, all with the same axes, or none if there is no positive median to draw."""
    points = [point for curve in curves.values() for point in curve]
    values = [value for point in points for value in (point.median, point.lower, point.upper)]
    positive = [math.log10(value) for value in values if 0 < value < math.inf]
    if not any(0 < point.median < math.inf for point in points):
        return []
    high = max(positive)
    low = max(min(positive), high - MAX_DECADES)
    margin = 0.04 * (high - low) or 0.5
    limits = low - margin, high + margin
    last = max(point.step for point in points)
    return [_plot(metric, curve, limits, last) for metric, curve in curves.items()]


def _plot(metric: Metric, curve: Sequence[Point], limits: tuple[float, float], last: int) -> dict[str, Any]:
    """Lay out one plot: its frame, ticks, paths of median and band, and the facts that its description needs.

    Args:
        metric: What the curve shows.
        curve: The points of the curve, by step.
        limits: The decimal logarithms of the ends of the vertical axis.
        last: The last step of the horizontal axis.
    """
    finite = [point for point in curve if math.isfinite(point.median)]
    within = [point for point in curve if math.isfinite(point.lower)]
    lowest = min(finite, key=lambda point: point.median, default=curve[0])
    band = [(point.step, point.upper) for point in within] + [(point.step, point.lower) for point in reversed(within)]
    return {
        "name": f"{metric.split} {metric.name}",
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "bottom": BOTTOM,
        "x": [{"value": step, "at": _x(step, last)} for step in _steps(last)],
        "y": [{"value": 10.0**power, "at": _y(10.0**power, limits)} for power in _powers(*limits)],
        "median": _path([(_x(point.step, last), _y(point.median, limits)) for point in finite]),
        "band": _path([(_x(step, last), _y(value, limits)) for step, value in band]),
        "first": curve[0].median,
        "last": finite[-1].median if finite else math.inf,
        "last_at": finite[-1].step if finite else 0,
        "lowest": lowest.median,
        "lowest_at": lowest.step,
        "clipped": any(_y(point.median, limits) == BOTTOM for point in finite),
        "lost": next((point.step for point in curve if not math.isfinite(point.median)), None),
    }


def _x(step: int, last: int) -> float:
    """Return the horizontal position of a step in CSS pixels, on an axis of log(1 + step)."""
    fraction = math.log1p(step) / math.log1p(last) if last else 0.0
    return round(LEFT + fraction * (RIGHT - LEFT), 1)


def _y(value: float, limits: tuple[float, float]) -> float:
    """Return the vertical position of a value in CSS pixels. Values outside the limits lie at the panel's edge."""
    low, high = limits
    power = math.log10(value) if 0 < value < math.inf else (low if value <= 0 else high)
    fraction = (min(max(power, low), high) - low) / (high - low)
    return round(BOTTOM - fraction * (BOTTOM - TOP), 1)


def _steps(last: int) -> list[int]:
    """List the ticks of the horizontal axis: 0 and the powers of ten up to the last step, 1 only if it is below 10."""
    return [0, *(10**power for power in range(1 if last >= 10 else 0, len(str(last))))]


def _powers(low: float, high: float) -> list[int]:
    """List some four exponents of ten between two logarithms, or the nearest one if there is none."""
    powers = list(range(math.ceil(low), math.floor(high) + 1))
    return powers[:: max(1, math.ceil(len(powers) / 5))] or [round((low + high) / 2)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Write the line through the points as the `d` of an SVG path."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""
