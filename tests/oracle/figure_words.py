"""What the figures of a report have to say in words and in their tables, from what tests/derived.py finds.

For each figure there is a function that gives its whole alternative text, and one that gives the rows of its table,
each with all that the figure may show of it by the names of the columns.
"""

import functools
import itertools
import math

import claimed
import derived
import numpy as np
import pandas as pd
from derived import many, number, percent, quantile, rate
from scipy import stats


def grid(results, problem):
    sizes = results.sizes(problem)
    schedules = f"{many(len(results.schedules), 'schedule')} ({', '.join(results.schedules)})"
    return f"{schedules} by {many(len(sizes), 'batch size')} ({', '.join(map(str, sizes))})"


def diverged(results, keys):
    """How many evaluation runs of some cells diverged, and of how many, and sentences about those out of time and those
    that are missing."""
    cells = [results.cells[key] for key in keys]
    late = sum(cell["late"] for cell in cells)
    out = f" {many(late, 'run')} ran out of time." if late else ""
    there = sum(cell["n"] for cell in cells)
    return sum(cell["diverged"] for cell in cells), there, out + missing(len(cells) * results.seeds - there)


def missing(count):
    return f" {many(count, 'run')} {'is' if count == 1 else 'are'} missing." if count else ""


def evaluated(results, keys):
    """Those of some cells that have evaluation runs."""
    return [key for key in keys if results.cells[key]["n"]]


def seeds(results, keys):
    """Of how many seeds they are."""
    counts = {results.cells[key]["n"] for key in evaluated(results, keys)}
    return (f"{min(counts)} to " if len(counts) > 1 else "") + f"{max(counts)} seeds"


def extremes(of, words="", highest="the highest"):
    """Where the lowest and the highest finite value are, of equal ones the first."""
    finite = {key: value for key, value in of.items() if math.isfinite(value)}
    low, high = (how(finite, key=finite.__getitem__) for how in (min, max))
    return f"{number(of[low])}, {derived.in_words(low)}; {highest} is {number(of[high])}, {derived.in_words(high)}."


def each(count, one):
    return f"the one {one}" if count == 1 else f"each of {many(count, one)}"


def count(results, how=many):
    return how(len(results.optimizers), "optimizer")


def alternative_optimizers(results, problem):
    keys = [results.best(problem=problem, optimizer=name) for name in results.optimizers]
    measure = results.measure(problem)
    metrics = " and ".join([measure, *(f"final test {name}" for name in results.metrics(problem))])
    ended, _, out = diverged(results, keys)
    fewest = min(results.cells[key]["n"] for key in evaluated(results, keys))
    known = " with its 95 % interval" if results.seeds >= derived.FEWEST else ", too few for an interval"
    known += ", from 6 seeds on" if fewest < derived.FEWEST <= results.seeds else ""
    return (
        f"{metrics[0].upper()}{metrics[1:]} on {problem}: {count(results)}, each with the schedule, batch size and "
        f"rate that its tuning runs chose, interquartile mean of {seeds(results, keys)}{known}. "
        f"By {measure} the lowest is "
        f"{extremes({key: results.mean(key, results.column(problem)) for key in evaluated(results, keys)})} "
        f"{ended} runs diverged.{out}"
    )


def alternative_heat_map(results, problem):
    keys = results.cells_of(problem=problem)
    means = {key: results.mean(key, results.column(problem)) for key in evaluated(results, keys)}
    best = results.best(problem=problem)
    chose = f"The tuning runs chose {derived.in_words(best)}. " if results.cells[best]["n"] else ""
    infinite = sum(map(math.isinf, means.values()))
    ended, _, out = diverged(results, keys)
    return (
        f"Heat map of the {results.measure(problem)} on {problem}: {count(results)} by {grid(results, problem)}, "
        f"interquartile mean of {seeds(results, keys)}. "
        f"The lowest is {extremes(means, highest='the highest finite one')} "
        f"{'In ' + many(infinite, 'cell') + ' it is infinite. ' if infinite else ''}"
        f"{chose}{ended} runs diverged.{out}"
    )


