"""What the claims of an experiment come to, found from the raw runs as tests/derived.py does it.

Each claim is read from the experiment's YAML, and what it says is taken word by word.
"""

import functools
import itertools
import math
import re

import derived
import pandas as pd
from derived import WELL, median_interval, number, percent, quantile, rate

CLAIMS = """
claims:
  of_one_cell:
    says: Adam ends lower
    compare: {optimizer: adam, with: sgd, problem: linear, schedule: constant, batch_size: 6}
    measure: final train loss
    expect: lower
    smallest_effect: 1 %
  of_two_batch_sizes:
    says: the cosine is better
    compare: {schedule: cosine, with: constant, problem: linear, optimizer: sgd}
    measure: best validation loss
    expect: lower
    smallest_effect: 5 %
  of_a_share:
    says: Adam is more accurate
    compare: {optimizer: adam, with: sgd, problem: digits_cnn, schedule: cosine}
    measure: final test accuracy
    expect: higher
    smallest_effect: 0.5 points
  of_steps:
    says: Adam is there in half of the steps
    compare: {optimizer: adam, with: sgd, problem: linear, schedule: cosine, batch_size: 1}
    measure: steps to validation loss <= 0.1
    expect: lower
    smallest_effect: 50 %
  of_a_prediction:
    says: the prediction is close to 19
    of: {reproduction: snippet_1}
    measure: prediction at x = 10
    expect: within 0.5 of 19
  of_every_problem:
    says: the cosine ends lower wherever it is tried
    compare: {schedule: cosine, with: constant, optimizer: adam}
    measure: final train loss
    expect: lower
    smallest_effect: 5 %
  of_one_rate:
    says: at a rate that is written out, tuning runs count too
    compare: {optimizer: adam, with: sgd, schedule: constant, batch_size: 6, learning_rate: 1e-1}
    measure: final validation loss
    expect: lower
  of_a_factor:
    says: rates matter
    of: {factor: learning_rate}
    measure: share of variance with interactions
    expect: at least 10 %
  of_a_factor_alone:
    says: the schedule alone matters
    of: {factor: schedule, problem: linear}
    measure: share of variance
    expect: at least 30 %
"""


@functools.cache
def rows(results, seconds=False):
    """The rows of the table of claims, or of that of claims in seconds, in the order of the experiment file."""
    found = []
    for name, said in results.said.get("claims", {}).items():
        if said["measure"].startswith("seconds to ") != seconds:
            continue
        about = {problem: of_problem(results, said, problem) for problem in spoken_of(results, said)}
        judged = [one | judge(said, one) for one in about.values()]
        whole = over_problems(judged) if len(judged) > 1 else judged.pop()
        ends = [end if math.isfinite(end) else math.nan for end in true_for(said)]
        row = {"claim": name, "unit": unit(said), "at_least": ends[0], "at_most": ends[1]}
        found.append({**row, "problem": None, **whole})
        found += [{**row, "problem": problem, **one} for problem, one in zip(about, judged, strict=bool(judged))]
    return found


def spoken_of(results, said):
    """The problems that a claim is judged on, each by itself."""
    if "reproduction" in said.get("of", {}):
        return [results.said["reproductions"][said["of"]["reproduction"]]["problem"]]
    named = said.get("of", said.get("compare"))
    problems = [named["problem"]] if "problem" in named else results.problems
    return problems if "of" in said else [one for one in problems if count_pairs(results, said["compare"], one)]


def of_problem(results, said, problem):
    """What a claim comes to on a problem: the effect, its interval, and what it was found from."""
    if "compare" in said:
        return compared(results, said, problem)
    if "factor" in said["of"]:
        share, ends, total, total_ends = results.shares[problem, said["of"]["factor"]]
        value, (low, high) = (total, total_ends) if said["measure"].endswith("interactions") else (share, ends)
        tuning = results.runs[(results.runs["stage"] == "tuning") & (results.runs["problem"] == problem)]
        return effect(value, (low, high), results.tuning_seeds, 1, set(tuning["run"]))
    runs = results.runs[results.runs["reproduction"] == said["of"]["reproduction"]].to_dict("records")
    if said["measure"].startswith("share of epochs"):
        return falling(results, runs)
    values = [measured(results, said["measure"], run) for run in runs]
    return effect(quantile(values, 0.5), median_interval(values), len(values), 1, {run["run"] for run in runs})


