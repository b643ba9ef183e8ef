"""The rows of the tables that a report publishes, found from the raw runs as tests/derived.py does it.

A function of a table's name gives its rows, in whatever order, with every column in which something stands; what is not
known is None or NaN.
"""

import functools
import hashlib
import itertools
import json
import math
import struct
from typing import Any

import claimed
import derived
import numpy as np
import pandas as pd
from derived import CELL, FEWEST, WELL, median_interval, middle_mean_interval, points_of, quantile
from scipy import stats

SPLITS = ("train", "validation", "test")
QUARTILES = {"lower": 0.25, "median": 0.5, "upper": 0.75}
LEAVING = {"diverged": "diverged", "out of time": "out_of_time"}
TRUE_OF_ALL = {"steps": "steps", "examples": "examples"}


@functools.cache
def table(results, name):
    """The rows of a table by its name."""
    return globals()[name](results)


def of_key(key, names=CELL):
    return dict(zip(names, key, strict=True))


def setting(results, key):
    """A cell with the trial that was chosen for it."""
    trial = results.cells[key]["trial"]
    return of_key(key) | {"learning_rate": trial["rate"], "hyperparameters": trial["others"]}


def counts_of(one):
    return {"n": one["n"], "diverged": one["diverged"], "out_of_time": one["late"]}


def quartiles(values):
    return {name: quantile(values, share) for name, share in QUARTILES.items()}


def ends(both, name=""):
    return {f"{name}lower": both[0], f"{name}upper": both[1]}


def wilson(count, n, name):
    low, high = stats.binomtest(count, n).proportion_ci(method="wilson")
    return {name: count / n, f"{name}_lower": low, f"{name}_upper": high}


def named(target):
    return f"validation_loss <= {target}"


# Runs.


def runs(results):
    rows = []
    for run in results.runs.to_dict("records"):
        lost = run["outcome"] not in WELL
        measured = {name: None for name in run if lost and name.startswith(("final_", "best_"))}
        history = results.histories.get(run["run"])
        rows.append(run | measured | {"bits": bits(run, history), "log_test_loss_area": area(run, history)})
    return rows


def bits(run, history):
    """Eight digits of the digest of how a run ended and of every number of its history, column by column."""
    digest = hashlib.sha256(f"{run['outcome']} {run['ended_at']} ".encode())
    for name in sorted(history.columns.drop("run")):
        values = [float(one) for one in history[name]]
        if not all(map(math.isnan, values)):
            digest.update(name.encode() + struct.pack(f"<{len(values)}d", *values))
    return digest.hexdigest()[:8]


def area(run, history):
    if run["outcome"] not in WELL:
        return math.inf
    logs, steps = np.log10(history["test_loss"].astype(float).clip(lower=derived.TINY)), history["step"]
    return (np.trapezoid(logs, steps) + logs.iloc[-1] * (run["steps"] - steps.iloc[-1])) / run["steps"]


def cells(results):
    rows = []
    areas = {row["run"]: row["log_test_loss_area"] for row in table(results, "runs")}
    for key, cell in results.cells.items():
        trial, of_cell = cell["trial"], cell["runs"]
        row = {**setting(results, key), "edge": cell["edge"], **counts_of(cell)}
        row |= {"tuning_runs": trial["n"], "tuning_diverged": trial["diverged"], "tuning_out_of_time": trial["late"]}
        row |= {"tuning_validation_loss": trial["median"], "tuning_steps_to_target": trial["steps"]}
        row |= wilson(cell["diverged"], cell["n"], "diverged_share")
        row["interval"] = "bootstrap" if cell["n"] >= FEWEST else "too few seeds"
        values: dict[str, Any] = {
            f"{when}_test_{name}": None for when in ("final", "best") for name in every_metric(results)
        }
        values |= {name: list(of_cell[name]) for name in values if name in of_cell}
        values |= {"log_test_loss_area": [areas[run] for run in of_cell["run"]]}
        values["examples_to_target"] = of_cell.get("examples_to_target")
        for name, found in values.items():
            known = found is not None
            row[name] = derived.middle_mean(found) if known else None
            row |= ends(middle_mean_interval(tuple(found)) if known else (None, None), f"{name}_")
            row |= {f"{name}_median": quantile(found, 0.5) if known else None} if name.startswith("final_") else {}
        rows.append(row)
    return rows