def alternative_batch_sizes(results, problem):
    keys = results.cells_of(problem=problem)
    ended, _, out = diverged(results, keys)
    measure = results.measure(problem)
    return (
        f"{measure[0].upper()}{measure[1:]} on {problem} against the batch size: {grid(results, problem)}, with a line "
        f"for {count(results, how=each)}, interquartile mean of {seeds(results, keys)}. The lowest is "
        f"{extremes({key: results.mean(key, results.column(problem)) for key in evaluated(results, keys)})} "
        f"{ended} runs diverged.{out}"
    )


BOTH = "ends with a lower test loss or, where runs end at their target, takes fewer examples to it"


def alternative_improvements(results, problem):
    among = [problem] if problem else results.problems
    pairs = results.pairs(among)
    wins = dict.fromkeys(results.optimizers, 0)
    for (first, second), (_, _, verdict) in pairs.items():
        if verdict in ("lower", "higher"):
            wins[first if verdict == "lower" else second] += 1
    decided = sum(wins.values())
    told = ", ".join(f"{name} does better in {won}" for name, won in wins.items() if won)
    words = f"{decided} of {many(len(pairs), 'pair')} {'is' if decided == 1 else 'are'} decided: {told}."
    if len(pairs) == 1:
        words = f"The pair is decided: {told.split()[0]} does better." if told else "The pair is not decided."
    elif not decided:
        words = f"None of the {many(len(pairs), 'pair')} is decided."
    measures = {results.measure(one) for one in among}
    better = {
        "final test loss": "ends with a lower test loss",
        "examples to target": "takes fewer examples to the target",
    }
    does = better[measures.pop()] if len(measures) == 1 else BOTH
    place = f"on {problem}" if problem else f"over {many(len(among), 'problem')}"
    return (
        f"Matrix of how often each of {count(results)} {does} than each other one at the same "
        f"seed, "
        f"{place}, from {many(len(among) * results.seeds, 'pair')} of runs at most. {words}"
    )


def at_the_end(results, key, column, worst=math.inf):
    """The median over a cell's evaluation runs of what was recorded where each ended, lost runs being infinite."""
    ends = [
        float(results.histories[run.run][column].iloc[-1]) if run.outcome in derived.WELL else worst
        for run in results.cells[key]["runs"].itertuples()
    ]
    return quantile(ends, 0.5)


def convergence(results, problem, split, against):
    keys = results.cells_of(problem=problem)
    ended, runs, out = diverged(results, keys)
    return (
        f"Small multiples of the {split} loss on {problem} against {against}: {grid(results, problem)}, with a line "
        f"for {count(results, how=each)}, the median of {seeds(results, keys)}. At the end the lowest median is "
        f"{extremes({key: at_the_end(results, key, f'{split}_loss') for key in evaluated(results, keys)})} "
        f"{ended:,} of {many(runs, 'run')} diverged.{out}"
    )


def alternative_convergence(results, problem):
    return convergence(results, problem, "train", "steps")


def alternative_convergence_test(results, problem):
    return convergence(results, problem, "test", "steps")


def alternative_convergence_epochs(results, problem):
    return convergence(results, problem, "test", "epochs")


def alternative_convergence_examples(results, problem):
    return convergence(results, problem, "test", "examples seen")


def gradients(results, problem, names, more=""):
    sizes = results.sizes(problem)
    keys = results.at_each_size(problem)
    ended, runs, out = diverged(results, keys)
    told = [
        f"Where lines end, the lowest median of {words} is "
        f"{extremes({key: value(key) for key in evaluated(results, keys)})}"
        for words, value in names.items()
    ]
    return (
        f"Against steps on {problem}, for {many(len(sizes), 'batch size')} ({', '.join(map(str, sizes))}): "
        f"{', and '.join(names)}, with a line for {count(results, how=each)}, each with the schedule that its tuning "
        f"runs prefer, the median of {seeds(results, keys)}. {' '.join(told)} {more}"
        f"{ended:,} of {many(runs, 'run')} diverged.{out}"
    )


