"""What the tables decide over the whole experiment, as plain data for the sentences of conclusions.html.

Each function gives None where its tables cannot say anything: then its sentence is left out.
"""

from typing import Any

import numpy as np
import pandas as pd

from thalweg.analysis import histories
from thalweg.analysis.choose import CELL
from thalweg.analysis.comparisons import LOSS, measures
from thalweg.analysis.factors import FACTORS
from thalweg.analysis.sensitivity import WITHIN
from thalweg.grid.experiment import Experiment
from thalweg.reporting.findings import chosen, records

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
    return {"pools": len(shares), "within": WITHIN, **_quartiles(shares), "most": float(shares.max())}


def good_ranges(sensitivity: pd.DataFrame) -> dict[str, Any] | None:
    """The optimizers whose range of good learning rates is widest and narrowest, by the median over their cells."""
    known = sensitivity[sensitivity["decades"].notna()]
    found = [
        {"optimizer": name, "cells": len(own), "open": int(own["open"].notna().sum()), **_quartiles(own["decades"])}
        for name, own in known.groupby("optimizer", sort=False)
    ]
    if len(found) < 2:
        return None
    widest, narrowest = max(found, key=_median), min(found, key=_median)
    return {
        "widest": widest,
        "narrowest": narrowest,
        "of": len(found),
        "within": WITHIN,
        "apart": widest["lower"] > narrowest["upper"],
    }


def soonest(scores: pd.DataFrame) -> dict[str, Any] | None:
    """The optimizer with the highest score, and the others by whether their intervals are below its own."""
    known = scores[(scores["measure"] == TIMES) & (scores["workloads"] > 0)]
    if len(known) < 2 or not known["score"].max() > 0:
        return None
    first, *others = records(known.sort_values("score", ascending=False, kind="stable"))
    below = [one for one in others if first["lower"] is not None and one["upper"] < first["lower"]]
    return first | {"below": below, "overlapping": [one for one in others if one not in below]}


def batch_sizes(scaling: pd.DataFrame) -> dict[str, Any] | None:
    """How many of the series that could be fitted have the interval of their critical batch size wholly above the batch
    sizes tried, wholly below, or wholly among them; `undecided` are the others."""
    fitted = scaling[(scaling["fit"] == "fitted") & (scaling["median"] > 0)]
    if fitted.empty:
        return None
    groups = fitted.groupby(["problem", "optimizer", "target"], sort=False)
    sizes, rows = groups["batch_size"].agg(["min", "max"]), groups.first()
    low, high = rows["critical_batch_size_lower"], rows["critical_batch_size_upper"]
    found = {
        "above": low >= sizes["max"],
        "below": high <= sizes["min"],
        "among": (low > sizes["min"]) & (high < sizes["max"]),
    }
    counts = {name: int(one.sum()) for name, one in found.items()}
    problems = fitted["problem"].drop_duplicates().tolist()
    series = {"series": len(rows), "undecided": len(rows) - sum(counts.values()), "problems": problems}
    return series | {"n": int(fitted["n"].max()), "intervals": bool(low.notna().any())} | counts


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
        **{name.replace(" ", "_"): records(rows[rows["verdict"] == name]) for name in verdicts},
    }


def _quartiles(values: pd.Series) -> dict[str, float]:
    return {name: float(values.quantile(share)) for name, share in QUARTILES.items()}


def _median(found: dict[str, Any]) -> float:
    median: float = found["median"]
    return median
