"""What claims come to: a forest plot of effects, with those for which each claim is true.

A row is a claim, beneath it one for each of several problems; ratios, differences, shares and values have a panel each.
"""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

from thalweg import templates
from thalweg.experiment.claims import Claim, Range
from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, matrix, mpl, np, panels, pd, scales, style
from thalweg.reporting.figures import Figure

UNITS = {
    "ratio": "ratio",
    "difference": "difference, in points",
    "share": "share, in %",
    "value": "value: its distance from the middle of the range claimed, in half-widths of the range",
}
VERDICT_MARKS: dict[str, dict[str, Any]] = {
    "holds": {"marker": "o", "markersize": 6},
    "fails": {"marker": "X", "markersize": 7, "markeredgewidth": 0},
    "undecided": {"marker": "D", "markersize": 5, "markerfacecolor": "none", "markeredgewidth": 1.2},
}
"""A verdict's shape: full, crossed or empty."""

POINT: dict[str, Any] = {"linestyle": "none", "color": palette.INK, "clip_on": False, "zorder": 3}
BESIDE_PANEL: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "textcoords": "offset points",
    "va": "center",
}
TRUE_REGION: dict[str, Any] = {"color": palette.MUTED, "alpha": 0.22, "linewidth": 0}
NUMBER_COLUMNS = ["effect", "lower", "upper", "at_least", "at_most"]
MAX_SHOWN_EFFECT = {"ratio": 30.0, "difference": math.inf, "value": 10.0}
"""What the axis does not reach out for: a few effects without bounds would leave the others no room."""

RATIO_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Of ratios, where they reach far."""

MIN_WIDTH_FOR_VERDICTS = 5
"""Inches. In a narrower figure the marks alone tell the verdicts, so that effects have room."""

ROW_HEIGHT, PANEL_MARGIN = 0.24, 0.5
"""Inches of a row, and of what a panel has above and beneath its rows."""


def draw(tables: Path, experiment: Experiment, problem: None) -> data.Drawing:
    """Draw effects with their 95 % intervals, in the order of the experiment file.

    A value that is claimed to be within a range is shown in half-widths of that range. Without a range it has no scale
    here, and is left out.
    """
    table = data.read_table(tables, "claims").drop(columns="runs")
    claims = table[table["claim"].isin([name for name, claim in experiment.claims.items() if is_drawn(claim)])]
    units = [unit for unit in UNITS if unit in set(claims["unit"])] or ["ratio"]
    groups = {unit: claims[claims["unit"] == unit] for unit in units}
    heights = [max(1, len(rows)) for rows in groups.values()]
    label_lines = max([1, *(label.count("\n") + 1 for label in row_labels(claims))])
    height = (
        max(ROW_HEIGHT, 1.3 * label_lines * style.small_font() / 72) * sum(heights) + PANEL_MARGIN * len(heights) + 0.4
    )
    figure = panels.make_figure(min(height, style.max_height()))
    axes: Any = figure.subplots(len(units), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axis, (unit, rows) in zip(axes[:, 0], groups.items(), strict=True):
        draw_panel(axis, unit, to_axis_units(rows, unit))
    known = bool(claims["lower"].notna().any())
    legends.place_legend(
        figure,
        [
            *(
                legends.mark_handle(label=f"effect: {verdict}", **POINT, **mark)
                for verdict, mark in VERDICT_MARKS.items()
            ),
            *[legends.mark_handle(label="95 % interval", color=palette.INK, linewidth=1.2)] * known,
            legends.patch_handle(label="the claim is true", **TRUE_REGION),
        ],
    )
    wholes = claims[claims["problem"].isna()]
    facts = {
        "claims": len(wholes),
        "verdicts": [
            {"verdict": verdict, "claims": list(wholes.loc[wholes["verdict"] == verdict, "claim"])}
            for verdict in VERDICT_MARKS
        ],
        "by_problem": int(claims.loc[claims["problem"].notna(), "claim"].nunique()),
        "interval": known,
        "few": bool((claims["reason"] == "too few seeds").any()),
        "left_out": len(table) - len(claims),
        "beyond": int(sum(count_beyond(to_axis_units(rows, unit), unit) for unit, rows in groups.items())),
    }
    return data.Drawing(figure, claims, claims[["claim", "problem", "verdict", "unit", *NUMBER_COLUMNS, "n"]], facts)


def row_labels(rows: pd.DataFrame) -> list[str]:
    """Name the rows, in lines that leave the panel most of the width."""
    letters = min(40, panels.letters_that_fit(0.42 * style.width(), style.small_font()))
    return [matrix.wrap_name(name, letters) for name in rows["problem"].fillna(rows["claim"])]


def to_axis_units(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Convert the numbers of rows to the unit of the axis; a claim without an end is true to infinity."""
    ends = rows.assign(at_least=rows["at_least"].fillna(-math.inf), at_most=rows["at_most"].fillna(math.inf))
    if unit == "value":
        middle, half = (rows["at_least"] + rows["at_most"]) / 2, (rows["at_most"] - rows["at_least"]) / 2
        return ends.assign(**{name: (ends[name] - middle) / half for name in NUMBER_COLUMNS})
    return ends.assign(**{name: ends[name] * (1 if unit == "ratio" else 100) for name in NUMBER_COLUMNS})