def every_metric(results):
    return ["loss", *dict.fromkeys(name for problem in results.problems for name in results.metrics(problem))]


def rates(results):
    return [
        of_key(key)
        | {"learning_rate": one["rate"], "hyperparameters": one["others"], "steps_to_target": one["steps"]}
        | counts_of(one)
        | quartiles(one["losses"])
        | wilson(one["diverged"] + one["late"], one["n"], "lost_share")
        for key, trials in results.trials.items()
        for one in trials
    ]


# How runs go.


def curves(results):
    rows = []
    for key in results.cells:
        for split, metric in itertools.product(SPLITS, ["loss", *results.metrics(key[0])]):
            rows += along(results, key, f"{split}_{metric}", {"split": split, "metric": metric})
    return rows


def diagnostics(results):
    names = ("gradient_norm", "update_ratio", "gradient_noise_scale", "batch_gradient_variance")
    return [row for key in results.cells for name in names for row in along(results, key, name, {"quantity": name})]


def along(results, key, name, told):
    """What the evaluation runs of a cell count as at each point at which that is known."""
    column = name.replace("batch_gradient_", "gradient_")
    scale = key[3] if column != name else 1
    known = steps_with(results, key[0], key[3], column)
    own, rows = list(results.cells[key]["runs"].itertuples()), []
    for step in [step for step in points_of(results, key) if known and step >= min(known)]:
        values = [derived.value_at(results, run, column, step) / scale for run in own]
        gone = [run.outcome for run in own if derived.is_gone(results, run, step)]
        row = of_key(key) | told | point(results, key, step) | {"n": len(own)} | quartiles(values)
        rows.append(row | {name: gone.count(outcome) for outcome, name in LEAVING.items()})
    return rows


@functools.cache
def steps_with(results, problem, size, column):
    """Where runs of a problem at a batch size have recorded something."""
    alike = [results.cells[key]["runs"] for key in results.cells_of(problem=problem, batch_size=size)]
    histories = [results.histories[run] for of_cell in alike for run in of_cell["run"]]
    return {int(step) for one in histories if column in one for step in one.loc[one[column].notna(), "step"]}


def point(results, key, step):
    epoch, examples = step / results.steps_per_epoch(key), results.examples(key, step)
    return {"step": step, "epoch": epoch, "examples": examples}


def schedules(results):
    return [
        {"problem": problem, "schedule": schedule, "batch_size": size, "step": step, "relative": relative}
        | {"epoch": step / results.steps_per_epoch((problem, results.optimizers[0], schedule, size))}
        for problem in results.problems
        for schedule, size in itertools.product(results.schedules, results.sizes(problem))
        for step, relative in derived.applied_rates(results, problem, schedule, size).items()
    ]


def paths(results):
    rows = []
    for key, cell in results.cells.items():
        for run in cell["runs"].itertuples():
            history = results.histories[run.run]
            if "weight_0" in history:
                there = history[["step", "weight_0", "weight_1"]].dropna().to_dict("records")
                rows += [of_key(key) | {"run": run.run, "seed": run.seed} | one for one in there]
    return rows


def surfaces(results):
    files = sorted(results.folder.glob("surfaces/*.parquet"))
    return [{"problem": file.stem} | row for file in files for row in pd.read_parquet(file).to_dict("records")]


# Targets.


