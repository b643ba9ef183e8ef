"""What claims come to: a forest plot of effects, with those for which each claim is true.

A row is a claim, beneath it one for each of several problems; ratios, differences, shares and values have a panel each.
"""

import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from thalweg import templates
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import is_drawn, matrix, panels

UNITS = {
    "ratio": "ratio",
    "difference": "difference, in points",
    "share": "share, in %",
    "value": "value: its distance from the middle of the range claimed, in half-widths of the range",
}
MARKS: dict[str, dict[str, Any]] = {
    "holds": {"marker": "o", "markersize": 6},
    "fails": {"marker": "X", "markersize": 7, "markeredgewidth": 0},
    "undecided": {"marker": "D", "markersize": 5, "markerfacecolor": "none", "markeredgewidth": 1.2},
}
"""A verdict's shape: full, crossed or empty."""

POINT: dict[str, Any] = {"linestyle": "none", "color": style.INK, "clip_on": False, "zorder": 3}
BESIDE: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "textcoords": "offset points",
    "va": "center",
}
TRUE: dict[str, Any] = {"color": style.MUTED, "alpha": 0.22, "linewidth": 0}
NUMBERS = ["effect", "lower", "upper", "at_least", "at_most"]
FARTHEST = {"ratio": 30.0, "difference": math.inf, "value": 10.0}
"""What the axis does not reach out for: a few effects without bounds would leave the others no room."""

TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Of ratios, where they reach far."""

ROOMY = 5
"""Inches. In a narrower figure the marks alone tell the verdicts, so that effects have room."""

HEIGHT, ROOM = 0.24, 0.5
"""Inches of a row, and of what a panel has above and beneath its rows."""


def draw(tables: Path, experiment: Experiment, problem: None) -> panels.Drawing:
    """Effects with their 95 % intervals, in the order of the experiment file. A value that is claimed to be within a
    range is measured in half-widths of that range; without one it has no scale here, and is left out."""
    table = panels.read(tables, "claims").drop(columns="runs")
    claims = table[table["claim"].isin([name for name, claim in experiment.claims.items() if is_drawn(claim)])]
    units = [unit for unit in UNITS if unit in set(claims["unit"])] or ["ratio"]
    groups = {unit: claims[claims["unit"] == unit] for unit in units}
    heights = [max(1, len(rows)) for rows in groups.values()]
    lines = max([1, *(label.count("\n") + 1 for label in labels(claims))])
    height = max(HEIGHT, 1.3 * lines * style.small() / 72) * sum(heights) + ROOM * len(heights) + 0.4
    figure = Figure(figsize=(style.width(), min(height, style.tallest())))
    axes: Any = figure.subplots(len(units), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axis, (unit, rows) in zip(axes[:, 0], groups.items(), strict=True):
        panel(axis, unit, scaled(rows, unit))
    known = bool(claims["lower"].notna().any())
    panels.place_legend(
        figure,
        [
            *(Line2D([], [], label=f"effect: {verdict}", **POINT, **mark) for verdict, mark in MARKS.items()),
            *[Line2D([], [], label="95 % interval", color=style.INK, linewidth=1.2)] * known,
            Patch(label="the claim is true", **TRUE),
        ],
    )
    wholes = claims[claims["problem"].isna()]
    facts = {
        "claims": len(wholes),
        "verdicts": [
            {"verdict": verdict, "claims": list(wholes.loc[wholes["verdict"] == verdict, "claim"])} for verdict in MARKS
        ],
        "by_problem": int(claims.loc[claims["problem"].notna(), "claim"].nunique()),
        "interval": known,
        "few": bool((claims["reason"] == "too few seeds").any()),
        "left_out": len(table) - len(claims),
        "beyond": int(sum(beyond(scaled(rows, unit), unit) for unit, rows in groups.items())),
    }
    return panels.Drawing(figure, claims, claims[["claim", "problem", "verdict", "unit", *NUMBERS, "n"]], facts)


def labels(rows: pd.DataFrame) -> list[str]:
    """The names of rows, in lines that leave the panel most of the width."""
    letters = min(40, panels.letters(0.42 * style.width(), style.small()))
    return [matrix.wrapped(name, letters) for name in rows["problem"].fillna(rows["claim"])]


def scaled(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The rows with their numbers as the axis has them; a claim without an end is true to infinity."""
    ends = rows.assign(at_least=rows["at_least"].fillna(-math.inf), at_most=rows["at_most"].fillna(math.inf))
    if unit == "value":
        middle, half = (rows["at_least"] + rows["at_most"]) / 2, (rows["at_most"] - rows["at_least"]) / 2
        return ends.assign(**{name: (ends[name] - middle) / half for name in NUMBERS})
    return ends.assign(**{name: ends[name] * (1 if unit == "ratio" else 100) for name in NUMBERS})


