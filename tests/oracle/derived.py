"""What a report has to show, found again from what training left, by code that shares nothing with the package's.

The raw shards, checks and the experiment's YAML are read here, and nothing of thalweg is imported. What SciPy or
statsmodels has is taken from there; the rest is written out as the methods page and the docstrings of the analysis say
it, one value after another, with no thought of speed.
"""

import functools
import itertools
import json
import math
import typing
from decimal import Decimal
from pathlib import Path

import lifelines
import numpy as np
import pandas as pd
import yaml
from scipy import optimize, stats
from statsmodels.stats import multitest

CELL = ["problem", "optimizer", "schedule", "batch_size"]
FACTORS = ["optimizer", "schedule", "batch_size"]
TINY = float(np.finfo("float32").eps) ** 2
STILL = 1e-4
ENTROPY, RESAMPLES = 20_250_101, 4_000
FEWEST = 6
"""The fewest seeds of which results have an interval."""
DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
WELL = ("finished", "reached target")


def number(value, digits=3):
    """A number as a report writes it: `digits` significant ones, more before the point than those where it needs."""
    if value is None or value != value:
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exact = Decimal(float(value))
    power = Decimal(f"{exact:.{digits - 1}e}").adjusted()
    if power < -4 or power > 5:
        return f"{exact.scaleb(-power):.{digits - 1}f} × 10{str(power).translate(DIGITS)}".replace("-", "−")
    rounded = exact.quantize(Decimal(1).scaleb(min(0, power - digits + 1)))
    return f"{rounded:,f}".replace("-", "−")


def rate(value):
    """A learning rate with all its digits, at most twelve."""
    text = f"{Decimal(f'{value:.11e}').normalize():f}"
    if value and abs(value) < 1e-4:
        return number(value, len(text.lstrip("-0.")))
    return text.replace("-", "−")


def percent(share):
    return f"{number(100 * share)} %"


def interval(ends, write=number):
    return "" if math.isnan(ends[0]) else f"[{write(ends[0])}, {write(ends[1])}]"


def many(count, one):
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def listed(items):
    items = [str(one) for one in items]
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def quantile(values, share):
    """Between order statistics in proportion, where an infinite neighbour makes it infinite."""
    ordered = sorted(map(float, values))
    place, weight = divmod(share * (len(ordered) - 1), 1)
    low = ordered[int(place)]
    return (1 - weight) * low + weight * ordered[int(place) + 1] if weight else low


def middle_mean(values):
    """The mean without the lowest and the highest quarter, rounded down."""
    return float(stats.trim_mean(np.asarray(values, float), 0.25))


def bootstrap_ends(drawn, size, strata=1):
    """The ends of the interval from `size` seeds in so many strata, from what resamples gave; NaN for too few seeds."""
    if size < FEWEST * strata:
        return math.nan, math.nan
    inflation = size / (size - strata)
    tail = int(RESAMPLES * stats.norm.cdf(stats.norm.ppf(0.025) * math.sqrt(inflation)))
    ordered = np.sort(drawn)
    return float(ordered[tail]), float(ordered[-1 - tail])


def drawn_seeds(size, *place):
    return np.random.default_rng([ENTROPY, size, *place]).integers(0, size, (RESAMPLES, size))


@functools.cache
def middle_mean_interval(values):
    """The bootstrap interval of the interquartile mean; the indices draw from ordered values."""
    size = len(values)
    drawn = np.sort(np.asarray(values, float))[drawn_seeds(size)]
    return bootstrap_ends(stats.trim_mean(drawn, 0.25, axis=1), size)


def median_interval(values, level=0.95):
    """Those order statistics between which the median lies in 95 % of samples, or in another share of them."""
    outer = int(stats.binom.ppf((1 - level) / 2, len(values), 0.5)) if len(values) else 0
    ordered = sorted(values)
    return (ordered[outer - 1], ordered[-outer]) if outer else (math.nan, math.nan)


def ratios(ours, theirs):
    """The ratio at each seed that both have of what runs are compared by; below one where ours is the lower."""
    pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    assert all(value > 0 for pair in pairs for value in pair), "then there is no ratio, which nothing here derives"
    return np.array([1.0 if one == other else one / other for one, other in pairs])


def sign_p(values):
    below, above = (values < 1).sum(), (values > 1).sum()
    return stats.binomtest(int(below), int(below + above)).pvalue if below + above else 1.0


@functools.cache
def holm(*p):
    return multitest.multipletests(p, method="holm")[1]


