"""What every column of every table means, and its unit: the dictionary that is published beside the tables."""

import re

import pandas as pd

CELL_OF_THE_GRID = {
    "problem": ("", "the problem's name in the experiment file"),
    "optimizer": ("", "the optimizer's name in the experiment file"),
    "schedule": ("", "the schedule's name in the experiment file"),
    "batch_size": ("examples", "examples in a batch; the last batch of an epoch may hold fewer"),
    "learning_rate": ("", "the peak learning rate, which the schedule scales"),
}
SHARED = CELL_OF_THE_GRID | {
    "hyperparameters": ("", "what was searched beside the learning rate, as JSON by name; {} where nothing was"),
    "run": ("", "the run's identity, a SHA-256 digest of all that can change its bits"),
    "stage": ("", "tuning runs choose the rate, evaluation runs are reported, reproductions are as a source has them"),
    "reproduction": ("", "the reproduction's name in the experiment file"),
    "seed": ("", "fixes initial weights, data order and dropout"),
    "epochs": ("epochs", "the horizon"),
    "steps_per_epoch": ("steps", "steps in an epoch"),
    "steps": ("steps", "the horizon"),
    "step": ("steps", "steps taken so far; 0 is the initial weights"),
    "epoch": ("epochs", "step / steps_per_epoch"),
    "examples": ("examples", "examples seen so far, an example counting each time"),
    "outcome": (
        "",
        "finished: it came to its horizon; reached target: it ended there; out of time: it was stopped before; "
        "diverged: a loss, a metric or a prediction at a probe point was not finite",
    ),
    "ended_at": ("steps", "steps taken: the horizon, or where the run reached its target, was stopped or diverged"),
    "diverged_at": ("steps", "the step at which something recorded was first not finite; null where it never was"),
    "bits": ("", "digest of how the run ended and of its whole history: equal where both are equal to the last bit"),
    "n": ("runs", "how many runs the row speaks of, diverged ones and those out of time included"),
    "diverged": ("runs", "how many of them diverged"),
    "out_of_time": ("runs", "how many of them were out of time, and stopped before they could finish"),
    "log_test_loss_area": (
        "",
        "area under the base-10 logarithm of the test loss over the steps / the horizon: the average of the logarithm; "
        "infinite for a run that diverged or was out of time",
    ),
    "examples_to_target": (
        "examples",
        "where runs end at their target, batch size × steps until there, infinite for a run that did not reach it; "
        "null where runs do not end so",
    ),
    "best_step": ("steps", "the evaluation point with the lowest validation loss, the earliest of equals"),
}
WEIGHTS = {
    "weight_0": ("", "the first of the model's two trainable weights"),
    "weight_1": ("", "the second"),
}
MEASURE = (
    "",
    "what is compared: the final test loss or, where runs end at their target, the examples until there (batch size × "
    "steps), infinite for a run that did not reach it",
)
SPECIFIC = {
    "cells": {
        "learning_rate": (
            "",
            "the chosen peak rate: lowest median final validation loss, those below 1.4e-14 tie, ties to the smaller",
        ),
        "edge": (
            "",
            "lowest or highest where the chosen rate is that of the optimizer's range; "
            "null where it is within, and for a search",
        ),
        "tuning_runs": ("runs", "tuning runs at the chosen rate"),
        "tuning_diverged": ("runs", "how many of them diverged"),
        "tuning_out_of_time": ("runs", "how many of them were out of time"),
        "tuning_validation_loss": (
            "",
            "median over them of the final validation loss; a run that diverged or was out of time is infinite",
        ),
        "tuning_steps_to_target": (
            "steps",
            "median over them of the steps to a target at which runs end; infinite where they do not",
        ),
        "n": ("runs", "evaluation runs at the chosen rate, diverged ones and those out of time included"),
        "diverged_share": ("", "diverged / n"),
        "diverged_share_lower": ("", "lower end of its 95 % interval (Wilson)"),
        "diverged_share_upper": ("", "upper end of it"),
        "interval": ("", "how intervals of metrics were found; with fewer than 6 seeds there are none"),
        "log_test_loss_area": (
            "",
            "area under the base-10 logarithm of the test loss over the steps / the horizon: interquartile mean over "
            "evaluation seeds, a run that did not finish counting as the worst",
        ),
        "log_test_loss_area_lower": ("", "lower end of its 95 % bootstrap interval"),
        "log_test_loss_area_upper": ("", "upper end of it"),
        "examples_to_target": (
            "examples",
            "where runs end at their target, the examples until there (batch size × steps): interquartile mean over "
            "evaluation seeds, a run that did not reach it being infinite; null where runs do not end so",
        ),
        "examples_to_target_lower": ("examples", "lower end of its 95 % bootstrap interval"),
        "examples_to_target_upper": ("examples", "upper end of it"),
    },
    "curves": {
        "n": ("runs", "evaluation runs at the chosen rate, diverged ones and those out of time included"),
        "split": ("", "the examples on which the metric was taken"),
        "metric": ("", "the metric's name"),
        "diverged": ("runs", "how many had diverged by this step; they count as the worst value"),
        "out_of_time": ("runs", "how many had been stopped before this step; they count as the worst value"),
        "median": ("", "median over the runs; one that reached its target before counts as it was there"),
        "lower": ("", "first quartile over the runs"),
        "upper": ("", "third quartile over the runs"),
    },
    "diagnostics": {
        "n": ("runs", "evaluation runs at the chosen rate, diverged ones and those out of time included"),
        "quantity": (
            "",
            "gradient_norm: of the latest step's batch, before clipping; update_ratio: norm of what that step changed "
            "/ norm of all trainable weights; gradient_noise_scale: tr(Σ) / |G|², in examples; "
            "batch_gradient_variance: tr(Σ) / batch_size",
        ),
        "diverged": ("runs", "how many had diverged by this step; they count as infinite"),
        "out_of_time": ("runs", "how many had been stopped before this step; they count as infinite"),
        "median": ("", "median over the runs; one that reached its target before counts as it was there"),
        "lower": ("", "first quartile over the runs"),
        "upper": ("", "third quartile over the runs"),
    },
    "rates": {
        "median": ("", "median over tuning seeds of the final validation loss; a run that did not finish is infinite"),
        "lower": ("", "first quartile of the same"),
        "upper": ("", "third quartile of the same"),
        "steps_to_target": ("steps", "median of the steps to a target at which runs end; infinite where they do not"),
        "lost_share": ("", "(diverged + out_of_time) / n"),
        "lost_share_lower": ("", "lower end of its 95 % interval (Wilson)"),
        "lost_share_upper": ("", "upper end of it"),
    },
    "targets": {
        "target": (
            "",
            "what a run is to reach: the experiment file's target, or generated ones where it gives none; it is there "
            "at the first evaluation point at which that holds",
        ),
        "share": (
            "",
            "the share of the problem's evaluation runs with a finite loss, all cells together, that end at the "
            "generated target; null for one that the experiment file gives",
        ),
        "column": ("", "the metric that the target is about, and the split on which it is taken"),
        "value": ("", "the metric's value at the target"),
        "n": ("runs", "evaluation runs at the chosen rate, diverged ones and those out of time included"),
        "reached": ("runs", "how many of them reached the target"),
        "median": (
            "steps",
            "median time to the target (Kaplan–Meier); a run that diverged is one that did not reach it in the "
            "horizon, one out of time is lost from sight there; null where fewer than half reached it",
        ),
        "lower": ("steps", "lower end of the median's 95 % interval"),
        "upper": ("steps", "upper end of it; null where it lies beyond what was seen"),
        "interval": ("", "how that interval was found, or why there is none"),
        "median_epochs": ("epochs", "the median in epochs"),
        "median_examples": ("examples", "the median in examples seen, an example counting each time"),
        "ert": (
            "steps",
            "expected running time with restarts: steps that all runs took, to the target or to their end / reached; "
            "infinite where none reached it",
        ),
        "ert_lower": (
            "steps",
            "lower end of its 95 % interval (bootstrap, with half a seed more that fails), at most the ert itself; "
            "null with fewer than 6 seeds or where none reached it",
        ),
        "ert_upper": ("steps", "upper end of it; infinite where none reached it"),
        "ert_epochs": ("epochs", "the same in epochs"),
        "ert_examples": ("examples", "the same in examples seen"),
    },
    "arrivals": {
        "schedule": ("", "that of the optimizer's best cell on the problem, by tuning_validation_loss"),
        "target": ("", "what a run is to reach, as in the table targets"),
        "n": ("runs", "evaluation runs of this cell, diverged ones and those out of time included"),
        "reached": ("runs", "how many of them reached the target"),
        "step": ("steps", "where runs reach the target, or are lost from sight: the horizon for one that diverged"),
        "at_risk": ("runs", "how many were in sight until this step and had not reached the target before"),
        "arriving": ("runs", "how many of them reach it at this step"),
        "out_of_time": ("runs", "how many of them are stopped at this step, and do not reach it"),
        "arrived": ("", "share of the runs that reached the target by this step: 1 − S (Kaplan–Meier)"),
    },
    "profiles": {
        "measure": ("", "what times are counted in: steps, or examples, an example counting each time"),
        "schedule": ("", "that of the optimizer's best cell on the problem, by tuning_validation_loss"),
        "target": ("", "with the problem a workload: what a run is to reach, as in the table targets"),
        "time": ("", "median over evaluation runs of the time to the target; infinite where fewer than half reach it"),
        "tau": ("", "τ: that time / the shortest of all optimizers; infinite where the time is"),
        "share": ("", "the profile at this τ: the share of all workloads on which the optimizer's τ is not higher"),
    },
    "scores": {
        "measure": ("", "what times are counted in: steps, or examples, an example counting each time"),
        "tau_max": ("", "the τ at which the profile's integral ends"),
        "workloads": ("", "how many pairs of a problem and a target there are, without the problems left out"),
        "left_out": ("", "how many problems are left out, since an optimizer lacks evaluation runs there"),
        "reached": ("", "on how many of them at least half of the optimizer's runs reach the target"),
        "n": ("seeds", "evaluation seeds"),
        "score": ("", "integral of the profile from τ = 1 to tau_max / (tau_max − 1): 1 where always the quickest"),
        "lower": ("", "lower end of its 95 % bootstrap interval, whole seeds resampled"),
        "upper": ("", "upper end of it"),
        "interval": ("", "how that interval was found, or why there is none"),
        "difference": ("", "the score less the highest one of the measure"),
        "difference_lower": ("", "lower end of its 95 % interval, of the same resamples"),
        "difference_upper": ("", "upper end of it"),
        "p": ("", "two-sided p that the difference is zero: that interval, inverted; null for the highest score"),
        "adjusted_p": ("", "p adjusted for all comparisons of the measure (Holm)"),
        "verdict": (
            "",
            "reference, the highest score; lower, where adjusted_p is at most 5 %; not distinguishable, where it is "
            "above; or too few seeds",
        ),
    },
    "scaling": {
        "schedule": ("", "that of the optimizer's best cell on the problem, by tuning_validation_loss"),
        "target": ("", "what a run is to reach, as in the table targets"),
        "reached": ("runs", "how many of them reached the target"),
        "median": ("steps", "median time to the target, as in the table targets; null where fewer than half reach it"),
        "fitted": ("steps", "min_steps + min_examples / batch_size"),
        "perfect": ("steps", "what it would be if each batch were worth its size: from the smallest one on, slope −1"),
        "fit": (
            "",
            "fitted to the batch sizes with a median, or why not; not of this shape: by a 95 % interval, and by more "
            "than evaluation points are apart or 1 %, steps fall by more than batches grow, rise, or are off the fit",
        ),
        "min_steps": ("steps", "S_min: the fewest steps, with the largest batches"),
        "min_examples": ("examples", "E_min: the fewest examples, with the smallest batches; steps × batch_size"),
        "critical_batch_size": (
            "examples",
            "min_examples / min_steps; zero where larger batches save no step, infinite where they save in proportion",
        ),
        "min_steps_lower": ("steps", "lower end of its 95 % bootstrap interval, whole seeds resampled"),
        "min_steps_upper": ("steps", "upper end of it"),
        "min_examples_lower": ("examples", "lower end of the same of min_examples"),
        "min_examples_upper": ("examples", "upper end of it"),
        "critical_batch_size_lower": ("examples", "lower end of the same of critical_batch_size"),
        "critical_batch_size_upper": ("examples", "upper end of it"),
        "extrapolated": ("", "below or above: where critical_batch_size lies outside the batch sizes of the fit"),
        "regime": (
            "",
            "in proportion: critical_batch_size_lower is at least twice the largest batch size of the fit; little: "
            "critical_batch_size_upper at most half the smallest; turning: both lie between them; else undecided; null "
            "without a fit, or for too few seeds",
        ),
    },
    "budgets": {
        "schedule": ("", "the schedule's name; null where the trials are those of all schedules together"),
        "trials": ("trials", "how many trials there are to draw from"),
        "k": ("trials", "the budget: how many of them, drawn without replacement, tuning chooses among"),
        "expected": (
            "",
            "expected test loss (median over the tuning seeds of the final one) of the trial that tuning prefers among "
            "k, for its validation loss or, where runs end at their target, for its steps to it, over all sets of k "
            "trials; infinite where it can be",
        ),
        "median": ("", "median of that test loss over all sets of k trials"),
        "lower": ("", "first quartile of the same"),
        "upper": ("", "third quartile of the same"),
        "lost": ("", "share of the sets of k trials for which that test loss is infinite"),
    },
    "sensitivity": {
        "measure": (
            "",
            "what is compared: the median over tuning seeds of the final validation loss or steps to target",
        ),
        "within": ("", "how much above the lowest a result may be to count as nearly the best, as a share of it"),
        "best": ("", "the learning rate with the lowest result; null where none is finite and above zero"),
        "lower": ("", "lower end of the range of learning rates around it that are nearly the best, interpolated"),
        "upper": ("", "upper end of it"),
        "decades": ("decades", "the range's width, log10(upper / lower)"),
        "rates": ("rates", "how many of the rates tried are in it; with one alone, its ends and width are null"),
        "open": (
            "",
            "at which side the range goes on to the last rate tried, so that it may be wider: below, above, both",
        ),
        "range": (
            "",
            "interpolated between the rates tried; or why there is none: one rate alone, where those beside the best "
            "are beyond the limit and what is between them was not trained; no finite result above zero",
        ),
    },
    "comparisons": {
        "factor": ("", "the axis of the grid whose levels are compared"),
        "level": ("", "the level; beside it the cell of it that tuning prefers"),
        "learning_rate": ("", "the rate chosen for that cell"),
        "measure": MEASURE,
        "n": ("seeds", "evaluation seeds that both cells have"),
        "median": ("", "median over these seeds of the measure; a loss is none nearer to zero than 1.4e-14"),
        "ratio": (
            "",
            "median over seeds of the measure / that of the problem's best cell at the same seed; null where one is "
            "not positive",
        ),
        "lower": ("", "lower end of the median's 95 % interval (order statistics), for this ratio by itself"),
        "upper": ("", "upper end of it"),
        "p": ("", "two-sided p of the exact sign test that both are lower as often; ties count for nothing"),
        "adjusted_p": (
            "",
            "p adjusted for all comparisons of the problem, a cell of several levels counting once (Holm)",
        ),
        "verdict": (
            "",
            "reference; lower or higher, where adjusted_p is at most 5 %; not distinguishable, where it is above; or "
            "too few seeds, where even seeds that all agree could not bring it there",
        ),
    },
    "improvements": {
        "problem": ("", "the problem's name in the experiment file; null for all problems together"),
        "first": ("", "an optimizer, with the cell of it that tuning prefers"),
        "second": ("", "another optimizer, with its own; each pair is there once"),
        "measure": MEASURE,
        "problems": ("problems", "on how many both were evaluated"),
        "n": ("seeds", "evaluation seeds that both have, those of all these problems"),
        "probability": (
            "",
            "share of seeds at which the first has the lower measure, a tie counting half; over all problems "
            "the mean of theirs",
        ),
        "lower": ("", "lower end of its 95 % interval (Clopper–Pearson), for this pair by itself"),
        "upper": ("", "upper end of it"),
        "p": ("", "two-sided p of the exact sign test that both are lower as often, ties aside"),
        "adjusted_p": ("", "p adjusted for all pairs of the problem, or of all problems together (Holm)"),
        "verdict": (
            "",
            "of the first: lower or higher, where adjusted_p is at most 5 %; not distinguishable, where it is above; "
            "or too few seeds, where even seeds that all agree could not bring it there",
        ),
    },
    "ranks": {
        "problem": ("", "the problem's name in the experiment file; null for all problems together"),
        "schedule": ("", "that of the cell of the optimizer that tuning prefers on the problem"),
        "batch_size": ("examples", "that of the same cell"),
        "learning_rate": ("", "the rate chosen for that cell"),
        "measure": MEASURE,
        "problems": ("problems", "how many the row speaks of: all together are those where every optimizer has a rank"),
        "n": ("runs", "evaluation runs of those cells, diverged ones and those out of time included"),
        "value": ("", "interquartile mean of the measure over evaluation seeds; what ranks are of"),
        "rank": (
            "",
            "1 for the lowest value, ties sharing theirs, losses below 1.4e-14 being ties; over all problems "
            "the mean; null where not every optimizer was evaluated",
        ),
        "ratio": (
            "",
            "geometric interquartile mean, over seeds and over problems, of the measure / that of the problem's best "
            "cell at the same seed; null where one is not positive",
        ),
        "lower": ("", "lower end of its 95 % interval (bootstrap of the seeds of each problem)"),
        "upper": ("", "upper end of it"),
        "chi_square": ("", "Friedman's χ² of the ranks, not corrected for ties; this and what follows are of all rows"),
        "f": ("", "Iman and Davenport's F made of it; infinite where all problems agree on all ranks"),
        "p": ("", "the p of F"),
        "critical_difference": ("", "by how much two mean ranks must differ at 5 % (Nemenyi)"),
        "permutation_p": ("", "the p of χ² by permutation of each problem's ranks, right for few problems too"),
        "caution": (
            "",
            "why there is no test, or why F, its p and critical_difference are rough: they are approximations for more "
            "than 10 problems and more than 5 optimizers; null where they are not",
        ),
    },
    "claims": {
        "claim": ("", "the claim's name in the experiment file"),
        "problem": ("", "null for the claim as a whole; of one about several problems, a row for each of them too"),
        "verdict": (
            "",
            "holds: the interval lies wholly in the range claimed, of several problems on every one; fails: wholly "
            "outside, on every one; else undecided",
        ),
        "reason": ("", "why the verdict came out so"),
        "effect": (
            "",
            "median over seeds, null for several problems together; of a share of variance the estimate from all "
            "tuning seeds",
        ),
        "lower": ("", "lower end of the 95 % interval; of a share of epochs a bound"),
        "upper": ("", "upper end of it"),
        "at_least": ("", "the lowest effect for which the claim is true; null where there is none"),
        "at_most": ("", "the highest one; of lower, higher and same neither end is among them"),
        "unit": ("", "ratio or difference of what is compared; share, or value in the measure's own unit"),
        "n": ("seeds", "how many seeds the effect is from, of several problems the fewest; of a share of epochs, runs"),
        "cells": ("", "pairs of cells compared at each seed; of a share of variance, problems"),
        "declared": ("", "pairs of cells that the experiment declares; 0 where none are compared"),
        "runs": ("", "the digests of the runs behind it, with spaces between"),
    },
    "claims_in_seconds": {
        "effect": ("", "median over seeds of the ratio of steps × median over rounds of the ratio of times of a step"),
        "lower": ("", "lower end of its 95 % interval: the product of those of two 97.5 % intervals"),
    },
    "factors": {
        "term": (
            "",
            "a factor, factors that interact with colons between them, or seed: all that changes with it. With "
            "learning_rate goes what else is searched",
        ),
        "degrees_of_freedom": ("", "of the term"),
        "share": (
            "",
            "of the sum of squares of ranks of the problem's tuning runs: of final validation losses or, where runs "
            "end at their target, first of the examples to it",
        ),
        "lower": ("", "lower end of the share's 95 % interval (jackknife over seeds, Student's t)"),
        "upper": ("", "upper end of it"),
        "total": ("", "of a factor: its share with those of all interactions that it takes part in"),
        "n": ("seeds", "tuning seeds"),
        "tuning_runs": ("runs", "how many runs the shares are of"),
        "levels": (
            "",
            "what the factor was varied over, as JSON: names, sizes, or the range of each optimizer's rates",
        ),
    },
    "schedules": {
        "relative": ("", "the learning rate as the latest step applied it / the peak learning rate"),
    },
    "paths": WEIGHTS,
    "surfaces": WEIGHTS
    | {
        "train_loss": ("", "the loss over the whole training split at these weights, as the runs' histories have it"),
    },
    "reproductions": {
        "quantity": ("", "train_loss, the final one, or probe_k, the prediction at the k-th probe point"),
        "input": ("", "the probe point"),
        "target": ("", "the true value there"),
        "n": ("runs", "how many runs the row speaks of; one that diverged or was out of time counts as infinite"),
        "median": ("", "median over the runs"),
        "lower": ("", "lower end of the median's 95 % interval (order statistics)"),
        "upper": ("", "upper end of it"),
        "minimum": ("", "the lowest"),
        "maximum": ("", "the highest"),
    },
    "counts": {
        "declared": ("runs", "how many runs the experiment asks for"),
        "finished": ("runs", "how many came to their horizon, or ended where they reached their target"),
        "reached_target": ("runs", "how many of those ended where they reached their target"),
        "missing": ("runs", "how many were never trained, or finished and left no history"),
        "missing_of": ("", "the optimizers of which runs are missing"),
    },
    "provenance": {
        "device": ("", "the device that computed"),
        "cpu_model": ("", "the processor"),
        "instruction_set": ("", "the processor's instruction set, which can change the last bits"),
        "cores": ("", "processor cores"),
        "memory_gib": ("GiB", "memory"),
        "os": ("", "operating system"),
        "python": ("", "version"),
        "tensorflow": ("", "version"),
        "keras": ("", "version"),
        "numpy": ("", "version"),
        "commit": ("", "the commit of the code that trained"),
        "dirty": ("", "whether files differed from that commit"),
        "command": ("", "the command that trained"),
        "runs": ("runs", "how many distinct runs were trained so"),
    },
    "seconds": {
        "device": ("", "the device that computed"),
        "cpu_model": ("", "the processor"),
        "n": ("runs", "how many runs the row speaks of: those that finished and took a step, each once"),
        "steps": ("steps", "steps that all these runs took"),
        "seconds": ("s", "seconds of training of all these runs"),
        "median": ("µs", "median over runs of the time a step took"),
        "lower": ("µs", "first quartile of the same"),
        "upper": ("µs", "third quartile of the same"),
    },
    "timings": {
        "rounds": ("rounds", "how many rounds of turns: in each all optimizers were timed at all batch sizes"),
        "steps": ("steps", "steps of training in a turn; nothing is evaluated in it"),
        "median": ("µs", "median over the rounds of the time that a step took in a turn"),
        "reference": ("", "the first optimizer of the experiment file"),
        "ratio": ("", "median over the rounds of that time / the reference's in the same round"),
        "lower": ("", "first quartile of the same"),
        "upper": ("", "third quartile of the same"),
        "device": ("", "the device that computed"),
        "threads": ("threads", "of the processor, that computed"),
        "cpu_model": ("", "the processor"),
    },
}
SPECIFIC["claims_in_seconds"] = SPECIFIC["claims"] | SPECIFIC["claims_in_seconds"]
_MEASURED = re.compile(r"(final|best)_(?:(train|validation|test)_(.+?)|probe_(\d+))(_lower|_upper|_median)?")


def describe(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a column of the tables: table, column, unit, meaning. Raises KeyError for a column nobody described."""
    rows = [(name, column, *_describe(name, column)) for name, table in tables.items() for column in table]
    return pd.DataFrame(rows, columns=["table", "column", "unit", "meaning"])


def _describe(table: str, column: str) -> tuple[str, str]:
    known = SHARED | SPECIFIC.get(table, {})
    if column in known:
        return known[column]
    match = _MEASURED.fullmatch(column)
    if not match:
        raise KeyError(f"{table}.{column} is not in the dictionary")
    when, split, metric, probe, end = match.groups()
    what = f"{split} {metric}" if split else f"prediction at probe point {probe}"
    meaning = f"{what} {'where the run ended' if when == 'final' else 'at the step of the lowest validation loss'}"
    if table == "cells":
        meaning += ": interquartile mean over evaluation seeds, a run that did not finish counting as the worst"
    if end == "_median":
        meaning = "median over the same runs"
    elif end:
        meaning = f"{end[1:]} end of its 95 % bootstrap interval"
    return "", meaning