def alternative_gradients(results, problem):
    columns = {"the norm of a batch’s gradient": "gradient_norm"}
    columns |= {"the norm of a step relative to that of the weights": "update_ratio"}
    return gradients(
        results,
        problem,
        {
            words: lambda key, column=column: quantile(ends_of(results, key, column), 0.5)
            for words, column in columns.items()
        },
        f"Steps at a learning rate below {rate(derived.STILL)} of its peak are left out. ",
    )


def alternative_gradient_noise(results, problem):
    def scale(key):
        return at_the_end(results, key, "gradient_noise_scale")

    keys = results.at_each_size(problem)
    noisier = sum(scale(key) > key[3] for key in keys)
    names = {"the gradient noise scale": scale}
    names |= {"the variance of a batch’s gradient": lambda key: at_the_end(results, key, "gradient_variance") / key[3]}
    more = f"There the noise scale is above the batch size in {noisier} of {many(len(keys), 'cell')}. "
    return gradients(results, problem, names, more)


def alternative_arrivals(results, problem):
    declared = [results.best(problem=problem, optimizer=name) for name in results.optimizers]
    keys, targets = evaluated(results, declared), results.targets[problem]
    told, lines = [], 0
    for target in targets:
        runs = {key: results.arrivals(key, target) for key in keys}
        late = {
            run.run for key in keys for run in results.cells[key]["runs"].itertuples() if run.outcome == "out of time"
        }
        for key in keys:
            outcomes = zip(runs[key], results.cells[key]["runs"]["run"], strict=True)
            lines += sum(not there and run in late for (_, there, _), run in outcomes)
        medians = {
            key: derived.survival_median(*zip(*((time, there) for time, there, _ in of), strict=True))
            for key, of in runs.items()
        }
        first = [key for key in keys if medians[key] == min(medians.values())]
        reached = sum(there for of in runs.values() for _, there, _ in of)
        never = [key[1] for key in keys if math.isinf(medians[key])]
        text = f"Validation loss ≤ {rate(target)}: {reached} of {sum(map(len, runs.values()))} runs reached it"
        if first and math.isfinite(medians[first[0]]):
            whose = "their runs there are" if len(first) > 1 else "its runs there is"
            text += f"; the first to have half of {whose} {derived.listed([derived.in_words(key) for key in first])}, "
            text += f"after {many(int(medians[first[0]]), 'step')}"
        told.append(text + (f"; fewer than half came there with {', '.join(never)}." if never else "."))
    out = f" {many(lines, 'line')} {'loses' if lines == 1 else 'lose'} a run that ran out of time." if lines else ""
    out += missing(len(declared) * results.seeds - diverged(results, keys)[1])
    return (
        f"Share of the evaluation runs on {problem} that have reached a target, against steps: a panel for "
        f"{each(len(targets), 'target')}, a line for {each(len(keys), 'optimizer')}, each with the schedule, batch "
        f"size and rate that its tuning runs chose; {seeds(results, keys)}. {' '.join(told)}{out}"
    )


def alternative_learning_rates(results, problem):
    trials = [one for key in results.cells_of(problem=problem) for one in results.trials[key]]
    searched = sum(map(results.is_searched, results.optimizers))
    gridded = len(results.optimizers) - searched
    series = [f"with a line for {each(gridded, 'optimizer')}"] if gridded else []
    series += [f"with points for the trials of {many(searched, 'searched optimizer')}"] if searched else []
    chosen = []
    for name in results.optimizers:
        rates = [results.cells[key]["trial"]["rate"] for key in results.cells_of(problem=problem, optimizer=name)]
        chosen.append(f"{name} {rate(min(rates))}" + (f" to {rate(max(rates))}" if min(rates) < max(rates) else ""))
    lows = [one["rate"] for one in trials]
    late = sum(one["late"] for one in trials)
    return (
        f"Final validation loss on {problem} against the peak learning rate, from {rate(min(lows))} to "
        f"{rate(max(lows))}, and "
        f"beneath it the share of runs that diverged: {grid(results, problem)}, {' and '.join(series)}. Chosen rates: "
        f"{', '.join(chosen)}. {sum(one['diverged'] for one in trials)} of "
        f"{many(sum(one['n'] for one in trials), 'run')} diverged."
        + (f" {many(late, 'run')} ran out of time." if late else "")
    )