def targets(results):
    rows = []
    for key in results.cells:
        generated = "target" not in results.said["problems"][key[0]]
        for place, target in enumerate(results.targets[key[0]]):
            found, a_epoch = results.arrivals(key, target), results.steps_per_epoch(key)
            times = derived.survival_interval(*found)
            lower, median, upper = (math.nan if one is None or math.isinf(one) else one for one in times)
            reached, took = sum(there for _, there, _ in found), [taken for *_, taken in found]
            row = setting(results, key) | {"target": named(target), "column": "validation_loss", "value": target}
            row |= {"share": (0.75, 0.5, 0.25)[place] if generated else None, "n": len(found), "reached": reached}
            row |= {"median": median, "lower": lower, "upper": upper, "interval": why(len(found), median, upper)}
            row |= {"median_epochs": median / a_epoch}
            row |= {"median_examples": math.nan if math.isnan(median) else results.examples(key, median)}
            row |= {"ert": sum(took) / reached if reached else math.inf}
            row |= {"ert_epochs": sum(took) / a_epoch / reached if reached else math.inf}
            row["ert_examples"] = sum(results.examples(key, one) for one in took) / reached if reached else math.inf
            horizon = int(results.cells[key]["runs"]["steps"].iloc[0])
            low, high = restarts_interval(found, horizon)
            rows.append(row | ends((min(low, row["ert"]), high), "ert_"))
    return rows


def why(n, median, upper):
    if n < FEWEST:
        return "too few seeds"
    if math.isnan(median):
        return "fewer than half reached it"
    return "no upper end within what was seen" if math.isnan(upper) else "Kaplan–Meier, log(−log)"


def restarts_interval(found, horizon):
    """Of the expected time with restarts: smooth weights of the seeds, and of half a seed more that failed and took as
    long as those that were seen to, or the horizon."""
    size, reached = len(found), [there for _, there, _ in sorted(found, key=lambda one: (one[2], one[1]))]
    took = sorted(taken for *_, taken in found)
    if size < FEWEST:
        return math.nan, math.nan
    if not any(reached):
        return math.nan, math.inf
    failures = [taken for taken, there in zip(took, reached, strict=True) if not there]
    unseen = np.mean(failures) if failures else horizon
    generator = np.random.default_rng([derived.ENTROPY, size, 1])
    weights = generator.standard_exponential((size, derived.RESAMPLES)).T
    more = generator.standard_gamma(0.5, derived.RESAMPLES)
    drawn = [
        (sum(each * taken for each, taken in zip(row, took, strict=True)) + one * unseen)
        / sum(each for each, there in zip(row, reached, strict=True) if there)
        for row, one in zip(weights, more, strict=True)
    ]
    return derived.bootstrap_ends(drawn, size)


def arrivals(results):
    rows = []
    for problem, optimizer in itertools.product(results.problems, results.optimizers):
        key = results.best(problem=problem, optimizer=optimizer)
        for target in results.targets[problem]:
            found, share = results.arrivals(key, target), 1.0
            outcomes = list(results.cells[key]["runs"]["outcome"])
            row = setting(results, key) | {"target": named(target), "n": len(found)}
            row["reached"] = sum(there for _, there, _ in found)
            for step in sorted({time for time, *_ in found}):
                at_risk = sum(time >= step for time, *_ in found)
                arriving = sum(time == step and there for time, there, _ in found)
                late = [
                    outcome == "out of time" and time == step and not there
                    for (time, there, _), outcome in zip(found, outcomes, strict=True)
                ]
                share *= 1 - arriving / at_risk
                row |= {"step": step, "at_risk": at_risk, "arriving": arriving, "out_of_time": sum(late)}
                rows.append(row | {"arrived": 1 - share})
    return rows


def median_steps(results, key, target):
    return derived.survival_median(*zip(*(one[:2] for one in results.arrivals(key, target)), strict=True))


def workloads(results):
    return [(problem, target) for problem in results.problems for target in results.targets[problem]]


def profiles(results):
    rows = []
    for measure in ("steps", "examples"):
        times = {}
        for name, (problem, target) in itertools.product(results.optimizers, workloads(results)):
            key = results.best(problem=problem, optimizer=name)
            steps = median_steps(results, key, target)
            times[name, problem, target] = results.examples(key, steps) if measure == "examples" else steps
        taus = {}
        for (name, *workload), time in times.items():
            shortest = min(times[other, *workload] for other in results.optimizers)
            taus[name, *workload] = math.inf if math.isinf(time) else 1 if time == shortest else time / shortest
        for (name, problem, target), tau in taus.items():
            own = [one for (other, *_), one in taus.items() if other == name]
            share = sum(one <= tau for one in own if math.isfinite(one)) / len(own)
            row = setting(results, results.best(problem=problem, optimizer=name)) | {"measure": measure}
            row |= {"target": named(target), "time": times[name, problem, target], "tau": tau, "share": share}
            rows.append(row)
    return rows


