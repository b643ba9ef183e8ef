"""What the Snakefile needs beside its rules: what jobs are made from, the lock, and what a launch has cost."""

import importlib.metadata
import os
import resource
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from thalweg.experiment.schema import Experiment, ExperimentError, in_one_message, nearest
from thalweg.grid import Cell
from thalweg.hashing import digest
from thalweg.identity import class_source, computing, source_digest
from thalweg.results import digests, locks, progress, provenance


def parts(experiment: Experiment) -> dict[str, Any]:
    """What each section of an experiment comes to, with the sources that it names: as much as a job's result can
    depend on. A job's parameter is a digest of the parts that it uses, so that it runs again when they change.

    Raises ExperimentError with every source that is missing or cannot be read.
    """
    mistakes = []

    def source(key: str, read: Callable[..., str | None], *arguments: Any) -> str | None:
        try:
            return read(*arguments, experiment.directory)
        except SyntaxError as error:
            mistakes.append(f"{key}: {error.filename}, line {error.lineno}: {error.msg}")
        except (RecursionError, MemoryError):
            mistakes.append(f"{key}: its source is nested too deeply")
        except (ImportError, OSError, ValueError) as error:
            mistakes.append(f"{key}: {error}")
        return None

    # What is timed shapes no run, so that it is none of a problem's part.
    untimed = {name: {"timing"} for name in experiment.problems}
    plain = experiment.model_dump(mode="json", exclude={"directory": True, "problems": untimed})
    sources = {
        "problems": {
            name: source(f"problems.{name}", source_digest, experiment.problem_file(name))
            for name in experiment.problems
        },
        **{
            section: {
                name: source(f"{section}.{name}.class", class_source, one.class_name)
                for name, one in getattr(experiment, section).items()
            }
            for section in ("optimizers", "schedules")
        },
    }
    try:
        around = surroundings(experiment)
    except OSError as error:
        mistakes.append(f"{error.filename}: {error.strerror}; a problem may read what lies beside its experiment")
    if mistakes:
        raise ExperimentError(in_one_message(experiment.file, mistakes))
    return {
        **plain,
        **{
            section: {name: [plain[section][name], code] for name, code in of_section.items()}
            for section, of_section in sources.items()
        },
        "timing": [name for name, grid in experiment.problems.items() if grid.timing],
        "software": computing(),
        "surroundings": around,
    }


def surroundings(experiment: Experiment) -> str:
    """Digest of what a problem may be made of beside its code: data files, texts and every installed package."""
    files = [
        file
        for file in sorted(experiment.directory.rglob("*"))
        if file.is_file() and not file.name.endswith((".yaml", ".pyc", ".published.json"))
    ]
    installed = {package.name: package.version for package in importlib.metadata.distributions()}
    contents = [[str(file.relative_to(experiment.directory)), digests.of_file(file)] for file in files]
    return digest([contents, installed])


