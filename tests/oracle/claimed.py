"""What the claims of an experiment come to, derived from the raw runs as the module `derived` does it.

Each claim is read from the experiment's YAML as a dictionary, and its words are interpreted here once more.
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
    table = []
    for name, claim in results.said.get("claims", {}).items():
        if claim["measure"].startswith("seconds to ") != seconds:
            continue
        effects = {problem: find_effect(results, claim, problem) for problem in judged_problems(results, claim)}
        judged = [effect | judge(claim, effect) for effect in effects.values()]
        whole = combine_verdicts(judged) if len(judged) > 1 else judged.pop()
        ends = [end if math.isfinite(end) else math.nan for end in true_region(claim)]
        row = {"claim": name, "unit": unit(claim), "at_least": ends[0], "at_most": ends[1]}
        table.append({**row, "problem": None, **whole})
        table += [
            {**row, "problem": problem, **verdict} for problem, verdict in zip(effects, judged, strict=bool(judged))
        ]
    return table


def judged_problems(results, claim):
    """The problems that a claim is judged on, each by itself."""
    if "reproduction" in claim.get("of", {}):
        return [results.said["reproductions"][claim["of"]["reproduction"]]["problem"]]
    named = claim.get("of", claim.get("compare"))
    problems = [named["problem"]] if "problem" in named else results.problems
    return problems if "of" in claim else [name for name in problems if count_pairs(results, claim["compare"], name)]


def find_effect(results, claim, problem):
    """What a claim comes to on a problem: the effect, its interval, and what it was found from."""
    if "compare" in claim:
        return compare_sides(results, claim, problem)
    if "factor" in claim["of"]:
        share, ends, total, total_ends = results.shares[problem, claim["of"]["factor"]]
        value, (low, high) = (total, total_ends) if claim["measure"].endswith("interactions") else (share, ends)
        tuning = results.runs[(results.runs["stage"] == "tuning") & (results.runs["problem"] == problem)]
        return make_effect(value, (low, high), results.tuning_seeds, 1, set(tuning["run"]))
    runs = results.runs[results.runs["reproduction"] == claim["of"]["reproduction"]].to_dict("records")
    if claim["measure"].startswith("share of epochs"):
        return bound_falls(results, runs)
    values = [measure_run(results, claim["measure"], run) for run in runs]
    return make_effect(quantile(values, 0.5), median_interval(values), len(values), 1, {run["run"] for run in runs})


def make_effect(value, ends, n=0, cells=0, runs=(), declared=0, lacks=None):
    row = {"effect": value, "lower": ends[0], "upper": ends[1], "n": n, "cells": cells, "declared": declared}
    return row | {"runs": set(runs), "lacks": lacks}


# What is compared.


def sides(compare):
    """The axis in which two sets of cells differ, and both by the levels that they name."""
    names = list(compare)
    axis = names[names.index("with") - 1]
    levels = {name: level for name, level in compare.items() if name != "with"}
    return axis, levels, levels | {axis: compare["with"]}


def select_runs(results, levels, problem):
    """The runs of one side: all at a rate that is written out, each once, else evaluation runs at the tuned ones."""
    runs, at = results.runs, levels.get("learning_rate", "tuned")
    selected = (runs["problem"] == problem) & (
        runs["stage"] == "evaluation"
        if at == "tuned"
        else (runs["learning_rate"] == float(at)) & (runs["hyperparameters"] == "{}")
    )
    for axis in ("optimizer", "schedule", "batch_size"):
        selected &= runs[axis] == levels[axis] if axis in levels else True
    return runs[selected].drop_duplicates("run").to_dict("records")


def pair_runs(results, compare, problem):
    """For each seed its pairs of runs that have all in common but what is compared."""
    axis, *both = sides(compare)
    others = [name for name in ("optimizer", "schedule", "batch_size") if name != axis]
    ours, theirs = (
        {(run["seed"], *(run[name] for name in others)): run for run in select_runs(results, levels, problem)}
        for levels in both
    )
    by_seed = {}
    for key in sorted(set(ours) & set(theirs)):
        by_seed.setdefault(key[0], []).append((ours[key], theirs[key]))
    return by_seed


def count_pairs(results, compare, problem):
    return max(map(len, pair_runs(results, compare, problem).values()), default=0)


def compare_sides(results, claim, problem):
    """The median over seeds of the median over pairs of the ratio, or of the difference, of what is measured."""
    measure, declared = claim["measure"], count_pairs(results, claim["compare"], problem)
    by_seed, runs = {}, set()
    for seed, pairs in pair_runs(results, claim["compare"], problem).items():
        for ours, theirs in pairs:
            first, second = (measure_run(results, measure, run) for run in (ours, theirs))
            if not (math.isnan(first) or math.isnan(second)):
                how = difference if is_share(measure) else ratio
                by_seed.setdefault(seed, []).append((how(first, second), ours, theirs))
                if " to " in measure and math.isinf(first) and math.isinf(second):
                    by_seed[seed][-1] = (None, ours, theirs)
    if not by_seed:
        return make_effect(math.nan, (math.nan, math.nan), declared=declared, lacks="not measured")
    cells = max(map(len, by_seed.values()))
    by_seed = {seed: pairs for seed, pairs in by_seed.items() if len(pairs) == cells}
    runs = {run["run"] for pairs in by_seed.values() for _, *both in pairs for run in both}
    if measure.startswith("seconds to "):
        return multiply_by_seconds(results, problem, by_seed, runs)
    return summarize_seeds([[effect for effect, *_ in pairs] for pairs in by_seed.values()], cells, runs, declared)


def summarize_seeds(by_seed, cells, runs, declared, level=0.95):
    """The median over seeds. An unknown ratio (None) counts as 0 for the lower end, and as infinite for the upper."""
    low, high = (
        [quantile([unknown if effect is None else effect for effect in effects], 0.5) for effects in by_seed]
        for unknown in (0, math.inf)
    )
    ends, middles = (
        (median_interval(low, level)[0], median_interval(high, level)[1]),
        {quantile(low, 0.5), quantile(high, 0.5)},
    )
    middle, lacks = (middles.pop(), None) if len(middles) == 1 else (math.nan, "not reached")
    return make_effect(middle, ends, len(by_seed), cells, runs, declared, lacks)


def ratio(ours, theirs):
    ours, theirs = (derived.TINY if abs(value) < derived.TINY else value for value in (ours, theirs))
    return 1.0 if ours == theirs else ours / theirs


def difference(ours, theirs):
    return 0.0 if ours == theirs else ours - theirs


def multiply_by_seconds(results, problem, by_seed, runs):
    """Ratios of steps, multiplied by those of the time of a step.

    Each of the two has an interval of 97.5 %, and the ends are multiplied. The interval of the times holds the medians
    of all their distinct ratios at once.
    """
    turns = pd.read_parquet(results.folder / "timings" / f"{problem}.parquet")
    times = turns.set_index(["optimizer", "batch_size", "round"])["microseconds"].to_dict()
    rounds = sorted(set(turns["round"]))

    def step_ratios(ours, theirs):
        both = [(run["optimizer"], run["batch_size"]) for run in (ours, theirs)]
        return tuple(times[*both[0], number] / times[*both[1], number] for number in rounds)

    by_round = {step_ratios(ours, theirs) for pairs in by_seed.values() for _, ours, theirs in pairs}
    shares = {tuple(value / quantile(ratios, 0.5) for value in ratios) for ratios in by_round}
    values = [
        [effect and effect * quantile(step_ratios(*both), 0.5) for effect, *both in pairs] for pairs in by_seed.values()
    ]
    cells = len(next(iter(by_seed.values())))
    row = summarize_seeds(values, cells, runs, cells, 0.975)
    ends = [median_interval(share, 1 - 0.025 / len(shares)) for share in shares]
    reach = row["lower"] * min(end for end, _ in ends), row["upper"] * max(end for _, end in ends)
    return row | {"lower": reach[0], "upper": reach[1]}


# What is measured.


def is_share(measure):
    return measure.startswith(("share of ", "rises of ")) or bool(re.match(r"(final|best) .*accuracy", measure))


def measure_run(results, measure, run):
    """What a claim measures of a run; NaN where its problem has no such thing."""
    kind, *words = measure.split()
    history, well = results.histories[run["run"]], run["outcome"] in WELL
    if kind in ("final", "best"):
        return run.get(f"{kind}_{'_'.join(words)}", math.nan)
    if kind == "rises":
        values = list(history["_".join(words[1:])])
        rises = [after > before for before, after in itertools.pairwise(values)]
        return sum(rises) / len(rises) if well else math.inf
    if measure == "steps an epoch":
        return run["steps_per_epoch"]
    if measure == "gradient noise":
        variances = history["gradient_variance"].dropna() if "gradient_variance" in history else []
        return quantile(variances, 0.5) / run["batch_size"] if len(variances) else math.nan
    if kind == "prediction":
        return run["final_probe_0"] if well else math.inf
    split, metric, way, target = words[1:]
    values = history[f"{split}_{metric}"]
    if values.isna().all():
        return math.nan
    steps = history.loc[values <= float(target) if way == "<=" else values >= float(target), "step"]
    return min(steps, default=math.inf) / (run["steps_per_epoch"] if kind == "epochs" else 1)


def bound_falls(results, runs):
    """Bounds of the share of epochs that begin at a lower rate than the one before, of the run with the most records.

    Rates are known at evaluation points alone, and go one way between two of them.
    """
    recorded = {run["run"]: results.histories[run["run"]].dropna(subset="learning_rate") for run in runs}
    longest = max(sorted(recorded), key=lambda name: len(recorded[name]))
    (run,) = [run for run in runs if run["run"] == longest]
    epoch_steps, changes = run["steps_per_epoch"], set(range(1, run["epochs"]))
    rates = list(zip(recorded[longest]["step"] - 1, recorded[longest]["learning_rate"], strict=True))
    same, fallen, counted = set(), 0, set()
    for _, alike in itertools.groupby(rates, key=lambda point: point[1]):
        (start, _), *_, (end, _) = [*alike] * 2
        same |= {epoch for epoch in changes if start <= (epoch - 1) * epoch_steps and epoch * epoch_steps <= end}
    for (start, before), (end, after) in itertools.pairwise(rates):
        # One of the changes between the epoch that the first is in and the next to begin at the second, or after it.
        among = set(range(start // epoch_steps + 1, -(-end // epoch_steps) + 1))
        if after < before and among <= changes and not among & counted:
            fallen, counted = fallen + 1, counted | among
    ends = fallen / len(changes), 1 - len(same) / len(changes)
    return make_effect(ends[0] if ends[0] == ends[1] else math.nan, ends, 1, 1, {longest})


# What follows.


def unit(claim):
    if "compare" in claim:
        return "difference" if is_share(claim["measure"]) else "ratio"
    return "share" if is_share(claim["measure"]) else "value"


def true_region(claim):
    """The ends of the range of effects for which a claim is true."""
    expect, none = claim["expect"], 0 if unit(claim) == "difference" else 1
    least = float(claim.get("smallest_effect", "0 %").split()[0]) / 100
    regions = {"lower": (-math.inf, none - least), "higher": (none + least, math.inf)}
    regions["same"] = (none - least, none + least)
    if expect in regions:
        return regions[expect]
    scale = 0.01 if "%" in expect else 1
    *_, first = (float(text) for text in re.findall(r"[-+]?[\d.]+(?:e[-+]?\d+)?", expect))
    if expect.startswith("within"):
        within = float(expect.split()[1])
        return (first - within) * scale, (first + within) * scale
    return (first * scale, math.inf) if expect.startswith("at least") else (-math.inf, first * scale)


def judge(claim, effect):
    """The verdict on an effect, and why. A range holds both of its ends; a comparison is true beyond its ends only."""
    ends, (low, high) = (effect["lower"], effect["upper"]), true_region(claim)
    if effect["lacks"] or math.isnan(ends[0]):
        return {"verdict": "undecided", "reason": effect["lacks"] or "too few seeds"}
    in_range = claim["expect"] not in ("lower", "higher", "same")
    if in_range:
        within, without = low <= ends[0] and ends[1] <= high, ends[1] < low or ends[0] > high
    else:
        within = (low == -math.inf or low < ends[0]) and (high == math.inf or ends[1] < high)
        without = ends[1] <= low or ends[0] >= high
    if within:
        return {"verdict": "holds", "reason": "in range" if in_range else "beyond"}
    if not without:
        return {"verdict": "undecided", "reason": "interval too wide"}
    return {"verdict": "fails", "reason": "out of range" if in_range else explain_failure(claim, ends)}


def explain_failure(claim, ends):
    (low, high), none = true_region(claim), 0 if unit(claim) == "difference" else 1
    if claim["expect"] == "same":
        return "different"
    end = high if claim["expect"] == "lower" else low
    ours, other = (ends[1] < none, ends[0] > none)[:: 1 if claim["expect"] == "lower" else -1]
    if ours:
        return "smaller"
    if none - abs(end - none) <= ends[0] and ends[1] <= none + abs(end - none):
        return "equivalent"
    return "opposite" if other else "short"


def combine_verdicts(judged):
    """A claim about several problems holds where it does on every one, and fails where it does on every one."""
    verdicts = [row["verdict"] for row in judged]
    whole = make_effect(math.nan, (math.nan, math.nan), min(row["n"] for row in judged))
    whole |= {name: sum(row[name] for row in judged) for name in ("cells", "declared")}
    whole["runs"] = set().union(*(row["runs"] for row in judged))
    if {"holds", "fails"} <= set(verdicts):
        return whole | {"verdict": "undecided", "reason": "differs between problems"}
    if "undecided" in verdicts:
        return whole | {name: judged[verdicts.index("undecided")][name] for name in ("verdict", "reason")}
    return whole | {"verdict": verdicts[0], "reason": "on every problem"}


# How it is written.


def format_amount(value, of):
    """An effect, or another number of its unit, as it is written."""
    if of == "share":
        return "–" if math.isnan(value) else percent(value)
    return number(100 * value if of == "difference" else value, 5 if of == "value" else 3)


def describe_region(claim):
    """The effects for which a claim is true, in words."""
    (low, high), of = true_region(claim), unit(claim)
    first, last = format_amount(low, of), format_amount(high, of)
    strict = claim["expect"] in ("lower", "higher", "same")
    if math.isinf(high):
        return f"{'above' if strict else 'at least'} {first}"
    if math.isinf(low):
        return f"{'below' if strict else 'at most'} {last}"
    return f"between {first} and {last}" if strict else f"from {first} to {last}"


def describe_test(claim):
    """What a claim compares or measures, in words."""
    if "of" in claim:
        named = claim["of"].get("reproduction") or claim["of"]["factor"].replace("_", " ")
        on = f", problem {claim['of']['problem']}" if "problem" in claim["of"] else ""
        return f"{claim['measure']}: {named}{on}"
    axis, ours, theirs = sides(claim["compare"])

    def describe(name, level):
        return rate(float(level)) if name == "learning_rate" and level != "tuned" else level

    fixed = [f", {name.replace('_', ' ')} {describe(name, level)}" for name, level in ours.items() if name != axis]
    against = f"{axis.replace('_', ' ')} {describe(axis, ours[axis])} against {describe(axis, theirs[axis])}"
    return f"{claim['measure']}: {against}{''.join(fixed)}"
