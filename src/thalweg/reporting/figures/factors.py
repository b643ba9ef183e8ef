"""Which choice matters: each factor's share of the variance between tuning runs, a panel for each problem."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.grid import trials
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, panels, style, variance
from thalweg.reporting.figures import Figure

MIN_WIDTH = 1.6
"""Inches of a panel, with room for the names of terms."""

SHARE_MARK: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": palette.INK, "markersize": 5.5}
TOTAL_MARK: dict[str, Any] = {**SHARE_MARK, "marker": "D", "markerfacecolor": "none", "markersize": 5}
INTERVAL_LINE: dict[str, Any] = {"color": palette.INK, "linewidth": 2.4, "alpha": 0.45, "solid_capstyle": "butt"}
JOINING_LINE: dict[str, Any] = {"color": palette.MUTED, "linewidth": 0.8, "linestyle": (0, (1, 1.5))}


def draw(tables: Path, experiment: Experiment, problem: None) -> data.Drawing:
    """Draw each share alone with its jackknife interval, and the share with all interactions of the factor."""
    terms = (*variance.FACTORS, variance.SEED)
    shares = data.read_table(tables, "factors")
    shown = shares[shares["term"].isin(terms)]
    problems = list(experiment.problems)
    figure, axes = panels.make_grid(1, len(problems), 0.26 * len(terms) + 0.4, MIN_WIDTH, of_text=True)
    panels.title_columns(axes, problems)
    room = panels.letters_that_fit(0.7 * style.width() / panels.panels_abreast(len(problems), MIN_WIDTH))
    panels.label_outer_axes(axes, textwrap.fill("% of the variance of ranks", room))
    for place, axis in enumerate(axes.flat):
        axis.grid(axis="y", visible=False)
        of_problem = shown[shown["problem"] == problems[place]].set_index("term")
        for y, term in enumerate(terms):
            if term not in of_problem.index:
                axis.text(
                    1, y, "runs are missing" if of_problem.empty else "one level", color=palette.MUTED, va="center"
                )
                continue
            share, lower, upper, total = 100 * of_problem.loc[term, ["share", "lower", "upper", "total"]].astype(float)
            axis.plot([share, total], [y, y], **JOINING_LINE)
            axis.plot([lower, upper], [y, y], **INTERVAL_LINE)
            axis.plot([total], [y], **TOTAL_MARK)
            axis.plot([share], [y], **SHARE_MARK)
    axes[0, 0].set(xlim=(-2, 102), ylim=(len(terms) - 0.5, -0.5))
    axes[0, 0].set_yticks(range(len(terms)), [term.replace("_", " ") for term in terms])
    legends.place_legend(
        figure,
        [
            legends.mark_handle(label="share alone", **SHARE_MARK),
            legends.mark_handle(label="its 95 % interval (jackknife)", **INTERVAL_LINE),
            legends.mark_handle(label="with interactions", **TOTAL_MARK),
        ],
    )
    choices = shown[(shown["term"] != variance.SEED) & (shown["total"] > 0)]
    greatest = choices.loc[choices.groupby("problem", sort=False)["total"].idxmax()] if len(choices) else choices
    facts = {
        "problems": len(problems),
        "terms": [term.replace("_", " ") for term in terms if term in set(shown["term"])],
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
    return data.Drawing(figure, shares, table, facts)


def has_several_factors(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether more than one factor has several levels somewhere."""
    levels = (
        [len(experiment.optimizers)],
        [len(trials(optimizer)) for optimizer in experiment.optimizers.values()],
        [len(experiment.schedules)],
        [len(grid.batch_sizes) for grid in experiment.problems.values()],
    )
    return sum(max(of_factor) > 1 for of_factor in levels) > 1


FIGURES = (Figure("factors", draw, order=150, over_all=True, applies=has_several_factors),)