def verdicts(family):
    """Adjusted p and verdict of each of a family of comparisons, by its name."""
    if not family:
        return {}
    adjusted = holm(*(float(sign_p(values)) for values in family.values()))
    surest = holm(*(min(1, 2 ** (1 - len(values))) for values in family.values()))
    found = {}
    for (name, values), p, least in zip(family.items(), adjusted, surest, strict=True):
        way = "higher" if (values > 1).sum() > (values < 1).sum() else "lower"
        word = "too few seeds" if least > 0.05 else "not distinguishable" if p > 0.05 else way
        found[name] = (float(p), word)
    return found


def survival_median(times, reached):
    """The first time at which the Kaplan–Meier estimate is at most one half; infinite where it never is."""
    share = 1.0
    for time in sorted(set(times)):
        at_risk = sum(one >= time for one in times)
        share *= 1 - sum(there and one == time for one, there in zip(times, reached, strict=True)) / at_risk
        if share <= 0.5 + 1e-9:
            return time
    return math.inf


class Results:
    """An experiment's results as training left them, and what follows from them; all are found when first asked for."""

    def __init__(self, file, results):
        self.folder = Path(results)
        self.name = file.stem
        self.said = yaml.safe_load(file.read_text(encoding="utf-8"))
        self.problems, self.optimizers = list(self.said["problems"]), list(self.said["optimizers"])
        self.schedules = list(self.said["schedules"])
        self.tuning_seeds, self.seeds = (self.said["seeds"][stage] for stage in ("tuning", "evaluation"))
        self.order = {"problem": self.problems, "optimizer": self.optimizers, "schedule": self.schedules}

    def shards(self, name):
        found = pd.concat([pd.read_parquet(path) for path in self.folder.glob(f"runs/*/*/*/{name}.parquet")])
        return found.reset_index(drop=True)

    def sizes(self, problem):
        return sorted(self.said["problems"][problem]["batch_sizes"])

    def check(self, problem):
        return json.loads((self.folder / "checks" / f"{problem}.json").read_text(encoding="utf-8"))

    def is_searched(self, optimizer):
        return "search" in self.said["optimizers"][optimizer]

    @functools.cached_property
    def histories(self):
        recorded = self.shards("histories").drop_duplicates(["run", "step"]).sort_values(["run", "step"])
        return {run: rows.reset_index(drop=True) for run, rows in recorded.groupby("run")}

    @functools.cached_property
    def runs(self):
        """All runs with their final and best metrics, the worst there is for those that did not end well."""
        rows = []
        for run in self.shards("runs").to_dict("records"):
            history, classifies = self.histories.get(run["run"]), bool(self.check(run["problem"])["metrics"])
            names = [f"{split}_loss" for split in ("train", "validation", "test")]
            names += [f"{split}_accuracy" for split in ("train", "validation", "test")] if classifies else []
            run["best_step"] = None
            if self.measure(run["problem"]) == "examples to target":
                there = run["outcome"] == "reached target"
                run["examples_to_target"] = run["ended_at"] * run["batch_size"] if there else math.inf
            if run["outcome"] in WELL:
                last, best = history.iloc[-1], history.iloc[int(np.argmin(history["validation_loss"]))]
                run |= {f"final_{name}": float(last[name]) for name in [*names, *history.filter(like="probe_")]}
                run |= {f"best_{name}": float(best[name]) for name in names} | {"best_step": int(best["step"])}
            else:
                worst = {name: -math.inf if "accuracy" in name else math.inf for name in names}
                run |= {f"{when}_{name}": value for when in ("final", "best") for name, value in worst.items()}
            rows.append(run)
        return pd.DataFrame(rows)

    @functools.cached_property
    def trials(self):
        """For each cell its trials by rate, each with the losses that it came to."""
        found = {}
        tuning = self.runs[self.runs["stage"] == "tuning"]
        for (*cell, peak, others), rows in tuning.groupby([*CELL, "learning_rate", "hyperparameters"]):
            there = [row.ended_at if row.outcome == "reached target" else math.inf for row in rows.itertuples()]
            found.setdefault(tuple(cell), []).append(
                {
                    "rate": peak,
                    "others": others,
                    "losses": list(rows["final_validation_loss"]),
                    "median": quantile(rows["final_validation_loss"], 0.5),
                    "test": quantile(rows["final_test_loss"], 0.5),
                    "steps": quantile(there, 0.5),
                    **self.lost(rows),
                }
            )
        return found

    @staticmethod
    def lost(rows):
        outcomes = list(rows["outcome"])
        return {"n": len(rows), "diverged": outcomes.count("diverged"), "late": outcomes.count("out of time")}

    @functools.cached_property
    def cells(self):
        """Every cell in grid order: its chosen trial, and what its evaluation runs came to."""
        found = {}
        for problem, optimizer in itertools.product(self.problems, self.optimizers):
            for size, schedule in itertools.product(self.sizes(problem), self.schedules):
                key = (problem, optimizer, schedule, size)
                order = [
                    (one["steps"], max(one["median"], TINY), one["rate"], one["others"]) for one in self.trials[key]
                ]
                chosen = self.trials[key][order.index(min(order))]
                rates = [one["rate"] for one in self.trials[key]]
                edges = {min(rates): "lowest", max(rates): "highest"}
                edge = None if self.is_searched(optimizer) or len(set(rates)) < 2 else edges.get(chosen["rate"])
                runs = self.runs[(self.runs[CELL].apply(tuple, axis=1) == key) & (self.runs["stage"] == "evaluation")]
                runs = runs.sort_values("seed").dropna(axis=1, how="all" if len(runs) else "any")
                found[key] = {"key": key, "trial": chosen, "edge": edge, "runs": runs, **self.lost(runs)}
                found[key]["losses"] = dict(zip(runs["seed"], runs["final_test_loss"], strict=True))
        return found

    def mean(self, key, name="final_test_loss"):
        return middle_mean(self.cells[key]["runs"][name])

    def ends(self, key, name="final_test_loss"):
        return middle_mean_interval(tuple(self.cells[key]["runs"][name]))

    def metrics(self, problem):
        return self.check(problem)["metrics"]

    def tuned(self, key):
        return max(self.cells[key]["trial"]["median"], TINY)

    def cells_of(self, **where):
        places = {name: place for place, name in enumerate(CELL)}
        return [key for key in self.cells if all(key[places[name]] == value for name, value in where.items())]

    def preference(self, key):
        """What tuning prefers cells by: the examples to a target at which runs end, if they do, then the loss."""
        return self.cells[key]["trial"]["steps"] * key[3], self.tuned(key)

    def best(self, **where):
        """The cell that tuning puts first, of equal ones the first of the grid."""
        return min(self.cells_of(**where), key=self.preference)

    def at_each_size(self, problem):
        """For each optimizer and batch size the cell with the schedule that tuning prefers on the problem."""
        return [
            (problem, name, self.best(problem=problem, optimizer=name)[2], size)
            for name in self.optimizers
            for size in self.sizes(problem)
        ]

    def ranked(self, problem):
        """The cells of a problem as tuning prefers them, each with its rank."""
        tuned = sorted(self.cells_of(problem=problem), key=self.preference)
        return [(key, 1 + sum(self.preference(one) < self.preference(key) for one in tuned)) for key in tuned]

    def setting(self, key):
        """The peak rate of a cell, and what else was searched."""
        return self.written(self.cells[key]["trial"])

    @staticmethod
    def written(trial):
        others = [f", {name} {rate(value)}" for name, value in json.loads(trial["others"]).items()]
        return rate(trial["rate"]) + "".join(others)

    def measure(self, problem):
        """What runs of a problem are compared by."""
        return "examples to target" if self.said["problems"][problem].get("end_at_target") else "final test loss"

    def column(self, problem):
        """The name of that measure among what runs came to."""
        return self.measure(problem).replace(" ", "_")

    def compared(self, key):
        """What each evaluation run of a cell is compared by, by its seed."""
        if self.measure(key[0]) == "final test loss":
            return {seed: max(loss, TINY) for seed, loss in self.cells[key]["losses"].items()}
        runs = self.cells[key]["runs"].itertuples()
        return {run.seed: run.ended_at * key[3] if run.outcome == "reached target" else math.inf for run in runs}

    @functools.cached_property
    def comparisons(self):
        """For each problem and factor the levels: (level, best cell, ratios to the problem's best, p, verdict)."""
        found: dict[typing.Any, typing.Any] = {}
        for problem in self.problems:
            best = self.best(problem=problem)
            for factor in FACTORS:
                levels = self.sizes(problem) if factor == "batch_size" else self.order[factor]
                found[problem, factor] = {level: self.best(problem=problem, **{factor: level}) for level in levels}
            keys = {key for factor in FACTORS for key in found[problem, factor].values()}
            against = {key: ratios(self.compared(key), self.compared(best)) for key in keys}
            decided = verdicts({key: one for key, one in against.items() if key != best})
            for factor in FACTORS:
                found[problem, factor] = [
                    (level, key, against[key], *decided.get(key, (math.nan, "reference")))
                    for level, key in found[problem, factor].items()
                ]
        return found

    def pairs(self, among):
        """For each pair of optimizers the ratios on each of some problems, with adjusted p and verdict."""
        best = {
            (one, name): self.compared(self.best(problem=one, optimizer=name))
            for one in among
            for name in self.optimizers
        }
        found = {
            (first, second): [ratios(best[one, first], best[one, second]) for one in among]
            for first, second in itertools.combinations(self.optimizers, 2)
        }
        decided = verdicts({pair: np.concatenate(one) for pair, one in found.items()})
        return {pair: (one, *decided[pair]) for pair, one in found.items()}

    @functools.cached_property
    def shares(self):
        """For each problem and term its share of the variance of ranks and the interval of that; of a factor then both
        of its share with interactions."""
        found = {}
        for problem in self.problems:
            runs = self.runs[(self.runs["problem"] == problem) & (self.runs["stage"] == "tuning")].copy()
            runs["trial"] = runs["optimizer"] + runs["learning_rate"].astype(str) + runs["hyperparameters"]
            order = [
                (run.ended_at * run.batch_size if run.outcome == "reached target" else math.inf, run.loss)
                for run in runs.assign(loss=runs["final_validation_loss"].clip(lower=TINY)).itertuples()
            ]
            places = {one: place for place, one in enumerate(sorted(set(order)))}
            runs["rank"] = stats.rankdata([places[one] for one in order])
            every = _shares(runs)
            without = [_shares(runs[runs["seed"] != seed]) for seed in sorted(set(runs["seed"]))]
            for term, both in every.items():
                ends = [jackknife_interval(both[which], [one[term][which] for one in without]) for which in (0, 1)]
                found[problem, term] = (both[0], ends[0], both[1], ends[1])
        return found

    @functools.cached_property
    def targets(self):
        """For each problem its targets, as (value, share of the runs that end there or lower)."""
        found = {}
        for problem in self.problems:
            said = self.said["problems"][problem].get("target")
            runs = self.runs[(self.runs["problem"] == problem) & (self.runs["stage"] == "evaluation")]
            losses = [max(one, TINY) for one in runs["final_validation_loss"] if math.isfinite(one)]
            values = [_three_digits_up(quantile(losses, share)) for share in (0.75, 0.5, 0.25)]
            found[problem] = [float(said.split("<=")[1])] if said else list(dict.fromkeys(values))
        return found

    def arrivals(self, key, target):
        """For each evaluation run of a cell: (time it was watched, whether it came there, what it took)."""
        found = []
        for run in self.cells[key]["runs"].itertuples():
            history = self.histories.get(run.run)
            there = [] if history is None else history.loc[history["validation_loss"] <= target, "step"]
            if len(there):
                found.append((int(min(there)), True, int(min(there))))
            else:
                found.append((run.steps if run.outcome == "diverged" else run.ended_at, False, run.ended_at))
        return found

    @functools.cached_property
    def scores(self):
        """For each measure and optimizer: (score, interval, workloads that it reaches, what it is below the best)."""
        workloads = [(problem, target) for problem in self.problems for target in self.targets[problem]]
        draws = np.sort(drawn_seeds(self.seeds), axis=1)
        found = {}
        for measure in ("steps", "examples"):
            # (optimizers, workloads, 1 + resamples)
            medians = np.array(
                [[self._medians(name, measure, *one, draws) for one in workloads] for name in self.optimizers]
            )
            shortest = medians.min(axis=0)
            with np.errstate(invalid="ignore"):
                tau = np.where(medians == shortest, 1.0, medians / shortest)
            tau[np.isinf(medians)] = np.inf
            scores = (np.clip(4 - tau, 0, None) / 3).mean(axis=1)
            below = _below_the_best(dict(zip(self.optimizers, scores, strict=True)), self.seeds)
            for name, score, median in zip(self.optimizers, scores, medians, strict=True):
                ends = bootstrap_ends(score[1:], self.seeds)
                found[measure, name] = (score[0], ends, int(np.isfinite(median[:, 0]).sum()), below[name])
        return found, len(workloads)

    def _medians(self, optimizer, measure, problem, target, draws):
        key = self.best(problem=problem, optimizer=optimizer)
        times = [(time, there) for time, there, _ in self.arrivals(key, target)]
        steps = [survival_median(*zip(*times, strict=True))]
        drawn = [tuple(row) for row in draws]
        of = {row: survival_median(*zip(*(times[seed] for seed in row), strict=True)) for row in set(drawn)}
        steps += [of[row] for row in drawn]
        found = {one: self.examples(key, one) if measure == "examples" else one for one in set(steps)}
        return [found[one] for one in steps]

    def steps_per_epoch(self, key):
        return int(self.cells[key]["runs"]["steps_per_epoch"].iloc[0])

    def examples(self, key, steps):
        """How many examples are seen in so many steps."""
        if math.isinf(steps):
            return math.inf
        problem, size, a_epoch = key[0], key[3], self.steps_per_epoch(key)
        dropped = self.said["problems"][problem].get("drop_remainder")
        examples = a_epoch * size if dropped else self.check(problem)["splits"]["train"]["examples"]
        return steps // a_epoch * examples + min(steps % a_epoch * size, examples)

    @functools.cached_property
    def ranges(self):
        """For each cell of an optimizer with a range of rates: (best, lower, upper, open ends, what is measured).

        The lower and upper end are None where no other rate tried is as good as that.
        """
        found = {}
        for key, trials in self.trials.items():
            if self.is_searched(key[1]) or len(trials) < 2:
                continue
            by_steps = any(math.isfinite(one["steps"]) for one in trials)
            points = sorted((one["rate"], one["steps"] if by_steps else max(one["median"], TINY)) for one in trials)
            place = min(range(len(points)), key=lambda place: points[place][1])
            if math.isinf(points[place][1]) or points[place][1] <= 0:
                continue
            lower, below = _crossing(points[place::-1])
            upper, above = _crossing(points[place:])
            beside = [points[one][1] for one in (place - 1, place + 1) if 0 <= one < len(points)]
            if min(beside) > 1.1 * points[place][1]:
                lower, upper = None, None
            measure = "steps to target" if by_steps else "final validation loss"
            found[key] = (points[place][0], lower, upper, [below, above], measure)
        return found

    @functools.cached_property
    def budgets(self):
        """For each pool of trials, best first: their median test losses in the order in which tuning prefers them."""
        found = {}
        for key, trials in self.trials.items():
            pool = found.setdefault((key[0], key[1], key[3]), [])
            pool += [
                (one["steps"], max(one["median"], TINY), one["rate"], one["others"], key, one["test"]) for one in trials
            ]
        places = {key: place for place, key in enumerate(self.cells)}
        return {
            pool: [one[-1] for one in sorted(trials, key=lambda one: (*one[:4], places[one[4]]))]
            for pool, trials in found.items()
        }

    @functools.cached_property
    def fits(self):
        """For each problem that of `_fits`."""
        return {problem: self._fits(problem) for problem in self.problems}

    def _fits(self, problem):
        """For each optimizer and target: what came of the fit, then of the critical batch size the value, its interval
        and where it lies beyond the sizes, then the sizes at which most runs get there."""
        found = {}
        draws = [range(self.seeds), *np.sort(drawn_seeds(self.seeds), axis=1)]
        for optimizer, target in itertools.product(self.optimizers, self.targets[problem]):
            keys = [key for key in self.at_each_size(problem) if key[1] == optimizer]
            times = [[run[:2] for run in self.arrivals(key, target)] for key in keys]
            medians = np.array([[_median_of(tuple(own), tuple(drawn)) for own in times] for drawn in draws])
            tolerance = max(0.01, *(self._coarseness(key, one) for key, one in zip(keys, medians[0], strict=True)))
            found[optimizer, target] = _fit([key[3] for key in keys], medians, self.seeds, tolerance)
        return found

    def _coarseness(self, key, median):
        """By how much earlier, on a logarithmic scale, half of the runs can have been there than they were seen."""
        if not 0 < median < math.inf:
            return 0.0
        return math.log(median / (1 + max(step for step in points_of(self, key) if step < median)))


