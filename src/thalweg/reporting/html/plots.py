"""Where the lines of a cell's small plots lie: numbers and paths alone, which a template draws as SVG.

Drawn by matplotlib, the plots of 1,500 cells would take minutes; these take seconds and are part of their pages.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from thalweg.analysis.histories import Metric

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 392, 22, 192
"""The panel within the plot, in CSS pixels."""

DECADES = 12
"""How far below its greatest value a panel reaches at most; what lies lower is drawn at its lower edge."""


class Point(NamedTuple):
    """Median and quartiles of a metric over a cell's runs after some steps, and how many of them had ended badly."""

    step: int
    epoch: float
    median: float
    lower: float
    upper: float
    lost: int


def drawn(curves: Mapping[Metric, Sequence[Point]]) -> list[dict[str, Any]]:
    """A plot for each curve, all with the same axes; none where there is no positive median to draw."""
    points = [point for curve in curves.values() for point in curve]
    values = [value for point in points for value in (point.median, point.lower, point.upper)]
    positive = [math.log10(value) for value in values if 0 < value < math.inf]
    if not any(0 < point.median < math.inf for point in points):
        return []
    high = max(positive)
    low = max(min(positive), high - DECADES)
    margin = 0.04 * (high - low) or 0.5
    ends = low - margin, high + margin
    last = max(point.step for point in points)
    return [_plot(metric, curve, ends, last) for metric, curve in curves.items()]


def _plot(metric: Metric, curve: Sequence[Point], ends: tuple[float, float], last: int) -> dict[str, Any]:
    """One plot: its frame, its ticks, the paths of its median and band, and the facts that describe it."""
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
        "y": [{"value": 10.0**power, "at": _y(10.0**power, ends)} for power in _powers(*ends)],
        "median": _path([(_x(point.step, last), _y(point.median, ends)) for point in finite]),
        "band": _path([(_x(step, last), _y(value, ends)) for step, value in band]),
        "first": curve[0].median,
        "last": finite[-1].median if finite else math.inf,
        "last_at": finite[-1].step if finite else 0,
        "lowest": lowest.median,
        "lowest_at": lowest.step,
        "clipped": any(_y(point.median, ends) == BOTTOM for point in finite),
        "lost": next((point.step for point in curve if not math.isfinite(point.median)), None),
    }


def _x(step: int, last: int) -> float:
    share = math.log1p(step) / math.log1p(last) if last else 0.0
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _y(value: float, ends: tuple[float, float]) -> float:
    """The height of a value; what does not fit the panel stands at its edge."""
    low, high = ends
    power = math.log10(value) if 0 < value < math.inf else (low if value <= 0 else high)
    share = (min(max(power, low), high) - low) / (high - low)
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _steps(last: int) -> list[int]:
    """0 and powers of ten up to the last step, which is the first power where it is less than ten."""
    return [0, *(10**power for power in range(1 if last >= 10 else 0, len(str(last))))]


def _powers(low: float, high: float) -> list[int]:
    """Some four powers of ten within a range; where there is none, the nearest."""
    powers = list(range(math.ceil(low), math.floor(high) + 1))
    return powers[:: max(1, math.ceil(len(powers) / 5))] or [round((low + high) / 2)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""
