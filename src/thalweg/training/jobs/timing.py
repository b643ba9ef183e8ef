"""Time the steps of a problem's optimizers, in turn and in one process: `python -m thalweg.training.jobs.timing`.

What a training run took depends on what else the machine did meanwhile. Here every optimizer takes its turn within the
same second, at every batch size, round after round; so the ratio of two times of a round is that of the optimizers.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.grid import Run
from thalweg.results import layout, provenance, shards
from thalweg.training.engine import settings
from thalweg.training.jobs import devices


def main() -> None:
    arguments = _parser().parse_args()
    experiment, name = load(arguments.experiment), arguments.problem
    grid = experiment.problems[name]
    chosen = {
        optimizer: json.loads(layout.chosen_file(arguments.results, name, optimizer).read_bytes())
        for optimizer in experiment.optimizers
    }

    def tell(message: str) -> None:
        print(f"[timing {name}] {message}", flush=True)

    device, why = devices.resolve(grid.device)
    tell(f"{len(experiment.optimizers)} optimizers at {len(grid.batch_sizes)} batch sizes, on {why}")
    with devices.leased(device, layout.gpu_locks_folder(arguments.store), grid.jobs_per_gpu):
        settings.start_tensorflow(device, grid.threads, grid.precision)
        from thalweg.training import problem
        from thalweg.training.jobs import interleaved_timing

        loaded, _ = problem.load(experiment.directory, name)
        runs = runs_of(experiment, name, chosen, interleaved_timing.LEARNING_RATE)
        stretches = list(interleaved_timing.stretches(experiment, loaded, runs, tell))
        began = time.monotonic()
        rows = list(interleaved_timing.time_in_turns(stretches))
        tell(f"{len(rows)} turns in {interleaved_timing.ROUNDS} rounds took {time.monotonic() - began:.0f} s")
    on = {"device": device, "threads": grid.threads, **provenance.capture(experiment.directory)}
    shards.write_table(layout.timings_file(arguments.results, name), pa.Table.from_pylist([row | on for row in rows]))


def runs_of(
    experiment: Experiment, problem: str, chosen: dict[str, list[dict[str, Any]]], learning_rate: float
) -> list[Run]:
    """For each batch size and optimizer the run to be timed: under the first schedule, with what tuning chose there of
    what was searched beside the rate."""
    schedule = next(iter(experiment.schedules))
    return [
        Run(problem, optimizer, schedule, batch_size, learning_rate, experiment.seeds.evaluation[0], hyperparameters)
        for batch_size in experiment.problems[problem].batch_sizes
        for optimizer in experiment.optimizers
        for cell in chosen[optimizer]
        if (cell["schedule"], cell["batch_size"]) == (schedule, batch_size)
        for hyperparameters in [tuple(cell["hyperparameters"].items())]
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.jobs.timing", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--problem", required=True)
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    parser.add_argument("--store", type=Path, required=True, help="the folder of finished runs, with the locks of GPUs")
    return parser


if __name__ == "__main__":
    main()
    settings.exit_process()
