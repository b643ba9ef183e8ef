"""Which choice matters: each factor's share of the variance between tuning runs, a panel for each problem."""

import textwrap
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from thalweg.analysis.tables.factors import FACTORS, SEED
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

TERMS = (*FACTORS, SEED)
LEAST = 1.6
"""Inches of a panel, with room for the names of terms."""

ALONE: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": style.INK, "markersize": 5.5}
TOTAL: dict[str, Any] = {**ALONE, "marker": "D", "markerfacecolor": "none", "markersize": 5}
INTERVAL: dict[str, Any] = {"color": style.INK, "linewidth": 2.4, "alpha": 0.45, "solid_capstyle": "butt"}
BETWEEN: dict[str, Any] = {"color": style.MUTED, "linewidth": 0.8, "linestyle": (0, (1, 1.5))}


def draw(tables: Path, experiment: Experiment, problem: None) -> panels.Drawing:
    """The share alone with its jackknife interval, and the one with all interactions that the factor takes part in."""
    shares = panels.read(tables, "factors")
    shown = shares[shares["term"].isin(TERMS)]
    problems = list(experiment.problems)
    figure, axes = panels.grid(1, len(problems), 0.26 * len(TERMS) + 0.4, LEAST, of_text=True)
    panels.name_columns(axes, problems)
    room = panels.letters(0.7 * style.width() / panels.abreast(len(problems), LEAST))
    panels.name_axes(axes, textwrap.fill("% of the variance of ranks", room))
    for place, axis in enumerate(axes.flat):
        axis.grid(axis="y", visible=False)
        of_problem = shown[shown["problem"] == problems[place]].set_index("term")
        for y, term in enumerate(TERMS):
            if term not in of_problem.index:
                axis.text(1, y, "runs are missing" if of_problem.empty else "one level", color=style.MUTED, va="center")
                continue
            share, lower, upper, total = 100 * of_problem.loc[term, ["share", "lower", "upper", "total"]].astype(float)
            axis.plot([share, total], [y, y], **BETWEEN)
            axis.plot([lower, upper], [y, y], **INTERVAL)
            axis.plot([total], [y], **TOTAL)
            axis.plot([share], [y], **ALONE)
    axes[0, 0].set(xlim=(-2, 102), ylim=(len(TERMS) - 0.5, -0.5))
    axes[0, 0].set_yticks(range(len(TERMS)), [term.replace("_", " ") for term in TERMS])
    panels.place_legend(
        figure,
        [
            Line2D([], [], label="share alone", **ALONE),
            Line2D([], [], label="its 95 % interval (jackknife)", **INTERVAL),
            Line2D([], [], label="with interactions", **TOTAL),
        ],
    )
    choices = shown[(shown["term"] != SEED) & (shown["total"] > 0)]
    greatest = choices.loc[choices.groupby("problem", sort=False)["total"].idxmax()] if len(choices) else choices
    facts = {
        "problems": len(problems),
        "terms": [term.replace("_", " ") for term in TERMS if term in set(shown["term"])],
        "seeds": int(shown["n"].max()) if len(shown) else 0,
        "runs": int(shown.drop_duplicates("problem")["tuning_runs"].sum()),
        "incomplete": len(problems) - shown["problem"].nunique(),
        "alike": shown["problem"].nunique() - choices["problem"].nunique(),
        "greatest": [
            {"problem": row.problem, "term": row.term.replace("_", " "), "share": row.share, "total": row.total}
            for row in greatest.itertuples()
        ],
    }
    table = shown[["problem", "term", "share", "lower", "upper", "total", "n", "tuning_runs"]]
    return panels.Drawing(figure, shares, table, facts)
