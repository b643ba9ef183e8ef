"""The figures, one module each; `python -m thalweg.reporting.figures` draws all of a problem, or over all problems."""

from thalweg.experiment.claims import Claim, Range
from thalweg.experiment.schema import Experiment
from thalweg.grid import trials

OF_PROBLEMS = (
    "convergence",
    "convergence_test",
    "convergence_epochs",
    "convergence_examples",
    "arrivals",
    "learning_rates",
    "budgets",
    "optimizers",
    "improvements",
    "heat_map",
    "batch_sizes",
    "scaling",
    "gradients",
    "gradient_noise",
    "schedules",
    "paths",
)
"""What can be drawn for a problem, in the order in which a report shows it."""

OF_EXPERIMENT = ("claims", "improvements", "ranks", "profile", "factors")
"""What can be drawn over all problems. A name that is in both is drawn by the same module."""

NAMES = tuple(dict.fromkeys((*OF_EXPERIMENT, *OF_PROBLEMS)))
"""All of them. Importing it loads no drawing library."""


def figures_of(experiment: Experiment, problem: str | None) -> tuple[str, ...]:
    """Those that a problem has, or with None the whole experiment: none that would have nothing to show."""
    optimizers, several = len(experiment.optimizers), len(experiment.problems) > 1
    if problem is None:
        has = {
            "claims": any(map(is_drawn, experiment.claims.values())),
            "improvements": several and optimizers > 1,
            "ranks": several and optimizers > 2,
            "profile": optimizers > 1,
            "factors": _varied(experiment) > 1,
        }
        return tuple(name for name in OF_EXPERIMENT if has[name])
    grid = experiment.problems[problem]
    has = {
        "improvements": optimizers > 1,
        "heat_map": max(optimizers, len(experiment.schedules)) > 1,
        "gradient_noise": "gradient_noise" in grid.record,
        "paths": "weights" in grid.record,
        "scaling": len(grid.batch_sizes) > 1,
        "budgets": any(len(experiment.schedules) * len(trials(one)) > 1 for one in experiment.optimizers.values()),
    }
    return tuple(name for name in OF_PROBLEMS if has.get(name, True))


def is_drawn(claim: Claim) -> bool:
    """Whether the figure of claims has a scale for it: for a value, only the range that it is claimed to be within."""
    within = isinstance(claim.expect, Range) and None not in (claim.expect.low, claim.expect.high)
    return not claim.measure.is_in_seconds and (claim.compare is not None or claim.measure.is_share or within)


def _varied(experiment: Experiment) -> int:
    """How many of the factors have more than one level somewhere."""
    levels = (
        [len(experiment.optimizers)],
        [len(trials(one)) for one in experiment.optimizers.values()],
        [len(experiment.schedules)],
        [len(one.batch_sizes) for one in experiment.problems.values()],
    )
    return sum(max(of_factor) > 1 for of_factor in levels)