def alternative_budgets(results, problem):
    pools = {pool: losses for pool, losses in results.budgets.items() if pool[0] == problem}
    sizes = results.sizes(problem)
    ends = {pool: losses[0] for pool, losses in pools.items() if math.isfinite(losses[0])}
    low, high = (how(ends, key=ends.__getitem__) for how in (min, max))
    infinite = sum(math.isinf(derived.quantile_of_best(losses, 1, 0.5)) for losses in pools.values())
    return (
        f"Test loss on {problem} of the best of k trials, against k from 1 to {max(map(len, pools.values()))}: a panel "
        f"for {each(len(sizes), 'batch size')} ({', '.join(map(str, sizes))}), a line for {count(results, how=each)}, "
        f"trials of "
        f"{many(len(results.schedules), 'schedule')} ({', '.join(results.schedules)}) together. With all trials the "
        f"lowest is "
        f"{number(ends[low])}, {low[1]} at batch size {low[2]} with {many(len(pools[low]), 'trial')}; the highest is "
        f"{number(ends[high])}, {high[1]} at batch size {high[2]}. With a single trial {infinite} of "
        f"{many(len(pools), 'median')} {'is' if infinite == 1 else 'are'} infinite."
    )


def alternative_scaling(results, problem):
    sizes, targets = results.sizes(problem), results.targets[problem]
    keys, missed = results.at_each_size(problem), 0
    for key, target in itertools.product(evaluated(results, keys), targets):
        runs = results.arrivals(key, target)
        missed += math.isinf(derived.survival_median(*zip(*((time, there) for time, there, _ in runs), strict=True)))
    lines = len(results.optimizers) * len(targets)
    told = ", ".join(f"validation loss ≤ {rate(target)}" for target in targets)
    fitted = [(fit.values[2], name) for (name, _), fit in results.fits[problem].items() if fit.outcome == "fitted"]
    finite, ends = [one for one in fitted if math.isfinite(one[0])], ""
    if finite:
        (low, first), (high, last) = (how(finite, key=lambda one: one[0]) for how in (min, max))
        ends = (
            f" The smallest critical batch size is {number(low)}, {first}; the largest finite one is {number(high)}, "
            f"{last}."
        )
    return (
        f"Steps to a target on {problem} against the batch size ({', '.join(map(str, sizes))}), both axes logarithmic: "
        f"a panel "
        f"for {count(results, how=each)}, a line for {each(len(targets), 'target')}: {told}; median of "
        f"{seeds(results, keys)}, "
        f"beside the line of perfect scaling. {missed} of {lines * len(sizes)} points are not there, because "
        f"fewer than "
        f"half of the runs reached the target. {len(fitted)} of {many(lines, 'line')} could be fitted.{ends}"
        f"{missing(len(keys) * results.seeds - diverged(results, keys)[1])}"
    )


def alternative_schedules(results, problem):
    told, sizes = [], results.sizes(problem)
    for schedule in results.schedules:
        ends = [[*derived.applied_rates(results, problem, schedule, size).values()][-1] for size in sizes]
        low, high = number(min(ends)), number(max(ends))
        told.append(f"{low}{f' to {high}' if min(ends) < max(ends) else ''} with {schedule}")
    return (
        f"Learning rate relative to its peak against epochs on {problem}, as applied, for batch "
        f"size{'s' * (len(sizes) > 1)} {', '.join(map(str, sizes))}. At the end it is {', '.join(told)}."
    )