def _fit(sizes, medians, seeds, tolerance):
    there = [size for size, median in zip(sizes, medians[0], strict=True) if 0 < median < math.inf]
    if len(there) < 3:
        few = "reached it" if len(sizes) >= 3 else "batch sizes"
        return Fit(f"fewer than three {few}", there)
    curves = [_curve_through(tuple(sizes), tuple(row)) for row in medians]
    if seeds >= FEWEST and _departs(
        there, medians[1:, [sizes.index(one) for one in there]], curves[1:], tolerance, seeds
    ):
        return Fit("not of this shape", there)
    ends = tuple(_ends_of([one and one[place] for one in curves[1:]], seeds) for place in range(3))
    beyond = "below" if curves[0][2] < there[0] else "above" if curves[0][2] > there[-1] else None
    return Fit("fitted", there, curves[0], ends, beyond)


class Fit(typing.NamedTuple):
    """What came of a fit, the batch sizes at which most runs get there, the least steps, the least examples and the
    critical batch size with their intervals, and on which side of the sizes the last lies."""

    outcome: str
    sizes: list
    values: tuple = (math.nan,) * 3
    ends: tuple = ((math.nan, math.nan),) * 3
    beyond: str | None = None

    def regime(self):
        """What the interval of the critical batch size says; None where there is none."""
        low, high = self.ends[2]
        if math.isnan(low):
            return None
        if low >= 2 * self.sizes[-1]:
            return "in proportion"
        if high <= self.sizes[0] / 2:
            return "little"
        return "turning" if self.sizes[0] < low and high < self.sizes[-1] else "undecided"


