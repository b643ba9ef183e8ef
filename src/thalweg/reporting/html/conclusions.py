"""What the tables decide over the whole experiment, as plain data for the sentences of conclusions.html.

Each function gives None where its tables cannot say anything: then its sentence is left out.
"""

from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.tables.comparisons import LOSS, measures
from thalweg.analysis.tables.factors import FACTORS
from thalweg.analysis.tables.sensitivity import WITHIN
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html.findings import chosen, records

TIMES = "examples"
"""What scores are compared in: optimizers' best cells may differ in batch size, and then a step is not a step."""

REVERSED = {"lower": "higher", "higher": "lower"}
QUARTILES = {"lower": 0.25, "median": 0.5, "upper": 0.75}


def of_experiment(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """What there is to say of each subject, None where that is nothing."""
    return {
        "best": best(tables["ranks"], tables["improvements"]),
        "rates": learning_rates(tables["factors"]),
        "budgets": budgets(_of_losses(experiment, tables["budgets"])),
        "ranges": good_ranges(tables["sensitivity"]),
        "soonest": soonest(tables["scores"]),
        "batches": batch_sizes(tables["scaling"]),
        "schedules": schedules(experiment, tables["comparisons"], tables["cells"]),
    }


def _of_losses(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of problems on which runs are compared by their losses."""
    return table[table["problem"].map(measures(experiment)) == LOSS]


def best(ranks: pd.DataFrame, improvements: pd.DataFrame) -> dict[str, Any] | None:
    """The pairs of optimizers that are decided over all problems, by the one that does better, and whether the others
    are not distinguishable or have too few seeds; the optimizer that is better than every other one, if there is one;
    and those that share the lowest mean rank.
    """
    ranked = ranks[ranks["problem"].notna() & ranks["rank"].notna()]
    ended = ranked.loc[np.isfinite(ranked["value"]), "problem"].nunique()
    overall = ranks[ranks["problem"].isna() & ranks["rank"].notna()].sort_values("rank", kind="stable")
    pairs = improvements[improvements["problem"].isna() & (improvements["n"] > 0)]
    if ended < 2 or len(overall) < 2 or pairs.empty:
        return None
    decided = [_winner_first(row) for row in records(pairs[pairs["verdict"].isin(REVERSED)])]
    wins = {name: [row for row in decided if row["first"] == name] for name in overall["optimizer"]}
    first = records(overall)[0]
    return {
        **{name: first[name] for name in ("measure", "problems", "rank", "permutation_p")},
        "sharing": overall.loc[overall["rank"] == first["rank"], "optimizer"].tolist(),
        "of": len(overall),
        "above_all": next((name for name, own in wins.items() if len(own) == len(overall) - 1), None),
        "wins": {name: own for name, own in wins.items() if own},
        "not_distinguishable": int((pairs["verdict"] == "not distinguishable").sum()),
        "too_few_seeds": int((pairs["verdict"] == "too few seeds").sum()),
    }


def _winner_first(row: dict[str, Any]) -> dict[str, Any]:
    """A decided row of `improvements`, turned so that the first of the pair is the lower."""
    if row["verdict"] == "lower":
        return row
    ends = {"probability": "probability", "lower": "upper", "upper": "lower"}
    turned = {name: 1 - row[end] for name, end in ends.items()}
    return row | turned | {"first": row["second"], "second": row["first"], "verdict": REVERSED[row["verdict"]]}


def learning_rates(factors: pd.DataFrame) -> dict[str, Any] | None:
    """The learning rate's share of the variance on the problems where it is lowest and highest, and on how many it is
    above that of every other choice (`above`), with an interval above all theirs (`apart`)."""
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
    """The share of the trials from which on the expected test loss is within WITHIN of that of them all: quartiles over
    the pools of an optimizer's trials at a batch size, those of all schedules together where there are several. A pool
    with a loss that is not positive is left out: within a share of it means nothing."""
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
    """In how many cells the best of the rates tried is alone within WITHIN of the best result (`alone`), and among the
    optimizers of which most cells have a wider range the one where it is widest and narrowest, by the median."""
    known = sensitivity[sensitivity["range"].isin(["interpolated", "one rate alone"])]
    if known.empty:
        return None
    found = []
    for name, own in known.groupby("optimizer", sort=False):
        wide = own[own["range"] == "interpolated"]
        if 2 * len(wide) > len(own):
            ends = {"cells": len(wide), "open": int(wide["open"].notna().sum()), **_quartiles(wide["decades"])}
            found.append({"optimizer": name, **ends})
    alone = {"alone": int((known["range"] == "one rate alone").sum()), "cells": len(known), "within": WITHIN}
    if len(found) < 2:
        return alone
    return alone | {"widest": max(found, key=_median), "narrowest": min(found, key=_median)}


def soonest(scores: pd.DataFrame) -> dict[str, Any] | None:
    """The optimizer with the highest score, and the others by how the difference to it was decided."""
    known = scores[(scores["measure"] == TIMES) & (scores["workloads"] > 0)]
    if len(known) < 2 or not known["score"].max() > 0:
        return None
    ranked = known.assign(reference=known["verdict"] == "reference")
    first, *others = records(ranked.sort_values(["reference", "score"], ascending=False, kind="stable"))
    named = {"below": "lower", "not_distinguishable": "not distinguishable"}
    return first | {name: [one for one in others if one["verdict"] == verdict] for name, verdict in named.items()}


def batch_sizes(scaling: pd.DataFrame) -> dict[str, Any] | None:
    """How many of the series that could be fitted are in each regime, and how many are `unshaped`: no curve fits."""
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
    """The constant learning rate against each problem's best cell: a row a problem by its verdict, where tuning could
    choose a cell."""
    constant = [name for name, one in experiment.schedules.items() if not one.class_name and not one.warmup]
    levels = comparisons[(comparisons["factor"] == "schedule") & (comparisons["n"] > 0)]
    rows = levels[levels["level"].isin(constant[:1])]
    known = [name for name, own in comparisons.groupby("problem") if chosen(own, cells) is not None]
    rows = rows[rows["problem"].isin(known)].merge(cells[[*CELL, *histories.LOST]], how="left")
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
    return {name: float(values.quantile(share)) for name, share in QUARTILES.items()}


def _median(found: dict[str, Any]) -> float:
    median: float = found["median"]
    return median