def alternative_paths(results, problem):
    surface = pd.read_parquet(results.folder / "surfaces" / f"{problem}.parquet")
    keys = [results.best(problem=problem, optimizer=name) for name in results.optimizers]
    ends = {name: (float(surface[name].min()), float(surface[name].max())) for name in ("weight_0", "weight_1")}
    bottom = surface.loc[surface["train_loss"].idxmin()]
    runs = [run for key in keys for run in results.cells[key]["runs"]["run"] if run in results.histories]
    leaving = sum(
        any(
            ((results.histories[run][name] < low) | (results.histories[run][name] > high)).any()
            for name, (low, high) in ends.items()
        )
        for run in runs
    )
    ended, _, out = diverged(results, keys)
    return (
        f"Paths of runs over the train loss on {problem}, drawn as contours against the model's two weights, "
        f"weight 0 from {number(ends['weight_0'][0])} to {number(ends['weight_0'][1])} and weight 1 from "
        f"{number(ends['weight_1'][0])} to {number(ends['weight_1'][1])}: a panel for {count(results, how=each)}, with "
        f"the schedule, "
        f"batch size and rate that its tuning runs chose, and in it a path for each of {seeds(results, keys)}. The "
        f"lowest loss of "
        f"the surface is {number(bottom['train_loss'])}, at {number(bottom['weight_0'])} and "
        f"{number(bottom['weight_1'])}. "
        f"{leaving} of {many(len(runs), 'path')} {'leaves' if leaving == 1 else 'leave'} the panels. {ended} runs "
        f"diverged.{out}"
    )


def alternative_ranks(results, _):
    mean = dict(
        sorted(zip(results.optimizers, derived.final_ranks(results).mean(axis=0), strict=True), key=lambda one: one[1])
    )
    optimizers, problems = len(mean), len(results.problems)
    studentized = stats.studentized_range.ppf(0.95, optimizers, np.inf) / math.sqrt(2)
    critical = studentized * math.sqrt(optimizers * (optimizers + 1) / 6 / problems)
    measures = {results.measure(one) for one in results.problems}
    assert len(measures) == 1, "then words tell which is compared where"
    assert max(mean.values()) - min(mean.values()) <= critical, "then there are several bars"
    told = ", ".join(f"{name} {number(one)}" for name, one in mean.items())
    return (
        f"Critical-difference diagram: mean ranks by {' or '.join(measures)} over {many(problems, 'problem')}. "
        f"{told}. The critical difference is {number(critical)}; a bar joins {', '.join(mean)}."
    )


def alternative_profile(results, _):
    scores, workloads = results.scores
    told = []
    for measure in ("steps", "examples"):
        of = {name: scores[measure, name] for name in results.optimizers}
        high, low = (how(of, key=lambda name: of[name][0]) for how in (max, min))
        told.append(
            f"Time in {measure}, {many(workloads, 'workload')}: the highest score, up to τ = 4, is "
            f"{number(of[high][0])}, {high}, "
            f"which reaches {of[high][2]} of them; the lowest is {number(of[low][0])}, {low}, which reaches "
            f"{of[low][2]}."
        )
    return (
        f"Performance profiles of {count(results)} over {many(len(results.problems), 'problem')}: the share of "
        f"workloads on which "
        f"an optimizer takes at most τ times as long as the quickest, against τ; {results.seeds} seeds. "
        f"{' '.join(told)}"
    )


TERMS = ("optimizer", "learning_rate", "schedule", "batch_size", "seed")


