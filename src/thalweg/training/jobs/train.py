"""Train those runs of a problem and optimizer that the store lacks, and leave a shard of all of them."""

import argparse
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import Timeout

from thalweg.experiment.schema import Experiment, load
from thalweg.grid import Run, Trial, evaluation_runs, reproduction_runs, tuning_runs
from thalweg.hashing import digest
from thalweg.identity import identity
from thalweg.results import locks, provenance, store
from thalweg.results.progress import STAGES, Job, Reporter
from thalweg.training.engine import settings
from thalweg.training.jobs import devices

Asked = tuple[str, str | None, Run]
"""A run, with the stage and the reproduction, if any, that asks for it."""


def main() -> None:
    arguments = _parser().parse_args()
    experiment = load(arguments.experiment)
    job = Job(arguments.stage, arguments.problem, arguments.optimizer)
    check = json.loads(store.check_file(arguments.results, job.problem).read_bytes())
    chosen = json.loads(arguments.chosen.read_bytes()) if arguments.chosen else []

    asked = list(asked_of(experiment, job, chosen))
    grid = experiment.problems[job.problem]
    device, why = devices.resolve(grid.device)
    identities = {run: identity(experiment, run, check, device) for _, _, run in asked}
    digests = {run: digest(what) for run, what in identities.items()}

    def stored() -> dict[Run, store.Record | None]:
        return {run: usable(stored_run(arguments.store, digests[run]), grid.time_limit) for run in identities}

    records = stored()
    if None in records.values():
        alone(arguments.results, job)
        records = stored()
    missing = {run: identities[run] for run, record in records.items() if record is None}

    def done() -> int:
        return sum(records[run] is not None for _, _, run in asked)

    found = len(records) - len(missing)
    reporter = Reporter(arguments.results, experiment, job, total=len(asked), done=done(), found=found)
    reporter.tell(f"{found} runs are in the store, {len(missing)} to train, on {why}")
    if missing:
        with devices.leased(device, arguments.store / "locks", grid.jobs_per_gpu):
            with reporter.spending("starting"):
                settings.start_tensorflow(device, grid.threads, grid.precision)
                from thalweg.training.jobs import trainer
            for run, record in trainer.train(experiment, missing, reporter):
                store.write_run(arguments.store, digests[run], record)
                records[run] = record
                reporter.update(done())
    reporter.finish()
    whole = {digests[run]: record for run, record in records.items() if record is not None}
    store.write_shard(
        store.shard_folder(arguments.results, job.stage, job.problem, job.optimizer),
        {
            "runs": runs_table([(*row, digests[row[-1]]) for row in asked], whole),
            "histories": histories_table(whole),
            "measured": pa.Table.from_pylist([{"run": run, **record["measured"]} for run, record in whole.items()]),
        },
    )


def alone(results: Path, job: Job) -> None:
    """Be the only process that trains for this job, waiting for another one to end.

    A killed Snakemake leaves its jobs at work. What they train meanwhile is then in the store.
    """
    file, command = results / "locks" / f"{'.'.join(job)}.lock", os.environ.get(provenance.COMMAND_VARIABLE, "")
    try:
        locks.acquire(file, command, timeout=0)
    except Timeout:
        print(f"[{job.heading}] {locks.holder(file)} is training these runs; waiting for it to end", flush=True)
        locks.acquire(file, command)


def stored_run(folder: Path, run_digest: str) -> store.Record | None:
    """The record of a run in the store, or None where there is none; another run's is set aside."""
    record = store.read_run(folder, run_digest)
    if record and digest(record["identity"]) != run_digest:
        store.set_aside(folder, run_digest, "it is another run")
        return None
    return record


def usable(record: store.Record | None, time_limit: float | None) -> store.Record | None:
    """The record, unless it ran out of time in less than the run would have now."""
    if record and record["outcome"] == "out of time" and (time_limit or math.inf) > record["time_limit"]:
        return None
    return record


def asked_of(experiment: Experiment, job: Job, chosen: list[dict[str, Any]]) -> Iterator[Asked]:
    """The runs that a job is for, in the order of the grid; evaluation runs at the trials `chosen`."""
    if job.stage == "tuning":
        for run in tuning_runs(experiment, job.problem, job.optimizer):
            yield "tuning", None, run
        return
    trials = {
        (cell["schedule"], cell["batch_size"]): Trial(cell["learning_rate"], tuple(cell["hyperparameters"].items()))
        for cell in chosen
    }
    for run in evaluation_runs(experiment, job.problem, job.optimizer, trials):
        yield "evaluation", None, run
    for name, runs in reproduction_runs(experiment, job.problem, job.optimizer).items():
        for run in runs:
            yield "reproduction", name, run


def runs_table(asked: list[tuple[str, str | None, Run, str]], records: dict[str, store.Record]) -> pa.Table:
    """A row for each time that a run is asked for. The last of each tuple is the run's digest."""
    rows = [
        {
            "run": run_digest,
            "stage": stage,
            "reproduction": reproduction,
            **run.row(),
            "epochs": record["identity"]["epochs"],
            "steps_per_epoch": record["steps_per_epoch"],
            "steps": record["steps"],
            "outcome": record["outcome"],
            "ended_at": record["ended_at"],
            "diverged_at": record["ended_at"] if record["outcome"] == "diverged" else None,
        }
        for stage, reproduction, run, run_digest in asked
        for record in [records[run_digest]]
    ]
    text, whole = pa.string(), pa.int64()
    types = {"reproduction": text, "learning_rate": pa.float64(), "diverged_at": whole}
    columns = {name: types.get(name, whole if isinstance(rows[0][name], int) else text) for name in rows[0]}
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def histories_table(records: dict[str, store.Record]) -> pa.Table:
    """A row for each evaluation point of each run, metrics as the 32-bit numbers that they are."""
    columns: dict[str, list[Any]] = {"run": [], "step": [], "epoch": [], "learning_rate": []}
    for run_digest, record in records.items():
        steps = record["history"]["step"]
        columns["run"] += [run_digest] * len(steps)
        columns["epoch"] += [step / record["steps_per_epoch"] for step in steps]
        for name, values in record["history"].items():
            columns.setdefault(name, []).extend(values)
    types = {"run": pa.string(), "step": pa.int64(), "epoch": pa.float64(), "learning_rate": pa.float64()}
    schema = pa.schema({name: types.get(name, pa.float32()) for name in columns})
    return pa.table(columns, schema=schema)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.jobs.train", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--problem", required=True)
    parser.add_argument("--optimizer", required=True)
    parser.add_argument("--chosen", type=Path, help="the chosen learning rates (for evaluation)")
    parser.add_argument("--store", type=Path, required=True, help="the folder of finished runs")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    return parser


if __name__ == "__main__":
    main()
    settings.leave()
