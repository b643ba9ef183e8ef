"""Who does best: each optimizer's best cell, its test metrics with intervals over evaluation seeds.

Where runs end at their target, the examples to it stand in the place of the loss.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from thalweg import templates
from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import comparing, data, histories, np, panels, pd, scales, style
from thalweg.reporting.figures import Figure


def draw(tables: Path, experiment: Experiment, problem: str) -> data.Drawing:
    """Draw interquartile means with 95 % intervals, and each seed as a small stroke, of the cells of `comparisons`."""
    best, seed_count = data.best_cells(tables, problem), len(experiment.seeds.evaluation)
    runs = data.read_table(tables, "runs", problem)
    seeds = best[data.TRAINED_CELL].merge(runs[runs["stage"] == "evaluation"])
    measure = comparing.measures(experiment)[problem]
    compared = comparing.MEASURE_COLUMNS[measure]
    metrics = [name for name in best if name.startswith("final_test_") and name in seeds and best[name].notna().any()]
    columns = [compared, *(name for name in metrics if name != "final_test_loss")]
    styles = palette.line_styles(experiment.optimizers)
    room = panels.letters_that_fit(0.36 * style.width(), style.small_font())
    labels = [
        textwrap.fill(f"{row.optimizer}  ({row.schedule}, batch {row.batch_size}, rate {row.learning_rate:.3g})", room)
        for row in best.itertuples()
    ]
    label_lines = max([1, *(label.count("\n") + 1 for label in labels)])
    height = max(0.34, 1.4 * label_lines * style.small_font() / 72) * len(best) + 0.3
    figure, axes = panels.make_grid(1, len(columns), height, sharex=False, of_text=True)
    rows, letters_beneath = [], panels.letters_that_fit(0.6 * style.width() / len(columns))
    for axis, name in zip(axes[0], columns, strict=True):
        shown = np.concatenate([best[[name, f"{name}_upper"]].to_numpy().ravel(), seeds[name]])
        limits = scales.positive_limits(shown) if name == compared else scales.linear_limits(shown)
        for place, row in enumerate(best.itertuples()):
            line, of_row = styles[row.optimizer], seeds[seeds["optimizer"] == row.optimizer]
            value, lower, upper = (float(getattr(row, name + end)) for end in ("", "_lower", "_upper"))
            strokes = of_row[name].astype(float).dropna()
            if name == compared:
                strokes = scales.clip_to_axis(strokes, limits)
            axis.plot(strokes, np.full(len(strokes), place), "|", color=palette.MUTED, markersize=7, alpha=0.6)
            if np.isfinite(lower) or np.isfinite(upper):
                bar = np.clip([lower, upper], *limits)
                axis.plot(bar, [place, place], color=line.colour, linewidth=2.4, alpha=0.75)
            if np.isfinite(value):
                shown_value = max(value, limits[0]) if name == compared else value
                axis.plot([shown_value], [place], line.marker, color=line.colour, markersize=6.5, clip_on=False)
                if shown_value != value:
                    # A logarithmic axis has no place for zero, so its mark stands at the end of the axis.
                    axis.annotate(
                        templates.number(value, 1),
                        (shown_value, place),
                        (7, 5),
                        textcoords="offset points",
                        fontsize=style.small_font(),
                    )
            ending = measure != comparing.LOSS and name == compared
            text = unreached_in_words(of_row[name], seed_count) if ending else panels.runs_lost(row, seed_count)
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
                    fontsize=style.small_font(),
                )
            cell = {**{key: getattr(row, key) for key in data.TRAINED_CELL}, "metric": name}
            rows.append({**cell, "shown": "interquartile mean", "value": value, "lower": lower, "upper": upper})
            rows += [
                {**cell, "shown": f"seed {seed.seed}", "value": float(getattr(seed, name))}
                for seed in of_row.itertuples()
            ]
        axis.set_xlabel(textwrap.fill(name.replace("_", " "), letters_beneath))
        # A mark at the lower end of the axis stands beside its line, not on it.
        axis.spines["left"].set_position(("outward", 7))
        if name == compared:
            scales.set_log_scale(axis, "x", limits)
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
        "endless": any(is_one_sided(best, name) for name in columns),
        "unresolved": measure == comparing.LOSS and scales.any_unresolved(seeds[compared]),
        **data.count_seeds(best, len(styles) * seed_count),
        "infinite": bool(np.isposinf(best[compared]).any()),
        **data.count_lost(best),
        **data.lowest_and_highest(best, compared, data.TRAINED_CELL),
    }
    numbers = [name + end for name in columns for end in ("", "_lower", "_upper")]
    return data.Drawing(
        figure, pd.DataFrame(rows), best[[*data.TRAINED_CELL, "n", *histories.FAILURES, *numbers]], facts
    )


def unreached_in_words(examples: pd.Series, seeds: int) -> str:
    """Write how many of a cell's runs there are, and how many did not reach their target; nothing where all did."""
    unreached, n = int(np.isposinf(examples.astype(float)).sum()), len(examples)
    return ", ".join(
        filter(None, [panels.runs_present(n, seeds), f"{unreached} of {n} not there" if unreached else ""])
    )


def is_one_sided(best: pd.DataFrame, name: str) -> bool:
    """Tell whether an interval of the metric has one infinite end: the upper, or the lower where higher is better."""
    return bool((np.isinf(best[f"{name}_lower"]) != np.isinf(best[f"{name}_upper"])).any())


FIGURES = (Figure("optimizers", draw, order=20, section="Optimizers"),)