def alternative_factors(results, _):
    told = []
    for problem in results.problems:
        shares = {name: results.shares[problem, name] for name in ("learning_rate", *derived.FACTORS)}
        name = max(shares, key=lambda one: shares[one][2])
        words = name.replace("_", " ")
        told.append(f"{words} on {problem}, {percent(shares[name][2])} ({percent(shares[name][0])} alone)")
    runs = (results.runs["stage"] == "tuning").sum()
    with_levels = {row["term"] for row in rows_factors(results, None)}
    terms = [name.replace("_", " ") for name in TERMS if name in with_levels]
    return (
        f"Shares of the variance between the ranks of {runs:,} tuning runs that are due to {', '.join(terms)}, "
        f"alone and with interactions: a panel for {each(len(told), 'problem')}, "
        f"{many(results.tuning_seeds, 'seed')}. The greatest share with its interactions: {'; '.join(told)}."
    )


def drawn_claims(results):
    """The rows of claims that have a scale: not in seconds, and of values only those to be within a range."""
    said = results.said["claims"]
    rows = claimed.rows(results)
    return [row for row in rows if row["unit"] != "value" or said[row["claim"]]["expect"].startswith("within")]


def alternative_claims(results, _):
    rows = drawn_claims(results)
    wholes = [row for row in rows if row["problem"] is None]
    words = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "undecided": ("stays undecided", "stay undecided")}
    told = []
    for verdict, both in words.items():
        names = [row["claim"] for row in wholes if row["verdict"] == verdict]
        told += [f"{len(names)} {both[len(names) != 1]} ({', '.join(names)})"] if names else []
    several = len({row["claim"] for row in rows if row["problem"]})
    has = f"{many(several, 'claim')} about several problems {'has' if several == 1 else 'have'} a row for each of them"
    beyond = sum(map(is_beyond, rows))
    out = f" {many(beyond, 'interval')} {'goes' if beyond == 1 else 'go'} beyond the axis."
    without = all(math.isnan(row["lower"]) for row in rows)
    return (
        f"Forest plot of {many(len(wholes), 'claim')}: the effect of each"
        f"{', without an' if without else ' with its 95 %'} interval, beside the effects for which it is true. "
        f"{'; '.join(told)}.{f' {has} beneath, with the effects.' if several else ''}{out if beyond else ''}"
    )


def is_beyond(row):
    """Whether an interval has an end that the axis does not reach out for."""
    ends = [row["lower"], row["upper"]]
    if row["unit"] == "value":
        half = (row["at_most"] - row["at_least"]) / 2
        ends = [(end - row["at_least"]) / half - 1 for end in ends]
        return any(abs(end) > 10 for end in ends)
    if row["unit"] == "ratio":
        return ends[0] < 1 / 30 or ends[1] > 30
    return any(map(math.isinf, ends))


@functools.cache
def of_figure(what, figure, results, of):
    """The alternative text of a figure, or the rows of its table: of a problem, or with another name of all of them."""
    return globals()[f"{what}_{figure}"](results, of if of in results.problems else None)


def of_cell(results, key):
    """What tables of figures have of a cell: its setting and its final metrics on the test split."""
    cell = results.cells[key]
    row = {"optimizer": key[1], "schedule": key[2], "batch size": key[3], "n": cell["n"], "diverged": cell["diverged"]}
    row |= {"out of time": cell["late"], "learning rate": rate(cell["trial"]["rate"])}
    row |= {"hyperparameters": cell["trial"]["others"]}
    for name in {results.column(key[0]), *(f"final_test_{metric}" for metric in ("loss", *results.metrics(key[0])))}:
        ends, words = results.ends(key, name), name.replace("_", " ")
        row |= {words: number(results.mean(key, name))}
        row |= {f"{words} lower": number(ends[0]), f"{words} upper": number(ends[1])}
    return row


def of_levels(values, names=("lower", "median", "upper")):
    return dict(zip(names, (number(quantile(values, share)) for share in (0.25, 0.5, 0.75)), strict=True))


def rows_optimizers(results, problem):
    return [of_cell(results, results.best(problem=problem, optimizer=name)) for name in results.optimizers]