def folder_digest(folder: Path) -> str:
    """Digest of the files in a folder, such as the report's templates, by their names and content."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return digest([[str(file.relative_to(folder)), digests.of_file(file)] for file in files])


SETTINGS = ("experiment", "cell", "claims", "sample", "seed", "incomplete")
"""What a user may give with --config."""


def check_settings(given: Mapping[str, Any]) -> None:
    """Raise ExperimentError for what is given with --config and is no setting, or not what it may be."""
    unknown = [f"{name}=: is no setting{nearest(name, SETTINGS)}" for name in given if name not in SETTINGS]
    if unknown:
        raise ExperimentError(f"--config {'; '.join(unknown)}; there are {', '.join(SETTINGS)}")
    if str(given.get("incomplete", "no")) not in ("yes", "no"):
        raise ExperimentError(f"--config incomplete={given['incomplete']}: must be yes or no")


CELL_FORM = f"--config cell={'/'.join(Cell._fields).upper()}, or less of it from the right for all cells that begin so"
"""How a user names cells of the grid."""


def part_of_grid(experiment: Experiment, cell: str) -> dict[str, str]:
    """The names in a user's `cell`, by axis; those that were left out are not among them.

    Raises ExperimentError with every name that the experiment does not have.
    """
    names = cell.split("/")
    grid = experiment.problems.get(names[0])
    there = {
        "problem": list(experiment.problems),
        "optimizer": list(experiment.optimizers),
        "schedule": list(experiment.schedules),
        "batch_size": [str(size) for size in grid.batch_sizes] if grid else names[3:],
    }
    mistakes = [
        f"{name!r} is not among the {axis.replace('_', ' ')}s ({', '.join(known)}){nearest(name, known)}"
        for (axis, known), name in zip(there.items(), names, strict=False)
        if name not in known
    ]
    if len(names) > len(there):
        mistakes.append(f"it has {len(names)} parts")
    if mistakes:
        raise ExperimentError(f"cell={cell}: {'; '.join(mistakes)}; write {CELL_FORM}")
    return dict(zip(there, names, strict=False))


def set_aside_damaged(results: Path) -> list[str]:
    """Move aside what is no longer as its job left it, which Snakemake would never notice, and name it.

    The job's record goes too, so that the job runs again. What is whole is not left dated ahead of the clock. Nothing
    is done where another launch holds the results, or where there are none. Raises RuntimeError where they cannot be
    written.
    """
    told: list[str] = []
    whole: set[Path] = set()
    if not results.is_dir():
        return told
    with _writing(results), suppress(Timeout), FileLock(lock_file(results), timeout=0):
        for record in sorted((results / "digests").rglob("*.sha256")):
            recorded = digests.read(record)
            files = {record: ""} if recorded is None else {results / place: was for place, was in recorded.items()}
            missing = [file for file in files if not file.is_file()]
            damaged = [file for file, was in files.items() if file not in missing and digests.of_file(file) != was]
            for file in damaged:
                # In a folder of its own: what lies in the report's is part of the report.
                aside = results / "damaged" / file.relative_to(results)
                aside.parent.mkdir(parents=True, exist_ok=True)
                file.replace(aside)
                told.append(f"{file} is damaged; set aside as {aside}, and made again")
            if missing or damaged:
                record.unlink(missing_ok=True)
            else:
                whole |= {record, *files}
        bring_from_the_future(whole)
    return told


def record_file(results: Path, job: progress.Job) -> Path:
    """The record of what a training job left; without it, the next launch starts the job again."""
    return results / "digests" / Path(*job).with_suffix(".sha256")


def bring_from_the_future(files: Iterable[Path]) -> None:
    """Date those files back to now, in their order, that were made before the clock was set back.

    Snakemake would fail every job that has one of them as its input, and take it for newer than what replaces it.
    """
    now, dated = time.time_ns(), {file: file.stat().st_mtime_ns for file in files if file.is_file()}
    ahead = sorted({moment for moment in dated.values() if moment > now}, reverse=True)
    brought = {moment: now - place * 1_000_000 for place, moment in enumerate(ahead)}
    for file, moment in dated.items():
        if moment in brought:
            os.utime(file, ns=(now, brought[moment]))


def lock_file(results: Path) -> Path:
    """What a launch holds for as long as it works on the results."""
    return results / "launch.lock"


def begin(results: Path, workers: int, starting: Iterable[progress.Job]) -> None:
    """Hold an experiment's results until this process ends, and tell its jobs how many run at once.

    What is known of the progress of the `starting` jobs is of an earlier launch, and is forgotten. Raises RuntimeError
    where another process holds the results, naming it, and where they cannot be written.
    """
    with _writing(results):
        try:
            # Another launch that is about to be refused may be looking for damage at this moment.
            locks.acquire(lock_file(results), command(), timeout=1)
        except Timeout:
            who = locks.holder(lock_file(results))
            raise RuntimeError(f"{results} is being worked on by {who}; wait until it is done, or end it") from None
        for job in starting:
            progress.progress_file(results, job).unlink(missing_ok=True)
    # A command's own Python comes first, so that jobs find the packages that the Snakefile was read with.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ[provenance.COMMAND_VARIABLE] = command()
    os.environ[progress.WORKERS_VARIABLE] = str(workers)


@contextmanager
def _writing(results: Path) -> Iterator[None]:
    try:
        yield
    except Timeout:  # an OSError too
        raise
    except OSError as error:
        raise RuntimeError(
            f"{results} cannot be written ({error.strerror}: {error.filename}). Nothing is lost: mend that, and give "
            "the same command again"
        ) from None


def has_runs(results: Path) -> bool:
    """Whether any training job has finished."""
    return any(results.glob("runs/*/*/*/runs.parquet"))


def command() -> str:
    """The command that started this launch, without the folder that snakemake lies in."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def summary(experiment: Experiment, results: Path, started: Iterable[progress.Job], seconds_taken: float) -> str:
    """What was trained by the launch that `started` these jobs, and its core-seconds by stage."""
    jobs = progress.read(results, started)
    spent = progress.cost(jobs)
    children, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    seconds = {
        "training": spent.get("training", 0.0),
        "starting and compiling": spent.get("starting", 0.0) + spent.get("compiling", 0.0),
        "storing": spent.get("storing", 0.0),
    }
    seconds["checks, timings, tables, figures and report"] = (
        children.ru_utime + children.ru_stime - sum(seconds.values())
    )
    seconds["Snakemake"] = own.ru_utime + own.ru_stime
    trained, found = sum(job.trained for job in jobs), sum(job.found for job in jobs)
    return (
        f"{experiment.name}: {trained:,} runs trained, {found:,} found in the store, "
        f"in {progress.duration(seconds_taken)}\n"
        f"core-seconds: {', '.join(f'{name} {value:.0f}' for name, value in seconds.items())}; "
        f"{sum(seconds.values()):.0f} in all"
    )
