"""Claims about the small experiment of `synthetic`, and what they come to, found from the raw runs as tests/derived.py
does it."""

import math

import derived
from derived import quantile

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
"""

TRUE = {
    "of_one_cell": (-math.inf, 0.99),
    "of_two_batch_sizes": (-math.inf, 0.95),
    "of_a_share": (0.005, math.inf),
    "of_steps": (-math.inf, 0.5),
    "of_a_prediction": (18.5, 19.5),
}
"""Between which effects each of them is true."""

TOLD = {"of_a_share": (100, 3, "points"), "of_a_prediction": (1, 5, "")}
"""What an effect is multiplied by, its significant digits and its unit, where it is not told in times to three."""


def effects(results):
    """For each claim its effects, one a seed, as the page of claims says that they are found."""

    def by_seed(key, value):
        return {run.seed: value(run) for run in results.cells[key]["runs"].itertuples()}

    def steps(run):
        history = results.histories[run.run]
        return min(history.loc[history["validation_loss"] <= 0.1, "step"], default=math.inf)

    def paired(first, second, value, how):
        ours, theirs = by_seed(first, value), by_seed(second, value)
        return [how(ours[seed], theirs[seed]) for seed in sorted(ours)]

    def ratio(ours, theirs):
        return 1.0 if ours == theirs else ours / theirs

    def of_sgd(size):
        keys = [("linear", "sgd", schedule, size) for schedule in ("cosine", "constant")]
        return paired(*keys, lambda run: run.best_validation_loss, ratio)

    adam, sgd = (("linear", name, "constant", 6) for name in ("adam", "sgd"))
    accurate = [("digits_cnn", name, "cosine", 512) for name in ("adam", "sgd")]
    soon = [("linear", name, "cosine", 1) for name in ("adam", "sgd")]
    return {
        "of_one_cell": paired(adam, sgd, lambda run: run.final_train_loss, ratio),
        "of_two_batch_sizes": [quantile(pair, 0.5) for pair in zip(of_sgd(1), of_sgd(6), strict=True)],
        "of_a_share": paired(*accurate, lambda run: run.final_test_accuracy, lambda ours, theirs: ours - theirs),
        "of_steps": paired(*soon, steps, ratio),
        "of_a_prediction": list(results.runs.loc[results.runs["reproduction"] == "snippet_1", "final_probe_0"]),
    }


def verdict(name, ends):
    """What the interval of a claim's effect, given by its ends, comes to."""
    low, high = TRUE[name]
    return "holds" if low < ends[0] and ends[1] < high else "fails" if ends[1] < low or ends[0] > high else "undecided"


def told(name, effects):
    """The verdict on a claim, its effect and the ends of the interval as they are written, and the unit."""
    scale, digits, unit = TOLD.get(name, (1, 3, "times"))
    ends = derived.median_interval(effects)
    return verdict(name, ends), [derived.number(scale * one, digits) for one in (quantile(effects, 0.5), *ends)], unit
