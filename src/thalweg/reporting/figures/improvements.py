"""Who wins, how surely: how often each optimizer does better than each other one, at the same seed."""

from __future__ import annotations

from pathlib import Path

from thalweg.experiment.schema import Experiment
from thalweg.reporting import palette
from thalweg.reporting.drawing.lazy import data, legends, matrix, mpl, np, panels, pd, sns, style
from thalweg.reporting.figures import Figure

OPPOSITE_VERDICTS = {"lower": "higher", "higher": "lower"}
"""The verdicts that decide, each with that of the pair the other way round."""


def draw(tables: Path, experiment: Experiment, problem: str | None) -> data.Drawing:
    """Draw a matrix of pairs, both ways round: a row is the first of a pair, a column the second.

    The cells are those of `comparisons`, and the lower measure is the better one.
    """
    pairs = data.read_table(tables, "improvements", problem)
    pairs = pairs[pairs["problem"].isna()] if problem is None else pairs
    optimizers = list(experiment.optimizers)
    evaluated = pairs[pairs["n"] > 0]
    expected_runs = len(experiment.seeds.evaluation) * (1 if problem else len(experiment.problems))
    height = 0.48 if (evaluated["n"] < expected_runs).any() else 0.36
    figure, axes = panels.make_grid(1, 1, max(height * len(optimizers), 0.9) + 0.4, of_text=True)
    axis, norm, colours = axes[0, 0], mpl.colors.Normalize(0, 1), sns.color_palette("vlag_r", as_cmap=True)
    room = 0.6 * style.width() / len(optimizers)
    matrix.label_cells(axis, optimizers, optimizers, panels.letters_that_fit(room))
    between = " " if panels.letters_that_fit(room, style.small_font()) >= len("[100, 100]") else "\n"
    for row in pd.concat([pairs, mirrored(pairs)]).itertuples():
        x, y = optimizers.index(row.second), optimizers.index(row.first)
        if np.isnan(row.probability):
            matrix.write_text(axis, x, y, "not run", color=palette.MUTED)
            continue
        percent, lower, upper = (f"{100 * value:.0f}" for value in (row.probability, row.lower, row.upper))
        decided = row.verdict in OPPOSITE_VERDICTS
        weight = "bold" if decided else "normal"
        text = f"{percent}\n[{lower},{between}{upper}]" + f"\nn = {row.n}" * (row.n < expected_runs)
        matrix.paint_cell(axis, x, y, colours(norm(row.probability)), text, weight=weight)
        if decided:
            matrix.frame_cell(axis, x, y)
    axis.set(xlabel="than this optimizer", ylabel="this optimizer\ndoes better")
    matrix.add_colour_bar(figure, norm, colours, "% of seeds", lambda value: f"{100 * value:.0f}")
    decided_pairs = evaluated[evaluated["verdict"].isin(OPPOSITE_VERDICTS)]
    if len(decided_pairs):
        legends.place_legend(figure, [legends.patch_handle(label="decided at 5 % (Holm)", **matrix.FRAME)])
    winners = decided_pairs["first"].where(decided_pairs["verdict"] == "lower", decided_pairs["second"])
    wins = winners.value_counts()
    facts = {
        "measures": data.measures(experiment, problem),
        "optimizers": len(optimizers),
        "pairs": len(evaluated),
        "decided": len(decided_pairs),
        "seeds": int(evaluated["n"].max()) if len(evaluated) else 0,
        "fewest": int(evaluated["n"].min()) if len(evaluated) else 0,
        "wanted": expected_runs,
        "not_run": len(pairs) - len(evaluated),
        "problems": int(evaluated["problems"].max()) if len(evaluated) else 0,
        "wins": [{"optimizer": name, "pairs": int(wins[name])} for name in optimizers if name in wins],
    }
    columns = ["first", "second", "n", "probability", "lower", "upper", "adjusted_p", "verdict"]
    return data.Drawing(figure, pairs, pairs[columns], facts)


def mirrored(pairs: pd.DataFrame) -> pd.DataFrame:
    """Turn each pair round."""
    return pairs.assign(
        first=pairs["second"],
        second=pairs["first"],
        probability=1 - pairs["probability"],
        lower=1 - pairs["upper"],
        upper=1 - pairs["lower"],
        verdict=pairs["verdict"].replace(OPPOSITE_VERDICTS),
    )


def has_pairs(experiment: Experiment, problem: str | None) -> bool:
    """Tell whether optimizers can be compared: on a problem, or over several problems."""
    return len(experiment.optimizers) > 1 and (problem is not None or len(experiment.problems) > 1)


FIGURES = (Figure("improvements", draw, order=30, section="Optimizers", over_all=True, applies=has_pairs),)
