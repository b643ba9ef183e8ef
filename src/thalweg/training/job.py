"""Train those runs of a problem and optimizer that the store lacks, and leave a shard of all of them."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from thalweg import provenance, store
from thalweg.grid.experiment import Experiment, load
from thalweg.grid.identity import digest, identity
from thalweg.grid.runs import Horizon, Run, evaluation_runs, reproduction_runs, tuning_runs
from thalweg.progress import STAGES, Job, Reporter
from thalweg.training import devices, settings

if TYPE_CHECKING:
    import numpy as np

    from thalweg.training.program import Trajectory

Asked = tuple[str, str | None, Run]
"""A run, with the stage and the reproduction, if any, that asks for it."""


def main() -> None:
    arguments = _parser().parse_args()
    experiment = load(arguments.experiment)
    job = Job(arguments.stage, arguments.problem, arguments.optimizer)
    check = json.loads(store.check_file(arguments.results, job.problem).read_bytes())
    chosen = json.loads(arguments.chosen.read_bytes()) if arguments.chosen else []

    asked = list(asked_of(experiment, job, chosen))
    device, why = devices.resolve(experiment.problems[job.problem].device)
    identities = {run: identity(experiment, run, check, device) for _, _, run in asked}
    digests = {run: digest(what) for run, what in identities.items()}
    records = {run: store.read_run(arguments.store, digests[run]) for run in identities}
    missing = {run: identities[run] for run, record in records.items() if record is None}

    def done() -> int:
        return sum(records[run] is not None for _, _, run in asked)

    stored = len(records) - len(missing)
    reporter = Reporter(arguments.results, experiment, job, total=len(asked), done=done(), found=stored)
    reporter.tell(f"{stored} runs are in the store, {len(missing)} to train, on {why}")
    if missing:
        with devices.leased(device, arguments.store / "locks"):
            for run, record in train(experiment, missing, reporter):
                store.write_run(arguments.store, digests[run], record)
                records[run] = record
                reporter.update(done())
    reporter.finish()
    found = {digests[run]: record for run, record in records.items() if record is not None}
    store.write_shard(
        store.shard_folder(arguments.results, job.stage, job.problem, job.optimizer),
        {
            "runs": runs_table([(*row, digests[row[-1]]) for row in asked], found),
            "histories": histories_table(found),
            "measured": pa.Table.from_pylist([{"run": run, **record["measured"]} for run, record in found.items()]),
        },
    )


def asked_of(experiment: Experiment, job: Job, chosen: list[dict[str, Any]]) -> Iterator[Asked]:
    """The runs that a job is for, in the order of the grid; evaluation runs at the learning rates `chosen`."""
    if job.stage == "tuning":
        for run in tuning_runs(experiment, job.problem, job.optimizer):
            yield "tuning", None, run
        return
    rates = {(cell["schedule"], cell["batch_size"]): cell["learning_rate"] for cell in chosen}
    for run in evaluation_runs(experiment, job.problem, job.optimizer, rates):
        yield "evaluation", None, run
    for name, runs in reproduction_runs(experiment, job.problem, job.optimizer).items():
        for run in runs:
            yield "reproduction", name, run


def train(
    experiment: Experiment, missing: dict[Run, dict[str, Any]], reporter: Reporter
) -> Iterator[tuple[Run, store.Record]]:
    """Train runs of one problem and optimizer, given with their identities; one compilation serves a batch size."""
    one, its = next(iter(missing.items()))
    optimizer, grid = experiment.optimizers[one.optimizer], experiment.problems[one.problem]
    with reporter.spending("starting"):
        settings.start_tensorflow(its["device"], grid.threads, grid.precision)
        from thalweg.training import problem as problems
        from thalweg.training import program, schedules, seeds

        problem, _ = problems.load(experiment.directory, one.problem)
        if problems.data_digest(problem) != its["data"]:
            sys.exit(
                f"problems.{one.problem}: its data are not those that were checked; if they were changed, run "
                f"snakemake --forcerun check_problem, and if they are drawn at random, give them a seed"
            )
        captured = provenance.capture(experiment.directory)
        drawn = {
            seed: program.instantiate(problem, optimizer.class_name, optimizer.arguments, seed)
            for seed in sorted({run.seed for run in missing})
        }
    for batch_size in sorted({run.batch_size for run in missing}):
        group = {run: what for run, what in missing.items() if run.batch_size == batch_size}
        horizon = Horizon(len(problem.train.x), batch_size, grid.epochs)
        evaluation_steps = next(iter(group.values()))["evaluation_steps"]
        with reporter.spending("compiling"):
            compiled = program.compile_program(problem, drawn[one.seed], horizon, evaluation_steps, grid.xla)
            configured = {run.schedule: what["schedule"] for run, what in group.items()}
            shares = {
                name: schedules.table(schedule["class"], schedule["arguments"], horizon.steps)
                for name, schedule in configured.items()
            }
        for run, what in group.items():
            began = time.perf_counter()
            with reporter.spending("training"):
                order = seeds.data_order(run.seed, horizon.examples, horizon.epochs)
                rates = schedules.applied(shares[run.schedule], run.learning_rate)
                trajectory = compiled(drawn[run.seed].state, order, rates)
            measured = {"seconds": time.perf_counter() - began, "device": what["device"], **captured}
            yield (
                run,
                {
                    "identity": what,
                    "history": history(program.columns(problem), trajectory, rates),
                    "diverged_at": trajectory.diverged_at,
                    "steps": horizon.steps,
                    "steps_per_epoch": horizon.steps_per_epoch,
                    "measured": measured,
                },
            )


def history(columns: list[str], trajectory: "Trajectory", rates: "np.ndarray") -> dict[str, list[Any]]:
    """A trajectory as named columns, one value an evaluation point; before the first step no rate has been applied."""
    return {
        "step": trajectory.steps.tolist(),
        "learning_rate": [float(rates[step - 1]) if step else None for step in trajectory.steps],
        **{name: trajectory.records[:, k].tolist() for k, name in enumerate(columns)},
    }


def runs_table(asked: list[tuple[str, str | None, Run, str]], records: dict[str, store.Record]) -> pa.Table:
    """A row for each time that a run is asked for. The last of each tuple is the run's digest."""
    rows = [
        {
            "run": run_digest,
            "stage": stage,
            "reproduction": reproduction,
            **run._asdict(),
            "epochs": record["identity"]["epochs"],
            "steps_per_epoch": record["steps_per_epoch"],
            "steps": record["steps"],
            "outcome": "finished" if record["diverged_at"] is None else "diverged",
            "diverged_at": record["diverged_at"],
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
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.job", description=__doc__)
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