def rows_batch_sizes(results, problem):
    return [of_cell(results, key) for key in results.cells_of(problem=problem)]


def rows_heat_map(results, problem):
    keys, best = results.cells_of(problem=problem), results.best(problem=problem)
    means = {key: results.mean(key, results.column(problem)) for key in keys}
    lowest = max(min(means.values()), derived.TINY)
    return [
        {**of_cell(results, key), "times lowest": number(means[key] / lowest), "chosen": "✓" * (key == best)}
        for key in keys
    ]


def rows_improvements(results, problem):
    rows = []
    for (first, second), (found, p, verdict) in results.pairs([problem] if problem else results.problems).items():
        share, (lower, upper) = derived.improvement(found)
        row = {"first": first, "second": second, "n": sum(map(len, found)), "probability": number(share)}
        rows.append(
            {**row, "lower": number(lower), "upper": number(upper), "adjusted p": number(p), "verdict": verdict}
        )
    return rows


def ends_of(results, key, name):
    """What evaluation runs count as at the last point that a figure has; that of steps leaves out some."""
    step = derived.last_moving(results, key) if name == "update_ratio" else derived.points_of(results, key)[-1]
    return [derived.value_at(results, run, name, step) for run in results.cells[key]["runs"].itertuples()]


def rows_convergence(results, problem, name="train_loss"):
    keys = results.cells_of(problem=problem)
    return [of_cell(results, key) | of_levels(ends_of(results, key, name)) for key in keys]


def rows_convergence_test(results, problem):
    return rows_convergence(results, problem, "test_loss")


rows_convergence_epochs = rows_convergence_examples = rows_convergence_test


def rows_gradients(results, problem, names=("gradient_norm", "update_ratio")):
    rows = []
    for key, name in itertools.product(results.at_each_size(problem), names):
        # The variance of a batch's gradient is that of an example's over how many there are.
        of_a_batch = name == "batch_gradient_variance"
        values = ends_of(results, key, "gradient_variance" if of_a_batch else name)
        values = [value / key[3] for value in values] if of_a_batch else values
        rows.append({**of_cell(results, key), "quantity": name} | of_levels(values))
    return rows


def rows_gradient_noise(results, problem):
    return rows_gradients(results, problem, ("gradient_noise_scale", "batch_gradient_variance"))


def rows_arrivals(results, problem):
    rows = []
    for target, optimizer in itertools.product(results.targets[problem], results.optimizers):
        key = results.best(problem=problem, optimizer=optimizer)
        runs = results.arrivals(key, target)
        row = {
            **of_cell(results, key),
            "target": f"validation_loss <= {target}",
            "reached": sum(one[1] for one in runs),
        }
        times = ("–" if one is None or math.isinf(one) else number(one) for one in derived.survival_interval(*runs))
        rows.append(row | dict(zip(("lower", "median", "upper"), times, strict=True)))
    return rows


def rows_learning_rates(results, problem):
    rows = []
    for key in results.cells_of(problem=problem):
        trials, chosen = results.trials[key], results.cells[key]["trial"]
        counts = {"n": chosen["n"], "runs at all rates": sum(one["n"] for one in trials)}
        counts["diverged at all rates"] = sum(one["diverged"] for one in trials)
        rows.append(of_cell(results, key) | of_levels(chosen["losses"]) | counts)
    return rows


def rows_budgets(results, problem):
    rows = []
    for (of, optimizer, size), losses in results.budgets.items():
        if of == problem:
            # A single trial is any of them, and a quartile the smallest that a quarter of them does not exceed.
            lower, median, upper = (sorted(losses)[math.ceil(share * len(losses)) - 1] for share in (0.25, 0.5, 0.75))
            row = {"optimizer": optimizer, "batch size": size, "trials": len(losses), "one trial": number(median)}
            row |= {"first quartile": number(lower), "third quartile": number(upper), "all trials": number(losses[0])}
            rows.append({**row, "share infinite": number(sum(map(math.isinf, losses)) / len(losses))})
    return rows