def scores(results):
    found, count = results.scores
    rows = []
    for (measure, optimizer), (score, both, reached, below) in found.items():
        difference, of_difference, p, adjusted, verdict = below
        row = {"measure": measure, "optimizer": optimizer, "tau_max": 4, "workloads": count, "reached": reached}
        row |= {"left_out": 0, "n": results.seeds, "score": score}
        row |= {"difference": difference, "p": p, "adjusted_p": adjusted}
        row |= {"interval": "bootstrap" if results.seeds >= FEWEST else "too few seeds", "verdict": verdict}
        rows.append(row | ends(both) | ends(of_difference, "difference_"))
    return rows


def scaling(results):
    rows = []
    for problem in results.problems:
        for (optimizer, target), fit in results.fits[problem].items():
            keys = [key for key in results.at_each_size(problem) if key[1] == optimizer]
            medians = {key[3]: median_steps(results, key, target) for key in keys}
            for key in keys:
                found, median = results.arrivals(key, target), medians[key[3]]
                row = setting(results, key) | {"target": named(target), "n": len(found)}
                row |= {"reached": sum(one[1] for one in found), "median": median if math.isfinite(median) else None}
                row["perfect"] = medians[fit.sizes[0]] * fit.sizes[0] / key[3] if fit.sizes else None
                row["fitted"] = fit.values[0] + fit.values[1] / key[3]
                row |= {"fit": fit.outcome, "extrapolated": fit.beyond, "regime": fit.regime()}
                for place, name in enumerate(("min_steps", "min_examples", "critical_batch_size")):
                    row |= {name: fit.values[place]} | ends(fit.ends[place], f"{name}_")
                rows.append(row)
    return rows


# Tuning.


def budgets(results):
    places = {key: place for place, key in enumerate(results.cells)}
    pools = {}
    for key, trials in results.trials.items():
        for schedule in {key[2], None if len(results.schedules) > 1 else key[2]}:
            pool = pools.setdefault((key[0], key[1], schedule, key[3]), [])
            pool += [
                (one["steps"], max(one["median"], derived.TINY), one["rate"], one["others"], places[key], one["test"])
                for one in trials
            ]
    rows = []
    for key, pool in pools.items():
        losses = [one[-1] for one in sorted(pool)]
        for k in range(1, len(losses) + 1):
            lost = itertools.compress(derived.chances(len(losses), k), map(math.isinf, losses))
            row = of_key(key) | {"trials": len(losses), "k": k, "lost": sum(lost)}
            row |= {name: derived.quantile_of_best(losses, k, share) for name, share in QUARTILES.items()}
            rows.append(row | {"expected": derived.expected_best(losses, k)})
    return rows


def sensitivity(results):
    rows = []
    for key, trials in results.trials.items():
        if results.is_searched(key[1]) or len(trials) < 2:
            continue
        by_steps = any(math.isfinite(one["steps"]) for one in trials)
        row = of_key(key) | {"within": 0.1, "measure": "steps to target" if by_steps else "final validation loss"}
        row |= dict.fromkeys(("best", "lower", "upper", "decades", "open")) | {"rates": 0}
        if key not in results.ranges:
            rows.append(row | {"range": "no finite result above zero"})
            continue
        best, lower, upper, (below, above), _ = results.ranges[key]
        points = sorted((one["rate"], one["steps"] if by_steps else max(one["median"], derived.TINY)) for one in trials)
        limit = 1.1 * dict(points)[best]
        outwards = [[one for one in points if one[0] > best], [one for one in points if one[0] < best][::-1]]
        inside = [list(itertools.takewhile(lambda point: point[1] <= limit, side)) for side in outwards]  # noqa: B023
        row |= {"best": best, "rates": 1 + sum(map(len, inside)), "open": OPEN.get((below, above))}
        if lower is not None:
            row |= {"lower": lower, "upper": upper, "decades": math.log10(upper / lower)}
        rows.append(row | {"range": "one rate alone" if lower is None else "interpolated"})
    return rows


