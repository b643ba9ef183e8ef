"""Draw conclusions over the whole experiment from the tables, as plain data for the sentences of conclusions.html.

A function returns None if its tables allow no conclusion. Its sentence is then left out.
"""

from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.comparing import LOSS, measures
from thalweg.analysis.statistics.learning_rate_range import WITHIN
from thalweg.analysis.statistics.variance import FACTORS
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html.findings import find_chosen_cell, records

SCORE_MEASURE = "examples"
"""The measure of the scores that are compared. Best cells may differ in batch size, so that steps do not compare."""

REVERSED_VERDICT = {"lower": "higher", "higher": "lower"}
QUARTILES = {"lower": 0.25, "median": 0.5, "upper": 0.75}


def draw_conclusions(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Draw the conclusions on each subject, None for a subject without any."""
    return {
        "best": best_optimizers(tables["ranks"], tables["improvements"]),
        "rates": learning_rates(tables["factors"]),
        "budgets": budgets(_compared_by_loss(experiment, tables["budgets"])),
        "ranges": good_ranges(tables["sensitivity"]),
        "soonest": soonest(tables["scores"]),
        "batches": batch_sizes(tables["scaling"]),
        "schedules": schedules(experiment, tables["comparisons"], tables["cells"]),
    }


def _compared_by_loss(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of the problems on which runs are compared by their losses."""
    return table[table["problem"].map(measures(experiment)) == LOSS]


def best_optimizers(ranks: pd.DataFrame, improvements: pd.DataFrame) -> dict[str, Any] | None:
    """Compare the optimizers over all problems.

    Args:
        ranks: The table `ranks`.
        improvements: The table `improvements`.

    Returns:
        None if fewer than two problems or optimizers can be compared. Else, beside the first row by mean rank, the
        optimizers `sharing` its rank; `wins`, the decided pairs by the better optimizer; `above_all`, the optimizer
        that is better than every other one, or None; and the numbers of pairs that are not distinguishable or have too
        few seeds.
    """
    ranked = ranks[ranks["problem"].notna() & ranks["rank"].notna()]
    ended = ranked.loc[np.isfinite(ranked["value"]), "problem"].nunique()
    overall = ranks[ranks["problem"].isna() & ranks["rank"].notna()].sort_values("rank", kind="stable")
    pairs = improvements[improvements["problem"].isna() & (improvements["n"] > 0)]
    if ended < 2 or len(overall) < 2 or pairs.empty:
        return None
    decided = [_winner_first(row) for row in records(pairs[pairs["verdict"].isin(REVERSED_VERDICT)])]
    wins = {name: [row for row in decided if row["first"] == name] for name in overall["optimizer"]}
    first = records(overall)[0]
    return {
        **{name: first[name] for name in ("measure", "problems", "rank", "permutation_p")},
        "sharing": overall.loc[overall["rank"] == first["rank"], "optimizer"].tolist(),
        "of": len(overall),
        "above_all": next((name for name, pairs in wins.items() if len(pairs) == len(overall) - 1), None),
        "wins": {name: pairs for name, pairs in wins.items() if pairs},
        "not_distinguishable": int((pairs["verdict"] == "not distinguishable").sum()),
        "too_few_seeds": int((pairs["verdict"] == "too few seeds").sum()),
    }


def _winner_first(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a decided row of `improvements` so that the first of its pair has the lower loss."""
    if row["verdict"] == "lower":
        return row
    ends = {"probability": "probability", "lower": "upper", "upper": "lower"}
    turned = {name: 1 - row[end] for name, end in ends.items()}
    return row | turned | {"first": row["second"], "second": row["first"], "verdict": REVERSED_VERDICT[row["verdict"]]}


def learning_rates(factors: pd.DataFrame) -> dict[str, Any] | None:
    """Compare the learning rate's share of the variance with those of the other factors.

    Args:
        factors: The table `factors`.

    Returns:
        None if no problem varies anything else. Else the rows of the problems where the share is `lowest` and
        `highest`; on how many `problems` it is `above` that of every other factor, and on how many its interval is
        `apart`, above all of theirs; and the range of the `totals`.
    """
    single = factors[factors["term"].isin(FACTORS)]
    varied = single.groupby("problem")["share"].transform("sum") > 0
    own = single[varied & (single["term"] == "learning_rate")].set_index("problem", drop=False)
    rest = single[varied & (single["term"] != "learning_rate")].groupby("problem")
    if own.empty or not len(rest):
        return None
    own = own.loc[[name for name in own.index if name in rest.groups]]
    next_shares, next_ends = rest["share"].max()[own.index], rest["upper"].max()[own.index]
    return {
        "problems": len(own),
        "n": int(own["n"].min()),
        "lowest": records(own.loc[[own["share"].idxmin()]])[0],
        "highest": records(own.loc[[own["share"].idxmax()]])[0],
        "totals": [float(own["total"].min()), float(own["total"].max())],
        "above": int((own["share"] > next_shares).sum()),
        "apart": int((own["lower"] > next_ends).sum()),
        "intervals": bool(own["lower"].notna().all()),
    }


def budgets(table: pd.DataFrame) -> dict[str, Any] | None:
    """Find the fraction of the trials that brings the expected test loss within WITHIN of that after all trials.

    A pool is all trials of an optimizer at a batch size, over all schedules. Pools with a loss that is not positive are
    left out, since a fraction of such a loss means nothing.

    Args:
        table: The table `budgets`.

    Returns:
        None if there is no pool. Else the quartiles over the pools, and `most`, the largest fraction.
    """
    keys = ["problem", "optimizer", "batch_size"]
    together = table[table["schedule"].isna()]
    single = table.merge(together[keys].drop_duplicates(), how="left", indicator="among")
    pools = pd.concat([together, single[single["among"] == "left_only"]])
    pools = pools[pools["trials"] > 1].sort_values([*keys, "k"])
    expected = histories.resolved(pools["expected"])
    by_pool = expected.groupby([pools[key] for key in CELL], dropna=False)
    whole, lowest = by_pool.transform("last"), by_pool.transform("min")
    enough = pools.assign(beyond=expected > (1 + WITHIN) * whole)[np.isfinite(whole) & (lowest > 0)]
    if enough.empty:
        return None
    groups = enough.groupby(CELL, dropna=False)
    # With all trials it is never beyond.
    needed = enough["k"].where(enough["beyond"], 0).groupby([enough[key] for key in CELL], dropna=False).max() + 1
    shares = needed / groups["trials"].first()
    among = {"problems": enough["problem"].drop_duplicates().tolist(), "pools": len(shares), "within": WITHIN}
    return {**among, **_quartiles(shares), "most": float(shares.max())}


def good_ranges(sensitivity: pd.DataFrame) -> dict[str, Any] | None:
    """Compare the widths of the ranges of good learning rates.

    Args:
        sensitivity: The table `sensitivity`.

    Returns:
        None if no range is known. Else in how many of the `cells` only one of the rates tried is good (`alone`); and,
        among the optimizers most of whose cells have a wider range, those with the `widest` and `narrowest` range by
        the median, if there are two.
    """
    known = sensitivity[sensitivity["range"].isin(["interpolated", "one rate alone"])]
    if known.empty:
        return None
    widths = []
    for name, own in known.groupby("optimizer", sort=False):
        wide = own[own["range"] == "interpolated"]
        if 2 * len(wide) > len(own):
            ends = {"cells": len(wide), "open": int(wide["open"].notna().sum()), **_quartiles(wide["decades"])}
            widths.append({"optimizer": name, **ends})
    alone = {"alone": int((known["range"] == "one rate alone").sum()), "cells": len(known), "within": WITHIN}
    if len(widths) < 2:
        return alone
    return alone | {"widest": max(widths, key=_median), "narrowest": min(widths, key=_median)}


def soonest(scores: pd.DataFrame) -> dict[str, Any] | None:
    """Find the optimizer with the highest score, and group the others by the verdict on their difference to it."""
    known = scores[(scores["measure"] == SCORE_MEASURE) & (scores["workloads"] > 0)]
    if len(known) < 2 or not known["score"].max() > 0:
        return None
    ranked = known.assign(reference=known["verdict"] == "reference")
    first, *others = records(ranked.sort_values(["reference", "score"], ascending=False, kind="stable"))
    named = {"below": "lower", "not_distinguishable": "not distinguishable"}
    return first | {name: [row for row in others if row["verdict"] == verdict] for name, verdict in named.items()}


def batch_sizes(scaling: pd.DataFrame) -> dict[str, Any] | None:
    """Count the series over batch sizes by regime, with the number `unshaped` of those that no curve fits."""
    fitted = scaling[(scaling["fit"] == "fitted") & (scaling["median"] > 0)]
    if fitted.empty:
        return None
    rows = fitted.groupby(["problem", "optimizer", "target"], sort=False).first()
    named = {"above": "in proportion", "below": "little", "among": "turning", "undecided": "undecided"}
    unshaped = scaling[scaling["fit"] == "not of this shape"].drop_duplicates(["problem", "optimizer", "target"])
    with_curves = scaling["fit"].isin(["fitted", "not of this shape"])
    return {
        "series": len(rows),
        "problems": fitted["problem"].drop_duplicates().tolist(),
        "seen_on": scaling.loc[with_curves, "problem"].drop_duplicates().tolist(),
        "n": int(fitted["n"].max()),
        "fewest": int(fitted["n"].min()),
        "intervals": bool(rows["critical_batch_size_lower"].notna().any()),
        "unshaped": len(unshaped),
        **{name: int((rows["regime"] == regime).sum()) for name, regime in named.items()},
    }


def schedules(experiment: Experiment, comparisons: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any] | None:
    """Compare the constant learning rate with the best cell of each problem on which tuning chose one, by verdict."""
    constant = [
        name for name, schedule in experiment.schedules.items() if not schedule.class_name and not schedule.warmup
    ]
    levels = comparisons[(comparisons["factor"] == "schedule") & (comparisons["n"] > 0)]
    rows = levels[levels["level"].isin(constant[:1])]
    known = [name for name, own in comparisons.groupby("problem") if find_chosen_cell(own, cells) is not None]
    rows = rows[rows["problem"].isin(known)].merge(cells[[*CELL, *histories.FAILURES]], how="left")
    if rows.empty or len(experiment.schedules) < 2:
        return None
    verdicts = ("higher", "lower", "not distinguishable", "too few seeds", "reference")
    return {
        "problems": len(rows),
        "constant": constant[0],
        "measures": rows["measure"].drop_duplicates().tolist(),
        **{name.replace(" ", "_"): records(rows[rows["verdict"] == name]) for name in verdicts},
    }


def _quartiles(values: pd.Series) -> dict[str, float]:
    """Return the quartiles of a series by the names of QUARTILES."""
    return {name: float(values.quantile(share)) for name, share in QUARTILES.items()}


def _median(quartiles: dict[str, Any]) -> float:
    median: float = quartiles["median"]
    return median
