"""The beginning and the end of a launch: hold the results, and say what the launch did and cost."""

import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import Timeout

from thalweg.experiment.schema import Experiment
from thalweg.results import layout, locks, progress, provenance
from thalweg.workflow.recovery import explained_write_errors

STAGE_OF_RULE = {"tune": "tuning", "evaluate": "evaluation"}


def training_jobs(jobs: Iterable[Any]) -> list[progress.Job]:
    """The training jobs among jobs of Snakemake."""
    return [
        progress.Job(STAGE_OF_RULE[job.rule.name], job.wildcards.problem, job.wildcards.optimizer)
        for job in jobs
        if job.rule.name in STAGE_OF_RULE
    ]


def begin(results: Path, workers: int, jobs: Iterable[progress.Job]) -> None:
    """Hold an experiment's results until this process ends, and prepare the environment of its jobs.

    Args:
        results: The experiment's folder of results.
        workers: How many jobs run at once.
        jobs: The training jobs that this launch is about to start. Their progress in an earlier launch is forgotten.

    Raises:
        RuntimeError: Another process, which the message names, holds the results; or they cannot be written.
    """
    lock = layout.launch_lock(results)
    with explained_write_errors(results):
        try:
            # Another launch, about to be refused, may hold the lock for the moment in which it looks for damage.
            locks.acquire(lock, provenance.command_line(), timeout=1)
        except Timeout:
            raise RuntimeError(
                f"{results} is being worked on by {locks.holder(lock)}; wait until it is done, or end it"
            ) from None
        for job in jobs:
            layout.progress_file(results, job.name).unlink(missing_ok=True)
    # This Python's folder comes first, so that jobs find the packages that the Snakefile was read with.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ[provenance.COMMAND_VARIABLE] = provenance.command_line()
    os.environ[progress.WORKERS_VARIABLE] = str(workers)


def summary(experiment: Experiment, results: Path, jobs: Iterable[progress.Job], seconds: float) -> str:
    """What a launch trained and cost, in two lines, from the progress of the training jobs that it started.

    `seconds` is how long the launch took. Core-seconds are told by what they were spent on.
    """
    jobs_progress = progress.read(results, jobs)
    cpu = progress.cpu_by_phase(jobs_progress)
    children, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    spent = {
        "training": cpu.get("training", 0.0),
        "starting and compiling": cpu.get("starting", 0.0) + cpu.get("compiling", 0.0),
        "storing": cpu.get("storing", 0.0),
    }
    spent["checks, timings, tables, figures and report"] = children.ru_utime + children.ru_stime - sum(spent.values())
    spent["Snakemake"] = own.ru_utime + own.ru_stime
    trained, from_store = (sum(getattr(job, name) for job in jobs_progress) for name in ("trained", "from_store"))
    return (
        f"{experiment.name}: {trained:,} runs trained, {from_store:,} found in the store, "
        f"in {progress.format_duration(seconds)}\n"
        f"core-seconds: {', '.join(f'{name} {value:.0f}' for name, value in spent.items())}; "
        f"{sum(spent.values()):.0f} in all"
    )


def failure_advice(experiment: Experiment, results: Path, cores: int | None) -> str:
    """What a user can do after jobs failed, in two lines; nothing where no training job has ever finished."""
    if not any(layout.finished_shards(results)):
        return ""
    return (
        "Some jobs failed. The same command tries them again; of the runs that are there, a report is made by\n"
        f"snakemake --cores {cores} --config experiment={experiment.name} incomplete=yes\n"
    )