def _ends_of(drawn, seeds):
    """The interval of what resamples gave; one without a fit could have had any, so that it widens both sides."""
    lower, upper = ([unknown if one is None else one for one in drawn] for unknown in (0.0, math.inf))
    return bootstrap_ends(lower, seeds)[0], bootstrap_ends(upper, seeds)[1]


def _departs(sizes, medians, curves, tolerance, seeds):
    """Whether the steps surely fall from a batch size to the next by more than it grows, or rise, or are off the curve
    at one. An interval, and so its lower end, is known of whatever resamples give, the unknown being the least."""
    found = []
    for (place, size), (after, larger) in itertools.pairwise(enumerate(sizes)):
        saved = [_log_ratio(row[place], row[after]) for row in medians]
        found += [[one - math.log(larger / size) for one in saved], [-one for one in saved]]
    for place, size in enumerate(sizes):
        off = [
            math.nan if curve is None else _log_ratio(row[place], curve[0] + curve[1] / size)
            for row, curve in zip(medians, curves, strict=True)
        ]
        off = [math.nan if math.isinf(one) else one for one in off]
        found += [off, [-one for one in off]]
    lowest = [bootstrap_ends([-math.inf if math.isnan(one) else one for one in of], seeds)[0] for of in found]
    return max(lowest) > tolerance


