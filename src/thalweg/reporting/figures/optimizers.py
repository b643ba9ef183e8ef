"""Who does best: each optimizer's best cell, its test metrics with intervals over evaluation seeds.

Where runs end at their target, the examples to it stand in the place of the loss.
"""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from thalweg import templates
from thalweg.analysis.choose import TRIAL
from thalweg.analysis.histories import LOST
from thalweg.analysis.tables import comparisons
from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import panels

CELL = ["optimizer", "schedule", "batch_size", *TRIAL]


def draw(tables: Path, experiment: Experiment, problem: str) -> panels.Drawing:
    """Interquartile mean with its 95 % interval, and every seed as a small stroke. Cells are those of `comparisons`."""
    best, declared = panels.best_cells(tables, problem), len(experiment.seeds.evaluation)
    runs = panels.read(tables, "runs", problem)
    seeds = best[CELL].merge(runs[runs["stage"] == "evaluation"])
    measure = comparisons.measures(experiment)[problem]
    compared = comparisons.COLUMNS[measure]
    metrics = [name for name in best if name.startswith("final_test_") and name in seeds and best[name].notna().any()]
    columns = [compared, *(name for name in metrics if name != "final_test_loss")]
    styles = style.lines(experiment.optimizers)
    room = panels.letters(0.36 * style.width(), style.small())
    labels = [
        textwrap.fill(f"{row.optimizer}  ({row.schedule}, batch {row.batch_size}, rate {row.learning_rate:.3g})", room)
        for row in best.itertuples()
    ]
    lines = max([1, *(label.count("\n") + 1 for label in labels)])
    height = max(0.34, 1.4 * lines * style.small() / 72) * len(best) + 0.3
    figure, axes = panels.grid(1, len(columns), height, sharex=False, of_text=True)
    parts, beneath = [], panels.letters(0.6 * style.width() / len(columns))
    for axis, name in zip(axes[0], columns, strict=True):
        shown = np.concatenate([best[[name, f"{name}_upper"]].to_numpy().ravel(), seeds[name]])
        limits = panels.positive_limits(shown) if name == compared else panels.linear_limits(shown)
        for place, row in enumerate(best.itertuples()):
            line, of_row = styles[row.optimizer], seeds[seeds["optimizer"] == row.optimizer]
            value, lower, upper = (float(getattr(row, name + end)) for end in ("", "_lower", "_upper"))
            strokes = of_row[name].astype(float).dropna()
            if name == compared:
                strokes = panels.drawable(strokes, limits)
            axis.plot(strokes, np.full(len(strokes), place), "|", color=style.MUTED, markersize=7, alpha=0.6)
            if np.isfinite(lower) or np.isfinite(upper):
                bar = np.clip([lower, upper], *limits)
                axis.plot(bar, [place, place], color=line.colour, linewidth=2.4, alpha=0.75)
            if np.isfinite(value):
                within = max(value, limits[0]) if name == compared else value
                axis.plot([within], [place], line.marker, color=line.colour, markersize=6.5, clip_on=False)
                if within != value:
                    # A logarithmic axis has no place for zero, so its mark stands at the end of the axis.
                    axis.annotate(
                        templates.number(value, 1),
                        (within, place),
                        (7, 5),
                        textcoords="offset points",
                        fontsize=style.small(),
                    )
            ending = measure != comparisons.LOSS and name == compared
            text = not_there(of_row[name], declared) if ending else panels.lost(row, declared)
            if text:
                # Above the strokes of the seeds.
                axis.annotate(
                    text,
                    (0.99, place),
                    (0, 4),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    ha="right",
                    va="bottom",
                    fontsize=style.small(),
                )
            cell = {**{key: getattr(row, key) for key in CELL}, "metric": name}
            parts.append({**cell, "shown": "interquartile mean", "value": value, "lower": lower, "upper": upper})
            parts += [
                {**cell, "shown": f"seed {seed.seed}", "value": float(getattr(seed, name))}
                for seed in of_row.itertuples()
            ]
        axis.set_xlabel(textwrap.fill(name.replace("_", " "), beneath))
        # A mark at the lower end of the axis stands beside its line, not on it.
        axis.spines["left"].set_position(("outward", 7))
        if name == compared:
            panels.logarithmic(axis, "x", limits)
        else:
            axis.set_xlim(limits)
        axis.grid(axis="y", visible=False)
    axes[0, 0].set_yticks(range(len(best)), labels)
    axes[0, 0].set_ylim(len(best) - 0.4, -0.6)
    facts = {
        "measure": measure,
        "metrics": [name.replace("_", " ") for name in columns],
        "optimizers": len(best),
        "interval": bool(best[f"{compared}_lower"].notna().any()),
        "endless": any(one_sided(best, name) for name in columns),
        "unresolved": measure == comparisons.LOSS and panels.on_the_edge(seeds[compared]),
        **panels.evaluated(best, len(styles) * declared),
        "infinite": bool(np.isposinf(best[compared]).any()),
        **panels.all_lost(best),
        **panels.extremes(best, compared, CELL),
    }
    numbers = [name + end for name in columns for end in ("", "_lower", "_upper")]
    return panels.Drawing(figure, pd.DataFrame(parts), best[[*CELL, "n", *LOST, *numbers]], facts)


def not_there(examples: pd.Series, seeds: int) -> str:
    """How many of a cell's runs are there, and how many did not reach their target; nothing where those of all seeds
    did."""
    never, n = int(np.isposinf(examples.astype(float)).sum()), len(examples)
    return ", ".join(filter(None, [panels.run(n, seeds), f"{never} of {n} not there" if never else ""]))


def one_sided(best: pd.DataFrame, name: str) -> bool:
    """Whether an interval of the metric has one end that is infinite: the upper one, or of what is better when
    higher the lower one."""
    return bool((np.isinf(best[f"{name}_lower"]) != np.isinf(best[f"{name}_upper"])).any())