OPEN = {(True, False): "below", (False, True): "above", (True, True): "both"}


def factors(results):
    rows = []
    for (problem, term), (share, both, total, _) in results.shares.items():
        tuning = results.runs[(results.runs["problem"] == problem) & (results.runs["stage"] == "tuning")]
        freedom = math.prod(degrees_of_freedom(results, problem, name) for name in term.split(":"))
        levels = {"optimizer": results.optimizers, "schedule": results.schedules, "batch_size": results.sizes(problem)}
        levels["learning_rate"] = {
            name: varied_over(said, tuning.loc[tuning["optimizer"] == name, "learning_rate"])
            for name, said in results.said["optimizers"].items()
        }
        row = {"problem": problem, "term": term, "degrees_of_freedom": freedom, "share": share, "total": total}
        row |= {"n": results.tuning_seeds, "tuning_runs": len(tuning)} | ends(both)
        rows += [row | {"levels": json.dumps(levels.get(term))}] if freedom else []
    return rows


def varied_over(said, tried):
    """The range of an optimizer's rates: that of a search as text, else the ends of what was tried."""
    if "search" not in said:
        return [min(tried), max(tried)]
    return " .. ".join(str(float(end)) for end in said["search"]["learning_rate"].split(".."))


def degrees_of_freedom(results, problem, term):
    trials = [len(results.trials[results.cells_of(problem=problem, optimizer=name)[0]]) for name in results.optimizers]
    sizes, schedules = len(results.sizes(problem)), len(results.schedules)
    return {
        "optimizer": len(trials) - 1,
        "learning_rate": sum(trials) - len(trials),
        "schedule": schedules - 1,
        "batch_size": sizes - 1,
        "seed": sum(trials) * schedules * sizes * (results.tuning_seeds - 1),
    }[term]


# What is compared.


def comparisons(results):
    rows = []
    for (problem, factor), levels in results.comparisons.items():
        for level, key, ratios, adjusted, verdict in levels:
            row = setting(results, key) | {"factor": factor, "level": str(level), "measure": results.measure(problem)}
            row |= {"n": len(ratios), "median": quantile(results.compared(key).values(), 0.5)}
            row |= {"ratio": quantile(ratios, 0.5), "adjusted_p": adjusted, "verdict": verdict}
            row |= {"p": None if verdict == "reference" else derived.sign_p(ratios)}
            rows.append(row | ends(median_interval(ratios)))
    return rows


def improvements(results):
    rows = []
    for problem in [*results.problems, None]:
        among = [problem] if problem else results.problems
        measure = measured(results, among)
        for (first, second), (found, adjusted, verdict) in results.pairs(among).items():
            share, both = derived.improvement(found)
            row = {"problem": problem, "first": first, "second": second, "measure": measure, "problems": len(found)}
            row |= {"n": sum(map(len, found)), "probability": share, "p": derived.sign_p(np.concatenate(found))}
            rows.append(row | {"adjusted_p": adjusted, "verdict": verdict} | ends(both))
    return rows


def measured(results, problems):
    return " or ".join(dict.fromkeys(map(results.measure, problems)))


