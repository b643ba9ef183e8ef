"""Who is among the quickest over all problems: the performance profile of each optimizer, with AlgoPerf's score."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

TOLD = ["optimizer", "reached", "lower", "upper"]
LEAST = 2.4
"""Inches of a panel, with room for the scores beneath it."""

EDGE = 1.15
"""How far beyond the last τ the axis goes on, where every profile is flat."""


def draw(tables: Path, experiment: Experiment, problem: None) -> panels.Drawing:
    """A panel for each measure of time, in which each optimizer's score stands beside its name."""
    profiles, scores = (panels.read(tables, name) for name in ("profiles", "scores"))
    measures = list(dict.fromkeys(scores["measure"]))
    styles = style.lines(experiment.optimizers)
    parts = panels.sixes(styles)
    tau_max = float(scores["tau_max"].max())
    finite = profiles["tau"][np.isfinite(profiles["tau"])]
    right = EDGE * max(tau_max, finite.max() if len(finite) else 0)
    figure, axes = panels.grid(len(parts), len(measures), 3.6, LEAST)
    for names, row in zip(parts, axes, strict=True):
        for measure, axis in zip(measures, row, strict=True):
            for name in names:
                mine = profiles[(profiles["measure"] == measure) & (profiles["optimizer"] == name)]
                rise(axis, mine, styles[name], right)
            axis.axvline(tau_max, color=style.MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
            told = scores[(scores["measure"] == measure) & scores["optimizer"].isin(names)]
            name_scores(axis, told, styles)
            axis.set_title(f"time in {measure}", fontweight="bold")
            axis.set_xlabel("τ, time / shortest time")
    octaves = math.ceil(math.log2(right))
    ticks = [2**k for k in range(0, octaves, math.ceil(octaves / 7))]
    axes[0, 0].set_xscale("log", base=2)
    axes[0, 0].set(xlim=(1, right), ylim=(-0.03, 1.03))
    axes[0, 0].set_xticks(ticks, [str(tick) for tick in ticks])
    for axis in axes.flat:
        axis.tick_params(labelbottom=True)
    for axis in filter(panels.is_first, axes.flat):
        axis.set_ylabel("share of workloads")
    facts = {
        "optimizers": len(styles),
        "problems": int(profiles["problem"].nunique()),
        "tau_max": tau_max,
        "seeds": int(scores["n"].max()) if len(scores) else 0,
        "left_out": int(scores["left_out"].max()) if len(scores) else 0,
        "measures": [
            {"measure": measure, "workloads": int(rows["workloads"].max()), **panels.extremes(rows, "score", TOLD)}
            for measure, rows in scores.groupby("measure", sort=False)
        ],
    }
    return panels.Drawing(figure, profiles, scores, facts)


def rise(axis: Axes, profile: pd.DataFrame, line: style.Line, right: float) -> None:
    """A step upwards at each τ; workloads that were not reached keep the line below one. Nothing without workloads."""
    if profile.empty:
        return
    reached = profile[np.isfinite(profile["tau"])]
    at_once = reached["share"][reached["tau"] == 1].max()
    shares = [0.0 if math.isnan(at_once) else at_once, *reached["share"]]
    axis.step(
        [1, *reached["tau"], right],
        [*shares, shares[-1]],
        where="post",
        color=line.colour,
        linestyle=line.linestyle,
        marker=line.marker,
        markevery=slice(1, -1),
        markersize=3,
        clip_on=False,
    )


def name_scores(axis: Axes, scores: pd.DataFrame, styles: dict[str, style.Line]) -> None:
    """A legend beneath the panel, in which the score and its interval follow each name."""
    axis.legend(
        handles=[panels.key(styles[str(row.optimizer)], label(row)) for row in scores.itertuples()],
        title="score" if scores["lower"].isna().all() else "score [95 % interval]",
        title_fontsize=style.small(),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        handlelength=3.2,
    )


def label(row: Any) -> str:
    """The name and its score, with the ends of the interval where there is one; without workloads the name alone."""
    if not row.workloads:
        return str(row.optimizer)
    ends = "" if math.isnan(row.lower) else f" [{row.lower:.2f}, {row.upper:.2f}]"
    return f"{row.optimizer} {row.score:.2f}{ends}"