def effect(value, ends, n=0, cells=0, runs=(), declared=0, lacks=None):
    row = {"effect": value, "lower": ends[0], "upper": ends[1], "n": n, "cells": cells, "declared": declared}
    return row | {"runs": set(runs), "lacks": lacks}


# What is compared.


def sides(compare):
    """The axis in which two sets of cells differ, and both by the levels that they name."""
    names = list(compare)
    axis = names[names.index("with") - 1]
    levels = {name: level for name, level in compare.items() if name != "with"}
    return axis, levels, levels | {axis: compare["with"]}


def runs_of(results, levels, problem):
    """The runs of one side: all at a rate that is written out, each once, else evaluation runs at the tuned ones."""
    runs, at = results.runs, levels.get("learning_rate", "tuned")
    there = (runs["problem"] == problem) & (
        runs["stage"] == "evaluation"
        if at == "tuned"
        else (runs["learning_rate"] == float(at)) & (runs["hyperparameters"] == "{}")
    )
    for axis in ("optimizer", "schedule", "batch_size"):
        there &= runs[axis] == levels[axis] if axis in levels else True
    return runs[there].drop_duplicates("run").to_dict("records")


def pairs(results, compare, problem):
    """For each seed its pairs of runs that have all in common but what is compared."""
    axis, *both = sides(compare)
    others = [name for name in ("optimizer", "schedule", "batch_size") if name != axis]
    ours, theirs = (
        {(run["seed"], *(run[name] for name in others)): run for run in runs_of(results, levels, problem)}
        for levels in both
    )
    found = {}
    for key in sorted(set(ours) & set(theirs)):
        found.setdefault(key[0], []).append((ours[key], theirs[key]))
    return found


def count_pairs(results, compare, problem):
    return max(map(len, pairs(results, compare, problem).values()), default=0)


def compared(results, said, problem):
    """The median over seeds of the median over pairs of the ratio, or of the difference, of what is measured."""
    measure, wanted = said["measure"], count_pairs(results, said["compare"], problem)
    by_seed, runs = {}, set()
    for seed, both in pairs(results, said["compare"], problem).items():
        for ours, theirs in both:
            first, second = (measured(results, measure, run) for run in (ours, theirs))
            if not (math.isnan(first) or math.isnan(second)):
                how = difference if is_share(measure) else ratio
                by_seed.setdefault(seed, []).append((how(first, second), ours, theirs))
                if " to " in measure and math.isinf(first) and math.isinf(second):
                    by_seed[seed][-1] = (None, ours, theirs)
    if not by_seed:
        return effect(math.nan, (math.nan, math.nan), declared=wanted, lacks="not measured")
    cells = max(map(len, by_seed.values()))
    by_seed = {seed: found for seed, found in by_seed.items() if len(found) == cells}
    runs = {run["run"] for found in by_seed.values() for _, *both in found for run in both}
    if measure.startswith("seconds to "):
        return in_seconds(results, problem, by_seed, runs)
    return over_seeds([[one for one, *_ in found] for found in by_seed.values()], cells, runs, wanted)


def over_seeds(found, cells, runs, wanted, level=0.95):
    """Ratios of which nothing is known are as low as can be for the lower end, and as high for the upper one."""
    low, high = ([quantile([put if one is None else one for one in of], 0.5) for of in found] for put in (0, math.inf))
    ends, middles = (
        (median_interval(low, level)[0], median_interval(high, level)[1]),
        {quantile(low, 0.5), quantile(high, 0.5)},
    )
    middle, lacks = (middles.pop(), None) if len(middles) == 1 else (math.nan, "not reached")
    return effect(middle, ends, len(found), cells, runs, wanted, lacks)


def ratio(ours, theirs):
    ours, theirs = (derived.TINY if abs(one) < derived.TINY else one for one in (ours, theirs))
    return 1.0 if ours == theirs else ours / theirs


def difference(ours, theirs):
    return 0.0 if ours == theirs else ours - theirs