def _log_ratio(one, other):
    if math.isinf(one):
        return math.nan if math.isinf(other) else math.inf
    return -math.inf if math.isinf(other) or one == 0 < other else math.log(one / other)


@functools.cache
def _median_of(times, drawn):
    return survival_median(*zip(*(times[seed] for seed in drawn), strict=True))


@functools.cache
def _curve_through(sizes, steps):
    """Smin, Emin and Emin / Smin of the curve Smin + Emin / size that is nearest to the steps by their logarithms; the
    last is infinite where steps in proportion to 1 / size are as near, and zero where equal ones are. None through
    fewer than three points, those that are infinite or zero left out."""
    known = [(size, step) for size, step in zip(sizes, steps, strict=True) if 0 < step < math.inf]
    if len(known) < 3:
        return None
    places, logs = np.log(known).T

    def off(both):
        return np.logaddexp(both[0], both[1] - places) - logs

    begin = [logs.min() - 1, (logs + places).min()]
    fitted = optimize.least_squares(off, begin, method="lm", max_nfev=100_000, xtol=1e-12, ftol=1e-12).x
    left = (off(fitted) ** 2).sum()
    for values, of in ((logs + places, lambda mean: (0.0, mean, math.inf)), (logs, lambda mean: (mean, 0.0, 0.0))):
        if len(known) * np.var(values) <= left * (1 + 1e-6) + 1e-15:
            return of(math.exp(values.mean()))
    return (*np.exp(fitted), math.exp(fitted[1] - fitted[0]))