def ranks(results):
    found, rows = derived.final_ranks(results), []
    problems, optimizers = found.shape
    few = [what for what, are in (("problems", problems <= 10), ("optimizers", optimizers <= 5)) if are]
    tested = {"caution": "no test: fewer than 2 problems or 3 optimizers"}
    if problems > 1 and optimizers > 2:
        tested = friedman(found) | {"caution": f"rough: few {' and '.join(few)}" if few else None}
        tested["permutation_p"] = derived.permutation_p(*map(tuple, found[:, np.argsort(results.optimizers)]))
    for place, optimizer in enumerate(results.optimizers):
        for problem, own in zip(results.problems, found[:, place], strict=True):
            key = results.best(problem=problem, optimizer=optimizer)
            ratio, both, _ = derived.ratio_to_best(results, optimizer, (problem,))
            row = setting(results, key) | {"measure": results.measure(problem), "problems": 1, "rank": own}
            row |= {"n": results.cells[key]["n"], "ratio": ratio, **ends(both)}
            rows.append(row | {"value": derived.middle_mean([*results.compared(key).values()])})
        ratio, both, n = derived.ratio_to_best(results, optimizer, tuple(results.problems))
        row = {"optimizer": optimizer, "problems": problems, "n": n, "rank": found[:, place].mean(), "ratio": ratio}
        rows.append(row | ends(both) | tested | {"measure": measured(results, results.problems)})
    return rows


def friedman(found):
    """Friedman's test without a correction for ties, and what follows from it, by Demšar's formulas (2006)."""
    n, k = found.shape
    chi = 12 * n / (k * (k + 1)) * ((found.mean(axis=0) ** 2).sum() - k * (k + 1) ** 2 / 4)
    left = n * (k - 1) - chi
    f = (n - 1) * chi / left if left > 1e-9 else math.inf
    critical = stats.studentized_range.ppf(0.95, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / 6 / n)
    p = stats.f.sf(f, k - 1, (k - 1) * (n - 1))
    return {"chi_square": chi, "f": f, "p": p, "critical_difference": critical}


def claims(results):
    return claimed.rows(results)


def claims_in_seconds(results):
    return claimed.rows(results, seconds=True)


def reproductions(results):
    rows = []
    for name, said in results.said.get("reproductions", {}).items():
        own = results.runs[results.runs["reproduction"] == name]
        names = [*CELL, "learning_rate"]
        row = {"reproduction": name} | {one: said[one] for one in names}
        row |= {told: list(own["outcome"]).count(outcome) for outcome, told in LEAVING.items()}
        probe = results.check(said["problem"])["probe"]
        quantities: dict[str, tuple[Any, ...]] = {"train_loss": (own["final_train_loss"], None, None)}
        if probe:
            predicted = own["final_probe_0"].where(own["outcome"].isin(WELL), math.inf)
            quantities["probe_0"] = (predicted, f"{probe['inputs'][0][0]:g}", probe["targets"][0][0])
        for quantity, (values, point_of, truth) in quantities.items():
            spread = {"median": quantile(values, 0.5), "minimum": min(values), "maximum": max(values)}
            told = {"quantity": quantity, "input": point_of, "target": truth, "n": len(values)}
            rows.append(row | told | spread | ends(median_interval(list(values))))
    return rows


# What was declared, and where it was trained.


def counts(results):
    rows = []
    for problem, stage in itertools.product(results.problems, ("tuning", "evaluation", "reproduction")):
        own = results.runs[(results.runs["problem"] == problem) & (results.runs["stage"] == stage)]
        ended = list(own["outcome"])
        row = {"problem": problem, "stage": stage, "declared": derived.declared(results, problem, stage)}
        row |= {"finished": sum(map(ended.count, WELL)), "reached_target": ended.count("reached target")}
        row |= {told: ended.count(outcome) for outcome, told in LEAVING.items()}
        rows.append(row | {"missing": row["declared"] - len(own), "missing_of": None})
    return rows


def provenance(results):
    measured = results.shards("measured").drop_duplicates("run").drop(columns=["run", "seconds"])
    found = {}
    for row in measured.to_dict("records"):
        found.setdefault(tuple(row.items()), []).append(row)
    return [rows[0] | {"runs": len(rows)} for rows in found.values()]


def seconds(results):
    measured = results.shards("measured").drop_duplicates("run").set_index("run")
    well = results.runs[results.runs["outcome"].isin(WELL) & (results.runs["ended_at"] > 0)].drop_duplicates("run")
    names, rows = ["problem", "optimizer", "batch_size", "device", "cpu_model"], []
    for key, own in well.join(measured, on="run").groupby(names):
        row = of_key(key, names) | {"n": len(own), "steps": own["ended_at"].sum(), "seconds": own["seconds"].sum()}
        rows.append(row | quartiles(1e6 * own["seconds"] / own["ended_at"]))
    return rows


