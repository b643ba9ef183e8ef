"""What the Snakefile needs beside its rules: what jobs are made from, the lock, and what a launch has cost."""

import hashlib
import json
import os
import resource
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from thalweg import progress, provenance
from thalweg.grid.experiment import Experiment
from thalweg.grid.identity import class_source, computing, digest, source_digest


def parts(experiment: Experiment) -> dict[str, Any]:
    """What each section of an experiment comes to, with the sources that it names: as much as a job's result can
    depend on. A job's parameter is a digest of the parts that it uses, so that it runs again when they change."""

    def configured(section: str) -> dict[str, Any]:
        return {
            name: [one.model_dump(mode="json"), class_source(one.class_name, experiment.directory)]
            for name, one in getattr(experiment, section).items()
        }

    plain = experiment.model_dump(mode="json", exclude={"directory"})
    return {
        **plain,
        "problems": {
            name: [grid, source_digest(experiment.problem_file(name), experiment.directory)]
            for name, grid in plain["problems"].items()
        },
        "optimizers": configured("optimizers"),
        "schedules": configured("schedules"),
        "software": computing(),
    }


def folder_digest(folder: Path) -> str:
    """Digest of the files in a folder, such as the report's templates, by their names and content."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return digest([[str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest()] for file in files])


def begin(results: Path, workers: int) -> FileLock:
    """Hold an experiment's results until this process ends, and tell its jobs how many run at once.

    The operating system frees the lock when the process ends, however it ends, so that none is left behind. Raises
    RuntimeError, naming the holder, if another process holds the results.
    """
    results.mkdir(parents=True, exist_ok=True)
    held, holder = FileLock(results / "launch.lock"), results / "launch.json"
    try:
        held.acquire(timeout=0)
    except Timeout:
        try:
            who = "process {process} ({command}), since {since}".format(**json.loads(holder.read_text()))
        except (OSError, ValueError, KeyError):
            who = "another process"
        raise RuntimeError(f"{results} is being worked on by {who}; wait until it is done, or end it") from None
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    holder.write_text(json.dumps({"process": os.getpid(), "command": command(), "since": since}))
    # A command's own Python comes first, so that jobs find the packages that the Snakefile was read with.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ[provenance.COMMAND_VARIABLE] = command()
    os.environ[progress.WORKERS_VARIABLE] = str(workers)
    return held


def command() -> str:
    """The command that started this launch, without the folder that snakemake lies in."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def summary(experiment: Experiment, results: Path, since: float) -> str:
    """What was trained by the launch that began at `since` (seconds of the epoch), and its core-seconds by stage."""
    jobs = progress.read(results, experiment, since)
    spent = progress.cost(jobs)
    children, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    seconds = {
        "training": spent.get("training", 0.0),
        "starting and compiling": spent.get("starting", 0.0) + spent.get("compiling", 0.0),
        "storing": spent.get("storing", 0.0),
    }
    seconds["checks, tables, figures and report"] = children.ru_utime + children.ru_stime - sum(seconds.values())
    seconds["Snakemake"] = own.ru_utime + own.ru_stime
    trained, asked = sum(job.trained for job in jobs), sum(job.total for job in jobs)
    return (
        f"{experiment.name}: {trained:,} runs trained, {asked - trained:,} taken from the store, "
        f"in {progress.duration(time.time() - since)}\n"
        f"core-seconds: {', '.join(f'{name} {value:.0f}' for name, value in seconds.items())}; "
        f"{sum(seconds.values()):.0f} in all"
    )
