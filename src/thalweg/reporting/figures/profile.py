"""Who is among the quickest over all problems: the performance profile of each optimizer, with AlgoPerf's score."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, mpl, np, panels, pd, style
from thalweg.reporting.figures import Figure

DESCRIBED_COLUMNS = ["optimizer", "reached", "lower", "upper"]
MIN_WIDTH = 2.4
"""Inches of a panel, with room for the scores beneath it."""

AXIS_MARGIN = 1.15
"""How far beyond the last τ the axis goes on, where every profile is flat."""


def draw(tables: Path, experiment: Experiment, problem: None) -> data.Drawing:
    """Draw a panel for each measure of time, in which each optimizer's score stands beside its name."""
    profiles, scores = (data.read_table(tables, name) for name in ("profiles", "scores"))
    measures = list(dict.fromkeys(scores["measure"]))
    styles = palette.line_styles(experiment.optimizers)
    chunks = panels.chunks(styles)
    tau_max = float(scores["tau_max"].max())
    finite = profiles["tau"][np.isfinite(profiles["tau"])]
    right = AXIS_MARGIN * max(tau_max, finite.max() if len(finite) else 0)
    figure, axes = panels.make_grid(len(chunks), len(measures), 3.6, MIN_WIDTH)
    for names, row in zip(chunks, axes, strict=True):
        for measure, axis in zip(measures, row, strict=True):
            for name in names:
                profile = profiles[(profiles["measure"] == measure) & (profiles["optimizer"] == name)]
                draw_profile(axis, profile, styles[name], right)
            axis.axvline(tau_max, color=palette.MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
            of_panel = scores[(scores["measure"] == measure) & scores["optimizer"].isin(names)]
            draw_scores(axis, of_panel, styles)
            axis.set_title(f"time in {measure}", fontweight="bold")
            axis.set_xlabel("τ, time / shortest time")
    octaves = math.ceil(math.log2(right))
    ticks = [2**k for k in range(0, octaves, math.ceil(octaves / 7))]
    axes[0, 0].set_xscale("log", base=2)
    axes[0, 0].set(xlim=(1, right), ylim=(-0.03, 1.03))
    axes[0, 0].set_xticks(ticks, [str(tick) for tick in ticks])
    for axis in axes.flat:
        axis.tick_params(labelbottom=True)
    for axis in filter(panels.begins_line, axes.flat):
        axis.set_ylabel("share of workloads")
    facts = {
        "optimizers": len(styles),
        "problems": int(profiles["problem"].nunique()),
        "tau_max": tau_max,
        "seeds": int(scores["n"].max()) if len(scores) else 0,
        "left_out": int(scores["left_out"].max()) if len(scores) else 0,
        "measures": [
            {
                "measure": measure,
                "workloads": int(rows["workloads"].max()),
                **data.lowest_and_highest(rows, "score", DESCRIBED_COLUMNS),
            }
            for measure, rows in scores.groupby("measure", sort=False)
        ],
    }
    return data.Drawing(figure, profiles, scores, facts)


def draw_profile(axis: mpl.axes.Axes, profile: pd.DataFrame, line: palette.LineStyle, right: float) -> None:
    """Draw a step upwards at each τ. Workloads that were not reached keep the line below one."""
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


def draw_scores(axis: mpl.axes.Axes, scores: pd.DataFrame, styles: dict[str, palette.LineStyle]) -> None:
    """Draw a legend beneath the panel, in which the score and its interval follow each name."""
    axis.legend(
        handles=[legends.line_handle(styles[str(row.optimizer)], label(row)) for row in scores.itertuples()],
        title="score" if scores["lower"].isna().all() else "score [95 % interval]",
        title_fontsize=style.small_font(),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        handlelength=3.2,
    )


def label(row: Any) -> str:
    """Write the name and its score, with the interval where there is one; without workloads the name alone."""
    if not row.workloads:
        return str(row.optimizer)
    ends = "" if math.isnan(row.lower) else f" [{row.lower:.2f}, {row.upper:.2f}]"
    return f"{row.optimizer} {row.score:.2f}{ends}"


def has_several_optimizers(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether optimizers can be compared."""
    return len(experiment.optimizers) > 1


FIGURES = (Figure("profile", draw, order=140, over_all=True, applies=has_several_optimizers),)
