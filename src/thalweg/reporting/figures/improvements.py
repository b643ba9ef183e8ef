"""Who wins, how surely: how often each optimizer does better than each other one, at the same seed."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import Normalize
from matplotlib.patches import Patch

from thalweg.experiment.schema import Experiment
from thalweg.reporting import style
from thalweg.reporting.figures import matrix, panels

DECIDED = {"lower": "higher", "higher": "lower"}
"""The verdicts that decide, each with the one of the pair the other way round."""


def draw(tables: Path, experiment: Experiment, problem: str | None) -> panels.Drawing:
    """A row is the first of each pair, a column the second; each pair is there both ways. Cells are those of
    `comparisons`, and so is what is better: the lower measure."""
    pairs = panels.read(tables, "improvements", problem)
    pairs = pairs[pairs["problem"].isna()] if problem is None else pairs
    optimizers = list(experiment.optimizers)
    there = pairs[pairs["n"] > 0]
    wanted = len(experiment.seeds.evaluation) * (1 if problem else len(experiment.problems))
    height = 0.48 if (there["n"] < wanted).any() else 0.36
    figure, axes = panels.grid(1, 1, max(height * len(optimizers), 0.9) + 0.4, of_text=True)
    axis, norm, colours = axes[0, 0], Normalize(0, 1), sns.color_palette("vlag_r", as_cmap=True)
    room = 0.6 * style.width() / len(optimizers)
    matrix.name(axis, optimizers, optimizers, panels.letters(room))
    between = " " if panels.letters(room, style.small()) >= len("[100, 100]") else "\n"
    for row in pd.concat([pairs, mirrored(pairs)]).itertuples():
        x, y = optimizers.index(row.second), optimizers.index(row.first)
        if np.isnan(row.probability):
            matrix.write(axis, x, y, "not run", color=style.MUTED)
            continue
        percent, lower, upper = (f"{100 * value:.0f}" for value in (row.probability, row.lower, row.upper))
        decided = row.verdict in DECIDED
        weight = "bold" if decided else "normal"
        text = f"{percent}\n[{lower},{between}{upper}]" + f"\nn = {row.n}" * (row.n < wanted)
        matrix.paint(axis, x, y, colours(norm(row.probability)), text, weight=weight)
        if decided:
            matrix.frame(axis, x, y)
    axis.set(xlabel="than this optimizer", ylabel="this optimizer\ndoes better")
    matrix.colour_bar(figure, norm, colours, "% of seeds", lambda value: f"{100 * value:.0f}")
    decided_pairs = there[there["verdict"].isin(DECIDED)]
    if len(decided_pairs):
        panels.place_legend(figure, [Patch(label="decided at 5 % (Holm)", **matrix.FRAME)])
    winners = decided_pairs["first"].where(decided_pairs["verdict"] == "lower", decided_pairs["second"])
    wins = winners.value_counts()
    facts = {
        "measures": panels.measures(experiment, problem),
        "optimizers": len(optimizers),
        "pairs": len(there),
        "decided": len(decided_pairs),
        "seeds": int(there["n"].max()) if len(there) else 0,
        "fewest": int(there["n"].min()) if len(there) else 0,
        "wanted": wanted,
        "not_run": len(pairs) - len(there),
        "problems": int(there["problems"].max()) if len(there) else 0,
        "wins": [{"optimizer": name, "pairs": int(wins[name])} for name in optimizers if name in wins],
    }
    columns = ["first", "second", "n", "probability", "lower", "upper", "adjusted_p", "verdict"]
    return panels.Drawing(figure, pairs, pairs[columns], facts)


def mirrored(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each pair the other way round."""
    return pairs.assign(
        first=pairs["second"],
        second=pairs["first"],
        probability=1 - pairs["probability"],
        lower=1 - pairs["upper"],
        upper=1 - pairs["lower"],
        verdict=pairs["verdict"].replace(DECIDED),
    )