def _below_the_best(scores, size):
    """For each optimizer the difference of its score to the best, its interval, p, adjusted p and the verdict.

    Of each optimizer there are the score and those of all resamples of so many seeds. The p is where the bootstrap
    interval, at its other levels, has an end at zero.
    """
    best = max(scores, key=lambda name: scores[name][0])
    apart = {name: score - scores[best] for name, score in scores.items()}
    others = [name for name in scores if name != best] if size >= FEWEST else []
    p = {name: _inverted(apart[name][1:], size) for name in others}
    adjusted = dict(zip(p, holm(*p.values()), strict=True)) if p else {}
    found = {}
    for name, one in apart.items():
        lower = name in p and adjusted[name] <= 0.05 and one[0] < 0
        told = "lower" if lower else "not distinguishable" if name in p else "too few seeds"
        ends = bootstrap_ends(one[1:], size)
        verdict = "reference" if name == best else told
        found[name] = (one[0], ends, p.get(name, math.nan), adjusted.get(name, math.nan), verdict)
    return found


def _inverted(drawn, size):
    """The p at whose level the bootstrap interval has an end at zero."""
    tail = (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + RESAMPLES)
    return min(1.0, 2 * stats.norm.cdf(stats.norm.ppf(tail) / math.sqrt(size / (size - 1))))


def chances(size, k):
    """The chance of each of the trials, best first, to be the best of k of them, of all sets of k."""
    return [math.comb(size - 1 - place, k - 1) / math.comb(size, k) for place in range(size)]