def in_seconds(results, problem, by_seed, runs):
    """Ratios of steps times those of the time of a step. Each of the two has an interval of 97.5 %, and the ends are
    multiplied; that of the times holds the medians of all their distinct ratios at once."""
    turns = pd.read_parquet(results.folder / "timings" / f"{problem}.parquet")
    times = turns.set_index(["optimizer", "batch_size", "round"])["microseconds"].to_dict()
    rounds = sorted(set(turns["round"]))

    def of_steps(ours, theirs):
        both = [(run["optimizer"], run["batch_size"]) for run in (ours, theirs)]
        return tuple(times[*both[0], one] / times[*both[1], one] for one in rounds)

    by_round = {of_steps(ours, theirs) for found in by_seed.values() for _, ours, theirs in found}
    shares = {tuple(one / quantile(of, 0.5) for one in of) for of in by_round}
    values = [[one and one * quantile(of_steps(*both), 0.5) for one, *both in found] for found in by_seed.values()]
    cells = len(next(iter(by_seed.values())))
    row = over_seeds(values, cells, runs, cells, 0.975)
    ends = [median_interval(one, 1 - 0.025 / len(shares)) for one in shares]
    reach = row["lower"] * min(end for end, _ in ends), row["upper"] * max(end for _, end in ends)
    return row | {"lower": reach[0], "upper": reach[1]}


# What is measured.


def is_share(measure):
    return measure.startswith(("share of ", "rises of ")) or bool(re.match(r"(final|best) .*accuracy", measure))


def measured(results, measure, run):
    """What a claim measures of a run; NaN where its problem has no such thing."""
    kind, *words = measure.split()
    history, well = results.histories[run["run"]], run["outcome"] in WELL
    if kind in ("final", "best"):
        return run.get(f"{kind}_{'_'.join(words)}", math.nan)
    if kind == "rises":
        along = list(history["_".join(words[1:])])
        risen = [after > before for before, after in itertools.pairwise(along)]
        return sum(risen) / len(risen) if well else math.inf
    if measure == "steps an epoch":
        return run["steps_per_epoch"]
    if measure == "gradient noise":
        known = history["gradient_variance"].dropna() if "gradient_variance" in history else []
        return quantile(known, 0.5) / run["batch_size"] if len(known) else math.nan
    if kind == "prediction":
        return run["final_probe_0"] if well else math.inf
    split, metric, way, target = words[1:]
    along = history[f"{split}_{metric}"]
    if along.isna().all():
        return math.nan
    there = history.loc[along <= float(target) if way == "<=" else along >= float(target), "step"]
    return min(there, default=math.inf) / (run["steps_per_epoch"] if kind == "epochs" else 1)


