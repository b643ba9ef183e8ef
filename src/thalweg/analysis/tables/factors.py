"""How much of the variance between tuning runs is due to each choice: optimizer, its learning rate, schedule, batch
size, and their interactions.

An analysis of variance of ranks within a problem (Conover & Iman 1981, Rank transformations as a bridge between
parametric and nonparametric statistics), so that diverged runs, which share the worst rank, stay in. Ranked are final
validation losses or, where runs end at a target, first the examples to it. Every trial of an optimizer is
trained in every cell on every tuning seed: trials, nested in their optimizer, are fully crossed with the rest. Hence
the sums of squares are orthogonal, also where optimizers have different numbers of rates, and add up to the total."""

import json

import numpy as np
import pandas as pd

from thalweg.analysis.columns import Column
from thalweg.analysis.designs import complete_design
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.statistics.variance import FACTORS, degrees_of_freedom, estimates, jackknife_interval
from thalweg.analysis.table import Table
from thalweg.experiment.schema import Experiment


def table(experiment: Experiment, tuning: pd.DataFrame) -> pd.DataFrame:
    """A row a problem and term: its degrees of freedom and share of the variance, with a 95 % interval over seeds.

    `tuning` holds tuning runs as histories.impute_failed gives them. A term is one factor, or factors with a colon
    between them that interact. Its `total` is its share together with those of all interactions that it takes part in.
    A problem of which runs are missing has no rows.
    """
    rows = []
    for problem in experiment.problems:
        design = complete_design(experiment, problem, tuning)
        if design is None:
            continue
        ranks, groups = design
        main, total = (estimates([design], with_interactions=one) for one in (False, True))
        for term, freedom in degrees_of_freedom(ranks, groups).items():
            lower, upper = jackknife_interval(main[term])
            rows.append(
                {
                    "problem": problem,
                    "term": term,
                    "degrees_of_freedom": freedom,
                    "share": main[term][0],
                    "lower": lower,
                    "upper": upper,
                    "total": total[term][0] if term in FACTORS else np.nan,
                    "n": ranks.shape[-1],
                    "tuning_runs": ranks.size,
                    "levels": json.dumps(levels(experiment, problem).get(term)),
                }
            )
    numbers = ["share", "lower", "upper", "total"]
    names = ["problem", "term", "degrees_of_freedom", *numbers, "n", "tuning_runs", "levels"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(numbers, float))


def levels(experiment: Experiment, problem: str) -> dict[str, object]:
    """The levels of each factor, over which its share is one: for the learning rate the range of each optimizer."""
    rates = {
        name: str(one.search.learning_rate) if one.search else [one.learning_rates[0], one.learning_rates[-1]]
        for name, one in experiment.optimizers.items()
    }
    return {
        "optimizer": list(experiment.optimizers),
        "learning_rate": rates,
        "schedule": list(experiment.schedules),
        "batch_size": list(experiment.problems[problem].batch_sizes),
    }


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.tuning)


TABLE = Table(
    build=build,
    columns={
        "term": Column(
            str,
            "a factor, factors that interact with colons between them, or seed: all that changes with it. With "
            "learning_rate goes what else is searched",
        ),
        "degrees_of_freedom": Column(int, "of the term"),
        "share": Column(
            float,
            "of the sum of squares of ranks of the problem's tuning runs: of final validation losses or, where "
            "runs end at their target, first of the examples to it",
        ),
        "lower": Column(float, "lower end of the share's 95 % interval (jackknife over seeds, Student's t)"),
        "upper": Column(float, "upper end of it"),
        "total": Column(float, "of a factor: its share with those of all interactions that it takes part in"),
        "n": Column(int, "tuning seeds", unit="seeds"),
        "tuning_runs": Column(int, "how many runs the shares are of", unit="runs"),
        "levels": Column(
            str, "what the factor was varied over, as JSON: names, sizes, or the range of each optimizer's rates"
        ),
    },
)