def expected_best(losses, k):
    """The loss that the preferred of k of the trials can be expected to have: the average over all sets of k."""
    return sum(chance * loss for chance, loss in zip(chances(len(losses), k), losses, strict=True) if chance)


def quantile_of_best(losses, k, share):
    """The smallest loss that the preferred of k of the trials does not exceed in this share of the sets of k."""
    reached = 0.0
    for loss, chance in sorted(zip(losses, chances(len(losses), k), strict=True)):
        reached += chance
        if reached >= share - 1e-9:
            return loss
    raise AssertionError("shares of sets add up to one")


def _crossing(points):
    """Where results, outwards from the best, first are a tenth above it, and whether they never are."""
    limit = 1.1 * points[0][1]
    for (inner, inside), (outer, outside) in itertools.pairwise(points):
        if outside > limit:
            share = 0 if math.isinf(outside) else math.log(limit / inside) / math.log(outside / inside)
            return inner * (outer / inner) ** share, False
    return points[-1][0], True


def _three_digits_up(value):
    power = math.floor(math.log10(value)) - 2
    return float(Decimal(math.ceil(Decimal(repr(value)).scaleb(-power))).scaleb(power))


def _shares(runs):
    """Each term's share of the sum of squares, and that of a factor with all its interactions, from means of groups."""
    grand = runs["rank"].mean()

    @functools.cache
    def squares(keys):
        return ((runs.groupby(sorted(keys))["rank"].transform("mean") - grand) ** 2).sum() if keys else 0.0

    def of_term(names):
        return sum(
            (-1) ** sum(coarse for _, coarse in chosen) * squares(frozenset().union(*(keys for keys, _ in chosen)))
            for chosen in itertools.product(*(zip(GROUPS[name], (False, True), strict=True) for name in names))
        )

    whole = ((runs["rank"] - grand) ** 2).sum()
    terms = {names: of_term(names) / whole for names in interacting()}
    found = {":".join(names): (share, math.nan) for names, share in terms.items()}
    for name in GROUPS:
        found[name] = (terms[name,], sum(share for names, share in terms.items() if name in names))
    return found | {"seed": (1 - sum(terms.values()), math.nan)}


GROUPS = {
    "optimizer": (frozenset(["optimizer"]), frozenset()),
    "learning_rate": (frozenset(["trial"]), frozenset(["optimizer"])),
    "schedule": (frozenset(["schedule"]), frozenset()),
    "batch_size": (frozenset(["batch_size"]), frozenset()),
}
"""By what runs are grouped to see a factor, and by what to see all but it. A rate is nested in its optimizer."""


def interacting():
    """The factors and all sets of them that can interact: a rate cannot with the optimizer in which it is nested."""
    sets = itertools.chain.from_iterable(itertools.combinations(GROUPS, size) for size in (1, 2, 3))
    return [names for names in sets if not {"optimizer", "learning_rate"} <= set(names)]


def jackknife_interval(whole, left_out):
    """Student's interval of what was found, from what is found without one seed after another; NaN for under three."""
    n = len(left_out)
    if n < 3 or math.isnan(whole):
        return math.nan, math.nan
    reach = stats.t.ppf(0.975, n - 1) * (n - 1) / math.sqrt(n) * np.std(left_out, ddof=1)
    return max(0, whole - reach), min(1, whole + reach)


def in_words(key):
    _, optimizer, schedule, size = key
    return f"{optimizer} with {schedule} at batch size {size}"


@functools.cache
def final_ranks(results):
    """For each problem the ranks of the optimizers' best cells by the interquartile means of what is compared."""
    best = [[results.best(problem=one, optimizer=name) for name in results.optimizers] for one in results.problems]
    return np.array([stats.rankdata([middle_mean([*results.compared(key).values()]) for key in row]) for row in best])


@functools.cache
def ratio_to_best(results, optimizer, problems):
    """The geometric interquartile mean of the ratios to each problem's best cell, its interval, and the seeds."""
    logs = [
        np.sort(
            np.log(
                ratios(
                    results.compared(results.best(problem=one, optimizer=optimizer)),
                    results.compared(results.best(problem=one)),
                )
            )
        )
        for one in problems
    ]
    drawn = np.hstack([one[drawn_seeds(len(one), place)] for place, one in enumerate(logs)])
    size = drawn.shape[1]
    means = stats.trim_mean(np.sort(drawn, axis=1), 0.25, axis=1)
    ends = bootstrap_ends(means, size, len(logs))
    return math.exp(middle_mean(np.concatenate(logs))), tuple(map(math.exp, ends)), size