def falling(results, runs):
    """Between which bounds the share of the epochs lies that begin at a lower rate than the one before, of the run with
    the longest history: rates are known at evaluation points alone, and go one way between two of them."""
    recorded = {run["run"]: results.histories[run["run"]].dropna(subset="learning_rate") for run in runs}
    longest = max(sorted(recorded), key=lambda name: len(recorded[name]))
    (run,) = [run for run in runs if run["run"] == longest]
    a_epoch, changes = run["steps_per_epoch"], set(range(1, run["epochs"]))
    known = list(zip(recorded[longest]["step"] - 1, recorded[longest]["learning_rate"], strict=True))
    same, fallen, taken = set(), 0, set()
    for _, alike in itertools.groupby(known, key=lambda one: one[1]):
        (start, _), *_, (end, _) = [*alike] * 2
        same |= {one for one in changes if start <= (one - 1) * a_epoch and one * a_epoch <= end}
    for (start, before), (end, after) in itertools.pairwise(known):
        # One of the changes between the epoch that the first is in and the next to begin at the second, or after it.
        among = set(range(start // a_epoch + 1, -(-end // a_epoch) + 1))
        if after < before and among <= changes and not among & taken:
            fallen, taken = fallen + 1, taken | among
    ends = fallen / len(changes), 1 - len(same) / len(changes)
    return effect(ends[0] if ends[0] == ends[1] else math.nan, ends, 1, 1, {longest})


# What follows.


def unit(said):
    if "compare" in said:
        return "difference" if is_share(said["measure"]) else "ratio"
    return "share" if is_share(said["measure"]) else "value"


def true_for(said):
    """Between which effects a claim is true."""
    expect, none = said["expect"], 0 if unit(said) == "difference" else 1
    least = float(said.get("smallest_effect", "0 %").split()[0]) / 100
    known = {"lower": (-math.inf, none - least), "higher": (none + least, math.inf)}
    known["same"] = (none - least, none + least)
    if expect in known:
        return known[expect]
    scale = 0.01 if "%" in expect else 1
    *_, first = (float(one) for one in re.findall(r"[-+]?[\d.]+(?:e[-+]?\d+)?", expect))
    if expect.startswith("within"):
        within = float(expect.split()[1])
        return (first - within) * scale, (first + within) * scale
    return (first * scale, math.inf) if expect.startswith("at least") else (-math.inf, first * scale)


def judge(said, found):
    """The verdict on what was found, and why. In a range both ends are true, and of a comparison neither is."""
    ends, (low, high) = (found["lower"], found["upper"]), true_for(said)
    if found["lacks"] or math.isnan(ends[0]):
        return {"verdict": "undecided", "reason": found["lacks"] or "too few seeds"}
    in_range = said["expect"] not in ("lower", "higher", "same")
    if in_range:
        within, without = low <= ends[0] and ends[1] <= high, ends[1] < low or ends[0] > high
    else:
        within = (low == -math.inf or low < ends[0]) and (high == math.inf or ends[1] < high)
        without = ends[1] <= low or ends[0] >= high
    if within:
        return {"verdict": "holds", "reason": "in range" if in_range else "beyond"}
    if not without:
        return {"verdict": "undecided", "reason": "interval too wide"}
    return {"verdict": "fails", "reason": "out of range" if in_range else how_it_fails(said, ends)}


def how_it_fails(said, ends):
    (low, high), none = true_for(said), 0 if unit(said) == "difference" else 1
    if said["expect"] == "same":
        return "different"
    end = high if said["expect"] == "lower" else low
    ours, other = (ends[1] < none, ends[0] > none)[:: 1 if said["expect"] == "lower" else -1]
    if ours:
        return "smaller"
    if none - abs(end - none) <= ends[0] and ends[1] <= none + abs(end - none):
        return "equivalent"
    return "opposite" if other else "short"


def over_problems(found):
    """A claim about several problems holds where it does on every one, and fails where it does on every one."""
    verdicts = [one["verdict"] for one in found]
    row = effect(math.nan, (math.nan, math.nan), min(one["n"] for one in found))
    row |= {name: sum(one[name] for one in found) for name in ("cells", "declared")}
    row["runs"] = set().union(*(one["runs"] for one in found))
    if {"holds", "fails"} <= set(verdicts):
        return row | {"verdict": "undecided", "reason": "differs between problems"}
    if "undecided" in verdicts:
        return row | {name: found[verdicts.index("undecided")][name] for name in ("verdict", "reason")}
    return row | {"verdict": verdicts[0], "reason": "on every problem"}


# How it is told.


def amount(value, of):
    """An effect, or another number of its unit, as it is written."""
    if of == "share":
        return "–" if math.isnan(value) else percent(value)
    return number(100 * value if of == "difference" else value, 5 if of == "value" else 3)


def true_if(said):
    """The effects for which a claim is true, in words."""
    (low, high), of = true_for(said), unit(said)
    first, last = amount(low, of), amount(high, of)
    strict = said["expect"] in ("lower", "higher", "same")
    if math.isinf(high):
        return f"{'above' if strict else 'at least'} {first}"
    if math.isinf(low):
        return f"{'below' if strict else 'at most'} {last}"
    return f"between {first} and {last}" if strict else f"from {first} to {last}"


def tested(said):
    """What a claim compares or measures, in words."""
    if "of" in said:
        named = said["of"].get("reproduction") or said["of"]["factor"].replace("_", " ")
        on = f", problem {said['of']['problem']}" if "problem" in said["of"] else ""
        return f"{said['measure']}: {named}{on}"
    axis, ours, theirs = sides(said["compare"])

    def level(name, one):
        return rate(float(one)) if name == "learning_rate" and one != "tuned" else one

    fixed = [f", {name.replace('_', ' ')} {level(name, one)}" for name, one in ours.items() if name != axis]
    against = f"{axis.replace('_', ' ')} {level(axis, ours[axis])} against {level(axis, theirs[axis])}"
    return f"{said['measure']}: {against}{''.join(fixed)}"