def limits(rows: pd.DataFrame, unit: str) -> tuple[float, float]:
    """The ends of a panel's axis: around no effect and all that is not beyond FARTHEST; with room for a claim that a
    share is all or none."""
    if unit == "share":
        return -2.0, 102.0
    values = rows[NUMBERS].to_numpy(dtype=float).ravel()
    if unit == "ratio":
        return panels.positive_limits(
            [0.9, 1 / 0.9, *values[(values > 1 / FARTHEST[unit]) & (values < FARTHEST[unit])]]
        )
    near = np.append(values[np.abs(values) < FARTHEST[unit]], [-1.0, 1.0])
    margin = 0.1 * np.ptp(near)
    return float(near.min() - margin), float(near.max() + margin)


def beyond(rows: pd.DataFrame, unit: str) -> int:
    """How many intervals go on beyond the axis."""
    low, high = limits(rows, unit)
    return int(((rows["lower"] < low) | (rows["upper"] > high)).sum())


def panel(axis: Axes, unit: str, rows: pd.DataFrame) -> None:
    low, high = limits(rows, unit)
    if unit == "ratio":
        panels.logarithmic(axis, "x", (low, high))
        if high >= 10 * low:
            axis.set_xticks([tick for tick in TICKS if low <= tick <= high])
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_locator(NullLocator())
    axis.axvline(1 if unit == "ratio" else 0, color=style.MUTED, linewidth=0.8)
    for y, row in enumerate(rows.itertuples()):
        region = np.clip([row.at_least, row.at_most], low, high)
        axis.fill_between(region, y - 0.36, y + 0.36, **TRUE)
        if not math.isnan(row.lower):
            axis.plot(np.clip([row.lower, row.upper], low, high), [y, y], color=style.INK, linewidth=1.2, clip_on=False)
        for end, outside, arrow in (
            (low, row.lower < low or row.effect < low, "<"),
            (high, row.upper > high or row.effect > high, ">"),
        ):
            if outside:
                axis.plot([end], [y], **{**POINT, "marker": arrow, "markersize": 5})
        if not math.isnan(row.effect):
            place_effect(axis, row.effect, y, (low, high), MARKS[row.verdict])
        beside = ScaledTranslation(1.5 * style.font() / 72, 0, axis.figure.dpi_scale_trans)
        axis.plot([1], [y], transform=axis.get_yaxis_transform() + beside, **POINT, **MARKS[row.verdict])
        told = [row.verdict] * (style.width() > ROOMY) + [f"n = {row.n}"]
        for place, text in enumerate(told):
            axis.annotate(text, (1, y), ((2.5 + 6 * place) * style.font(), 0), **BESIDE, fontsize=style.small())
    axis.set(xlim=(low, high), ylim=(max(1, len(rows)) - 0.4, -0.6))
    axis.set_yticks(range(len(rows)), labels(rows))
    for label, problem in zip(axis.get_yticklabels(), rows["problem"], strict=False):
        label.set_fontstyle("normal" if pd.isna(problem) else "italic")
    title = textwrap.fill(UNITS[unit], panels.letters(0.5 * style.width()))
    axis.set_title(title, loc="left", fontweight="bold")
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0, pad=8)


def place_effect(axis: Axes, effect: float, y: int, ends: tuple[float, float], mark: dict[str, Any]) -> None:
    """The mark of an effect; of one beyond the axis its number, over the arrow at that end."""
    low, high = ends
    if low <= effect <= high:
        axis.plot([effect], [y], **POINT, **mark)
        return
    end, left, side = (high, -3, "right") if effect > high else (low, 3, "left")
    text = templates.number(effect)
    axis.annotate(text, (end, y), (left, 2), textcoords="offset points", ha=side, va="bottom", fontsize=style.small())