def improvement(found):
    """The probability that the first of a pair ends lower, with its exact interval."""
    share = float(np.mean([np.mean(one < 1) + np.mean(one == 1) / 2 for one in found]))
    n = len(found) * min(map(len, found))
    wins = share * n
    low = stats.beta.ppf(0.025, wins, n - wins + 1) if wins else 0.0
    high = stats.beta.ppf(0.975, wins + 1, n - wins) if wins < n else 1.0
    return share, (low, high)


@functools.cache
def permutation_p(*rows):
    """The p of Friedman's test, from random orders of each row of ranks."""
    ranks = np.array(rows)
    alike = np.broadcast_to(ranks, (RESAMPLES, *ranks.shape))
    drawn = np.random.default_rng([20_250_102, *ranks.shape]).permuted(alike, axis=-1)
    found = [stats.friedmanchisquare(*one.T).statistic for one in [ranks, *drawn]]
    return (1 + sum(one >= found[0] - 1e-9 for one in found[1:])) / (1 + RESAMPLES)


@functools.cache
def applied_rates(results, problem, schedule, size):
    """At each step of a schedule on a problem the median of the rates there, relative to their peaks."""
    runs = results.runs[
        results.runs[["problem", "schedule", "batch_size"]].apply(tuple, axis=1) == (problem, schedule, size)
    ]
    applied = {}
    for run in runs.drop_duplicates("run").itertuples():
        recorded = results.histories[run.run].dropna(subset="learning_rate")
        for step, value in zip(recorded["step"], recorded["learning_rate"], strict=True):
            applied.setdefault(int(step), []).append(value / run.learning_rate)
    return {step: round(quantile(applied[step], 0.5), 6) for step in sorted(applied)}


def last_moving(results, key):
    """The last point at which evaluation runs were seen that is not at a rate below STILL of the peak."""
    rates = applied_rates(results, key[0], *key[2:])
    return max(step for step in points_of(results, key) if rates.get(step, 1) >= STILL)


@functools.cache
def survival_interval(*runs):
    """Kaplan and Meier's median, and where the interval of their curve is at one half, as lifelines has it.

    Where the curve is at zero lifelines gives it an interval of no width; the report only if every run is there.
    """
    times, there = zip(*((time, there) for time, there, _ in runs), strict=True)
    if len(times) < FEWEST:
        return None, survival_median(times, there), math.nan
    fitted = lifelines.KaplanMeierFitter().fit(times, there)
    known = fitted.confidence_interval_[(fitted.survival_function_ > 0).to_numpy() | all(there)]
    ends = np.ravel(lifelines.utils.median_survival_times(known)) if len(known) else [math.inf] * 2
    return (float(ends[0]) if math.isfinite(ends[0]) else None), survival_median(times, there), float(ends[1])


def points_of(results, key):
    """Where evaluation runs were seen on the problem of a cell, at its batch size, and the horizon."""
    alike = [results.cells[one]["runs"] for one in results.cells_of(problem=key[0], batch_size=key[3])]
    runs = [run for of_cell in alike for run in of_cell["run"] if run in results.histories]
    steps = {int(step) for run in runs for step in results.histories[run]["step"]}
    return sorted(steps | {int(alike[0]["steps"].iloc[0])})


def is_gone(results, run, step):
    return run.outcome not in WELL and step > results.histories[run.run]["step"].to_numpy()[-1]


def value_at(results, run, name, step):
    """What a run counts as at a step: as recorded, at its target as it was there, and the worst where it is lost."""
    if is_gone(results, run, step):
        return -math.inf if "accuracy" in name else math.inf
    history = results.histories[run.run]
    place = history["step"].to_numpy().searchsorted(step, side="right") - 1
    return float(history[name].to_numpy()[place])


def declared(results, problem=None, stage=None):
    """How many runs the experiment file asks for, counted from its text."""
    if problem is None:
        stages = ("tuning", "evaluation", "reproduction")
        return sum(declared(results, *one) for one in itertools.product(results.problems, stages))
    cells = len(results.sizes(problem)) * len(results.schedules)
    if stage == "evaluation":
        return cells * len(results.optimizers) * results.seeds
    if stage == "tuning":
        return cells * sum(map(trials, results.said["optimizers"].values())) * results.tuning_seeds
    reproductions = results.said.get("reproductions", {}).values()
    return results.seeds * sum(one["problem"] == problem for one in reproductions)


def trials(said):
    """How many trials an optimizer has: a range has two rates a decade."""
    if "search" in said:
        return said["search"]["trials"]
    if isinstance(said["learning_rates"], list):
        return len(said["learning_rates"])
    low, high = map(float, str(said["learning_rates"]).split(".."))
    return 1 + round(2 * math.log10(high / low))