def timings(results):
    first, rows = results.optimizers[0], []
    for file in sorted(results.folder.glob("timings/*.parquet")):
        turns = pd.read_parquet(file)
        for size in sorted(set(turns["batch_size"])):
            own = turns[turns["batch_size"] == size]
            by_round = own.pivot(index="round", columns="optimizer", values="microseconds")
            for name in results.optimizers:
                ratios = by_round[name] / by_round[first]
                row = {"problem": file.stem, "batch_size": size, "optimizer": name, "rounds": len(by_round)}
                row |= {one: own[one].iloc[0] for one in ("steps", "device", "threads", "cpu_model")}
                row |= {"reference": first, **quartiles(ratios), "ratio": quantile(ratios, 0.5)}
                rows.append(row | {"median": quantile(by_round[name], 0.5)})
    return rows


# What figures were drawn from.


def of_figure(results, figure, problem):
    """The rows among which those of a figure's own table are, of a problem or with None over all of them."""
    if figure in OWN:
        return OWN[figure](results, problem)
    rows = table(results, TABLES.get(figure, figure))
    whole = figure in ("claims", "factors", "profile", "ranks")
    return rows if whole else [row for row in rows if row["problem"] == problem]


TABLES = {"batch_sizes": "cells", "gradients": "diagnostics", "gradient_noise": "diagnostics", "profile": "profiles"}
TABLES |= dict.fromkeys(("convergence", "convergence_test", "convergence_epochs", "convergence_examples"), "curves")


def rows_of_heat_map(results, problem):
    column, best = results.column(problem), results.best(problem=problem)
    own = [row for row in table(results, "cells") if row["problem"] == problem]
    lowest = max(min(row[column] for row in own), derived.TINY)
    return [row | {"times_lowest": row[column] / lowest, "chosen": key_of(row) == best} for row in own]


def rows_of_learning_rates(results, problem):
    chosen = [setting(results, key) for key in results.cells]
    own = [row for row in table(results, "rates") if row["problem"] == problem]
    return [row | {"chosen": any(one.items() <= row.items() for one in chosen)} for row in own]


def rows_of_scaling(results, problem):
    known = {(*key_of(row), row["target"]): row for row in table(results, "targets")}
    own = [row for row in table(results, "scaling") if row["problem"] == problem]
    more = ("lower", "upper", "interval")
    return [row | {name: known[*key_of(row), row["target"]][name] for name in more} for row in own]


def key_of(row):
    return tuple(row[name] for name in CELL)


def rows_of_optimizers(results, problem):
    """Of each optimizer's best cell the average of each metric with its interval, and every seed that was not lost."""
    metrics = [results.column(problem), *(f"final_test_{name}" for name in results.metrics(problem))]
    rows = []
    for optimizer, metric in itertools.product(results.optimizers, metrics):
        key = results.best(problem=problem, optimizer=optimizer)
        row = setting(results, key) | {"metric": metric}
        both = ends(results.ends(key, metric))
        rows.append(row | {"shown": "interquartile mean", "value": results.mean(key, metric)} | both)
        for run in results.cells[key]["runs"].to_dict("records"):
            seen = run["outcome"] in WELL and math.isfinite(run[metric])
            rows.append(row | {"shown": f"seed {run['seed']}", "value": run[metric] if seen else None})
    return rows


def rows_of_paths(results, problem):
    own = [row | {"shown": "path"} for row in table(results, "paths") if row["problem"] == problem]
    own = [row | setting(results, key_of(row)) for row in own]
    surface = [row | {"shown": "surface"} for row in table(results, "surfaces") if row["problem"] == problem]
    return [*own, *surface]


OWN = {"heat_map": rows_of_heat_map, "learning_rates": rows_of_learning_rates, "scaling": rows_of_scaling}
OWN |= {"optimizers": rows_of_optimizers, "paths": rows_of_paths}
