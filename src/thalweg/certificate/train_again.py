"""Train runs again from nothing, for a comparison with what was published of them or is stored of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thalweg.experiment.schema import Experiment
from thalweg.grid import Run
from thalweg.identity import identity
from thalweg.results.progress import Progress, TerminalReporter
from thalweg.results.store import Record
from thalweg.training.engine import settings
from thalweg.training.jobs import devices


def reporter_for(purpose: str, problem: str, optimizer: str, runs: int) -> TerminalReporter:
    """What tells the terminal how far a process is that trains so many runs again; `purpose` is the rule's name."""
    return TerminalReporter(f"{purpose} {problem} × {optimizer}", Progress(problem, total=runs, done=0, from_store=0))


def train_again(
    experiment: Experiment, check: dict[str, Any], runs: list[Run], locks: Path, reporter: TerminalReporter
) -> Iterator[tuple[Run, Record]]:
    """Train runs of one problem and optimizer as their job does, without the store.

    Args:
        experiment: The experiment.
        check: What the check of the problem found out.
        runs: The runs to train.
        locks: The folder by which jobs share GPUs.
        reporter: Tells the terminal how far the training is.

    Yields:
        Each run with its record, in the form in which the store would return it.
    """
    if not runs:
        return
    grid = experiment.problems[runs[0].problem]
    device, why = devices.resolve(grid.device)
    reporter.print_line(f"{len(runs)} runs to train again, on {why}")
    with devices.leased(device, locks, grid.jobs_per_gpu):
        settings.start_tensorflow(device, grid.threads, grid.precision)
        # TensorFlow must be set up before anything imports it.
        from thalweg.training.jobs import trainer

        identities = {run: identity(experiment, run, check, device) for run in runs}
        for done, (run, record) in enumerate(trainer.train(experiment, identities, reporter), 1):
            yield run, json.loads(json.dumps(record, allow_nan=False))
            reporter.count_trained(done)