def rows_scaling(results, problem):
    rows = []
    for (optimizer, target), fit in results.fits[problem].items():
        row = {"optimizer": optimizer, "target": f"validation_loss <= {target}", "fit": fit.outcome}
        for end, value in zip(("", " lower", " upper"), (fit.values[2], *fit.ends[2]), strict=True):
            row[f"critical batch size{end}"] = number(value)
        rows.append({**row, "extrapolated": fit.beyond or "–", "batch sizes": ", ".join(map(str, fit.sizes)) or "–"})
    return rows


def rows_schedules(results, problem):
    rows = []
    for schedule, size in itertools.product(results.schedules, results.sizes(problem)):
        step, relative = [*derived.applied_rates(results, problem, schedule, size).items()][-1]
        epochs = results.said["problems"][problem]["epochs"]
        row = {"schedule": schedule, "batch size": size, "step": f"{step:,}", "epoch": number(epochs)}
        rows.append({**row, "relative": number(relative)})
    return rows


def rows_paths(results, problem):
    rows = []
    for optimizer in results.optimizers:
        key = results.best(problem=problem, optimizer=optimizer)
        well = [run.run for run in results.cells[key]["runs"].itertuples() if run.outcome in derived.WELL]
        row = of_cell(results, key)
        for name in ("weight_0", "weight_1"):
            ends = [float(results.histories[run][name].iloc[-1]) for run in well]
            row[f"median final {name.replace('_', ' ')}"] = number(quantile(ends, 0.5)) if ends else "–"
        rows.append(row)
    return rows


def rows_ranks(results, _):
    mean = dict(zip(results.optimizers, derived.final_ranks(results).mean(axis=0), strict=True))
    rows = []
    for name in sorted(mean, key=mean.__getitem__):
        ratio, ends, _ = derived.ratio_to_best(results, name, tuple(results.problems))
        row = {"optimizer": name, "rank": number(mean[name]), "ratio": number(ratio)}
        rows.append({**row, "lower": number(ends[0]), "upper": number(ends[1])})
    return rows


def rows_profile(results, _):
    scores, workloads = results.scores
    rows = []
    for (measure, optimizer), (score, ends, reached, below) in scores.items():
        row = {"measure": measure, "optimizer": optimizer, "tau max": 4, "workloads": workloads, "reached": reached}
        row |= {"n": results.seeds, "score": number(score), "lower": number(ends[0]), "upper": number(ends[1])}
        difference, (lower, upper), p, adjusted, verdict = below
        row |= {"difference": number(difference), "difference lower": number(lower), "difference upper": number(upper)}
        row |= {"p": number(p), "adjusted p": number(adjusted), "verdict": verdict}
        rows.append({**row, "interval": "bootstrap" if results.seeds >= derived.FEWEST else "too few seeds"})
    return rows


def rows_factors(results, _):
    rows = []
    for problem in results.problems:
        runs = ((results.runs["problem"] == problem) & (results.runs["stage"] == "tuning")).sum()
        for term in TERMS:
            share, (lower, upper), total, _ = results.shares[problem, term]
            row = {
                "problem": problem,
                "term": term,
                "share": number(share),
                "lower": number(lower),
                "upper": number(upper),
            }
            row |= {"total": number(total), "n": results.tuning_seeds, "tuning runs": runs}
            varied = {"schedule": results.schedules, "batch_size": results.sizes(problem)}
            levels = (varied | {"seed": range(results.tuning_seeds)}).get(term)
            rows += [row] if levels is None or len(levels) > 1 else []
    return rows


def rows_claims(results, _):
    numbers = ("effect", "lower", "upper", "at_least", "at_most")
    return [
        {name: row[name] for name in ("claim", "verdict", "unit", "n")}
        | {"problem": row["problem"] or "–"}
        | {name.replace("_", " "): number(row[name]) for name in numbers}
        for row in drawn_claims(results)
    ]
