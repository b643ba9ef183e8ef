"""Train those runs of a problem and optimizer that the store lacks, and leave a shard of all of them."""

import argparse
import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import Timeout

from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.grid import Run, Trial, evaluation_runs, reproduction_runs, tuning_runs
from thalweg.hashing import digest
from thalweg.identity import identity, quantity_digests
from thalweg.quantities import all_quantities, names_on_request
from thalweg.results import layout, locks, provenance, shards, store
from thalweg.results.progress import STAGES, Job, JobReporter
from thalweg.training.engine import settings
from thalweg.training.jobs import devices

PlannedRun = tuple[str, str | None, Run]
"""(stage, the reproduction that the run belongs to, if any, run)"""


def main() -> None:
    arguments = _parser().parse_args()
    experiment = load(arguments.experiment)
    job = Job(arguments.stage, arguments.problem, arguments.optimizer)
    check = json.loads(layout.check_file(arguments.results, job.problem).read_bytes())
    chosen = json.loads(arguments.chosen.read_bytes()) if arguments.chosen else []

    planned = list(planned_runs(experiment, job, chosen))
    grid = experiment.problems[job.problem]
    quantities = quantity_digests(grid.record)
    device, why = devices.resolve(grid.device)
    identities = {run: identity(experiment, run, check, device) for _, _, run in planned}
    digests = {run: digest(run_identity) for run, run_identity in identities.items()}

    def stored() -> dict[Run, store.Record | None]:
        return {
            run: usable(stored_run(arguments.store, digests[run]), grid.time_limit, quantities) for run in identities
        }

    records = stored()
    if None in records.values():
        acquire_job_lock(arguments.results, job)
        records = stored()
    missing = {run: identities[run] for run, record in records.items() if record is None}

    def done() -> int:
        return sum(records[run] is not None for _, _, run in planned)

    from_store = len(records) - len(missing)
    reporter = JobReporter(arguments.results, experiment, job, total=len(planned), done=done(), from_store=from_store)
    reporter.print_line(f"{from_store} runs are in the store, {len(missing)} to train, on {why}")
    if missing:
        with devices.leased(device, layout.gpu_locks_folder(arguments.store), grid.jobs_per_gpu):
            with reporter.count_cpu("starting"):
                settings.start_tensorflow(device, grid.threads, grid.precision)
                from thalweg.training.jobs import trainer
            also = stored_quantities(arguments.store, [digests[run] for run in missing])
            recording = recording_also(experiment, job.problem, also)
            for run, record in trainer.train(recording, missing, reporter):
                store.write_run(arguments.store, digests[run], record)
                records[run] = record
                reporter.count_trained(done())
    reporter.finish()
    by_digest = {digests[run]: record for run, record in records.items() if record is not None}
    shards.write_shard(
        layout.shard_folder(arguments.results, job.stage, job.problem, job.optimizer),
        {
            "runs": runs_table([(*row, digests[row[-1]]) for row in planned], by_digest),
            "histories": histories_table(by_digest, grid.record),
            "measured": pa.Table.from_pylist([{"run": run, **record["measured"]} for run, record in by_digest.items()]),
        },
    )


def acquire_job_lock(results: Path, job: Job) -> None:
    """Make this process the only one that trains for the job, waiting for another one to end.

    A killed Snakemake leaves its jobs running. What they train meanwhile is then in the store.
    """
    file, command = layout.job_lock(results, job.name), os.environ.get(provenance.COMMAND_VARIABLE, "")
    try:
        locks.acquire(file, command, timeout=0)
    except Timeout:
        print(f"[{job.heading}] {locks.holder(file)} is training these runs; waiting for it to end", flush=True)
        locks.acquire(file, command)


def stored_run(folder: Path, run_digest: str) -> store.Record | None:
    """Return the record of a run from the store, or None. A record of another run under this digest is set aside."""
    record = store.read_run(folder, run_digest)
    if record and digest(record["identity"]) != run_digest:
        store.set_aside(folder, run_digest, "it is another run")
        return None
    return record


def usable(record: store.Record | None, time_limit: float | None, quantities: Mapping[str, str]) -> store.Record | None:
    """Return the record if it serves, or None.

    It does not if the run was out of time sooner than it would be under `time_limit`, in seconds, or if it lacks one of
    the `quantities`, given by name with their digests. More quantities than these do no harm.
    """
    if record is None or not quantities.items() <= record["quantities"].items():
        return None
    if record["outcome"] == "out of time" and (time_limit or math.inf) > record["time_limit"]:
        return None
    return record


def stored_quantities(folder: Path, run_digests: Iterable[str]) -> set[str]:
    """Return the quantities that the store's records of some runs hold, among those that exist."""
    records = (stored_run(folder, run_digest) for run_digest in run_digests)
    return {name for record in records if record for name in record["quantities"]} & {*names_on_request()}


def recording_also(experiment: Experiment, problem: str, quantities: set[str]) -> Experiment:
    """Return the experiment with more quantities recorded on a problem.

    A run that is trained again for one quantity keeps those that its record had, which another experiment may want.
    """
    grid = experiment.problems[problem]
    wider = grid.model_copy(update={"record": tuple(sorted({*grid.record, *quantities}))})
    return experiment.model_copy(update={"problems": {**experiment.problems, problem: wider}})


def planned_runs(experiment: Experiment, job: Job, chosen: list[dict[str, Any]]) -> Iterator[PlannedRun]:
    """Yield the runs of a job in the order of the grid, evaluation runs at the trials `chosen`."""
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


def runs_table(planned: list[tuple[str, str | None, Run, str]], records: dict[str, store.Record]) -> pa.Table:
    """Build a table with a row for each planned run; a run that is planned twice has two.

    Args:
        planned: The planned runs, each with its digest as the last item.
        records: The runs' records by digest.
    """
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
        for stage, reproduction, run, run_digest in planned
        for record in [records[run_digest]]
    ]
    text, integer = pa.string(), pa.int64()
    types = {"reproduction": text, "learning_rate": pa.float64(), "diverged_at": integer}
    columns = {name: types.get(name, integer if isinstance(rows[0][name], int) else text) for name in rows[0]}
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def histories_table(records: dict[str, store.Record], record: Collection[str]) -> pa.Table:
    """Build a table with a row for each evaluation point of each run; metrics stay float32.

    Args:
        records: The runs' records by digest.
        record: The quantities that the experiment records. Others, which a stored run may hold because another
            experiment records them, are left out.
    """
    unwanted = {name for one in all_quantities() if not (one.always or one.name in record) for name in one.column_names}
    columns: dict[str, list[Any]] = {"run": [], "step": [], "epoch": [], "learning_rate": []}
    for run_digest, run_record in records.items():
        steps = run_record["history"]["step"]
        columns["run"] += [run_digest] * len(steps)
        columns["epoch"] += [step / run_record["steps_per_epoch"] for step in steps]
        for name, values in run_record["history"].items():
            if name not in unwanted:
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
    settings.exit_process()
