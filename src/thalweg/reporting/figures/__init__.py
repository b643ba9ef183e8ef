"""The figures, one module each; `python -m thalweg.reporting.figures NAME` draws one for every problem that has it."""

from thalweg.grid.experiment import Experiment

NAMES = ("convergence", "convergence_test", "learning_rates", "optimizers", "batch_sizes", "schedules", "paths")
"""What can be drawn, in the order in which a report shows it. Importing it loads no drawing library."""


def figures_of(experiment: Experiment, problem: str) -> tuple[str, ...]:
    """Those that a problem has: paths only where runs recorded their weights."""
    weights = "weights" in experiment.problems[problem].record
    return tuple(name for name in NAMES if weights or name != "paths")