def axis_limits(rows: pd.DataFrame, unit: str) -> tuple[float, float]:
    """Return the ends of a panel's axis: around no effect and all effects up to MAX_SHOWN_EFFECT.

    The axis of shares has room for a claim that a share is all or none.
    """
    if unit == "share":
        return -2.0, 102.0
    values = rows[NUMBER_COLUMNS].to_numpy(dtype=float).ravel()
    if unit == "ratio":
        return scales.positive_limits(
            [0.9, 1 / 0.9, *values[(values > 1 / MAX_SHOWN_EFFECT[unit]) & (values < MAX_SHOWN_EFFECT[unit])]]
        )
    near = np.append(values[np.abs(values) < MAX_SHOWN_EFFECT[unit]], [-1.0, 1.0])
    margin = 0.1 * np.ptp(near)
    return float(near.min() - margin), float(near.max() + margin)


def count_beyond(rows: pd.DataFrame, unit: str) -> int:
    """Count the intervals that go on beyond the axis."""
    low, high = axis_limits(rows, unit)
    return int(((rows["lower"] < low) | (rows["upper"] > high)).sum())


def draw_panel(axis: mpl.axes.Axes, unit: str, rows: pd.DataFrame) -> None:
    """Draw the claims of a unit, a row each: where it is true, its interval, its effect and its verdict."""
    low, high = axis_limits(rows, unit)
    if unit == "ratio":
        scales.set_log_scale(axis, "x", (low, high))
        if high >= 10 * low:
            axis.set_xticks([tick for tick in RATIO_TICKS if low <= tick <= high])
            axis.xaxis.set_major_formatter("{x:g}")
            scales.hide_minor_ticks(axis, "x")
    axis.axvline(1 if unit == "ratio" else 0, color=palette.MUTED, linewidth=0.8)
    for y, row in enumerate(rows.itertuples()):
        region = np.clip([row.at_least, row.at_most], low, high)
        axis.fill_between(region, y - 0.36, y + 0.36, **TRUE_REGION)
        if not math.isnan(row.lower):
            axis.plot(
                np.clip([row.lower, row.upper], low, high), [y, y], color=palette.INK, linewidth=1.2, clip_on=False
            )
        for end, outside, arrow in (
            (low, row.lower < low or row.effect < low, "<"),
            (high, row.upper > high or row.effect > high, ">"),
        ):
            if outside:
                axis.plot([end], [y], **{**POINT, "marker": arrow, "markersize": 5})
        if not math.isnan(row.effect):
            draw_effect(axis, row.effect, y, (low, high), VERDICT_MARKS[row.verdict])
        beside = panels.shifted(axis, axis.get_yaxis_transform(), 1.5 * style.font() / 72, 0)
        axis.plot([1], [y], transform=beside, **POINT, **VERDICT_MARKS[row.verdict])
        notes = [row.verdict] * (style.width() > MIN_WIDTH_FOR_VERDICTS) + [f"n = {row.n}"]
        for place, text in enumerate(notes):
            axis.annotate(
                text, (1, y), ((2.5 + 6 * place) * style.font(), 0), **BESIDE_PANEL, fontsize=style.small_font()
            )
    axis.set(xlim=(low, high), ylim=(max(1, len(rows)) - 0.4, -0.6))
    axis.set_yticks(range(len(rows)), row_labels(rows))
    for label, problem in zip(axis.get_yticklabels(), rows["problem"], strict=False):
        label.set_fontstyle("normal" if pd.isna(problem) else "italic")
    title = textwrap.fill(UNITS[unit], panels.letters_that_fit(0.5 * style.width()))
    axis.set_title(title, loc="left", fontweight="bold")
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0, pad=8)


def draw_effect(axis: mpl.axes.Axes, effect: float, y: int, ends: tuple[float, float], mark: dict[str, Any]) -> None:
    """Draw the mark of an effect; of one beyond the axis its number, over the arrow at that end."""
    low, high = ends
    if low <= effect <= high:
        axis.plot([effect], [y], **POINT, **mark)
        return
    end, left, side = (high, -3, "right") if effect > high else (low, 3, "left")
    text = templates.number(effect)
    axis.annotate(
        text, (end, y), (left, 2), textcoords="offset points", ha=side, va="bottom", fontsize=style.small_font()
    )


def is_drawn(claim: Claim) -> bool:
    """Tell whether the figure has a scale for a claim: for a value, only the range that it is claimed to be within."""
    within = isinstance(claim.expect, Range) and None not in (claim.expect.low, claim.expect.high)
    return not claim.measure.is_in_seconds and (claim.compare is not None or claim.measure.is_share or within)


def has_claims(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether some claim can be drawn."""
    return any(map(is_drawn, experiment.claims.values()))


FIGURES = (Figure("claims", draw, order=0, over_all=True, applies=has_claims),)
