"""How far an experiment is: runs done and left, time left, and what a launch cost.

Each training job keeps one small file up to date. From these files any job can print how far the whole experiment is,
and the launch can add up what it cost. No result is made from them.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from thalweg.experiment.schema import Experiment
from thalweg.grid import declared
from thalweg.results import files, layout

STAGES = ("tuning", "evaluation")
WORKERS_VARIABLE = "THALWEG_WORKERS"
"""The environment variable by which a launch tells its jobs how many of them run at once."""

SECONDS_BETWEEN_LINES = 10.0
"""How long a job waits before it prints another line about its progress."""


class Job(NamedTuple):
    """A training job: one stage of one problem and optimizer."""

    stage: str
    problem: str
    optimizer: str

    @property
    def name(self) -> str:
        """The job's name in paths of the results, as in `tuning/sine/adam`."""
        return "/".join(self)

    @property
    def heading(self) -> str:
        """The job's name on the terminal, as in `tuning sine × adam`."""
        return "{} {} × {}".format(*self)


@dataclass
class Progress:
    """How far a job is.

    `total` is the number of runs that the job asks for and `done` the number of those that are finished; both count a
    run as often as it is asked for. `from_store` and `trained` count each run once: those that were in the store, and
    those that were not. `seconds` is the job's time so far, and `cpu` its core-seconds by phase.
    """

    problem: str
    total: int
    done: int
    from_store: int
    trained: int = 0
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


class TerminalReporter:
    """Prints from time to time how far a job is, and counts its core-seconds by phase."""

    def __init__(self, heading: str, progress: Progress):
        self._heading, self._progress, self._last_printed = heading, progress, time.monotonic()

    def print_line(self, message: str) -> None:
        """Print a message at once, with the job's heading."""
        print(f"[{self._heading}] {message}", flush=True)

    @contextmanager
    def count_cpu(self, phase: str) -> Iterator[None]:
        """Count the core-seconds of the block as those of a phase."""
        start = time.process_time()
        yield
        cpu = self._progress.cpu
        cpu[phase] = cpu.get(phase, 0.0) + time.process_time() - start

    def count_trained(self, done: int) -> None:
        """Count one more trained run; `done` of the job's runs are finished now."""
        self._progress.done = done
        self._progress.trained += 1
        self._print_if_due(f"{done} of {self._progress.total} runs")

    def show_share(self, share: float) -> None:
        """Show which share, from 0 to 1, of the current run is done."""
        self._print_if_due(f"{share:.0%} of run {self._progress.done + 1} of {self._progress.total}")

    def _print_if_due(self, message: str) -> None:
        if time.monotonic() - self._last_printed > SECONDS_BETWEEN_LINES:
            self._last_printed = time.monotonic()
            self._print_progress(message)

    def _print_progress(self, message: str) -> None:
        self.print_line(message)


class JobReporter(TerminalReporter):
    """Also keeps the job's progress file up to date, and prints how far the whole experiment is."""

    def __init__(self, results: Path, experiment: Experiment, job: Job, total: int, done: int, from_store: int):
        cpu = {"starting": time.process_time()}
        super().__init__(job.heading, Progress(job.problem, total, done, from_store, cpu=cpu))
        self._results, self._experiment, self._job = results, experiment, job
        self._start = time.monotonic()
        self._write()

    def finish(self) -> None:
        """Note that all runs are done. Core-seconds that no phase has counted went into storing runs."""
        cpu = self._progress.cpu
        cpu["storing"] = time.process_time() - sum(cpu.values())
        self._progress.done = self._progress.total
        self._write()
        self.print_line(self._experiment_line())

    def _print_progress(self, message: str) -> None:
        self._write()
        self.print_line(f"{message}; {self._experiment_line()}")

    def _experiment_line(self) -> str:
        workers = int(os.environ.get(WORKERS_VARIABLE, "1"))
        return experiment_line(self._experiment, read(self._results, training_jobs(self._experiment)), workers)

    def _write(self) -> None:
        self._progress.seconds = time.monotonic() - self._start
        files.write_json(layout.progress_file(self._results, self._job.name), asdict(self._progress))


def training_jobs(experiment: Experiment) -> list[Job]:
    """Every training job of the experiment."""
    return [
        Job(stage, problem, optimizer)
        for stage in STAGES
        for problem in experiment.problems
        for optimizer in experiment.optimizers
    ]


def read(results: Path, jobs: Iterable[Job]) -> list[Progress]:
    """The progress of those jobs that have written any. Damaged files are left out."""
    readable = []
    for job in jobs:
        with suppress(OSError, ValueError, TypeError):
            readable.append(Progress(**json.loads(layout.progress_file(results, job.name).read_bytes())))
    return readable


def experiment_line(experiment: Experiment, jobs: Iterable[Progress], workers: int) -> str:
    """One line: `article: 3,120 of 5,982 runs done, 2,862 left, about 4 min to go`."""
    jobs = list(jobs)
    total, done = sum(declared(experiment).values()), sum(job.done for job in jobs)
    left = {problem: seconds_left(experiment, problem, jobs) for problem in experiment.problems}
    unknown = [problem for problem, seconds in left.items() if seconds is None]
    if unknown:
        time_left = f"time left not known before {', '.join(unknown)} began"
    else:
        time_left = f"about {format_duration(sum(seconds or 0 for seconds in left.values()) / workers)} to go"
    return f"{experiment.name}: {done:,} of {total:,} runs done, {total - done:,} left, {time_left}"


def seconds_left(experiment: Experiment, problem: str, jobs: list[Progress]) -> float | None:
    """Core-seconds that a problem's missing runs will take if they take as long as its trained ones did on average.

    None where runs are missing and none has been trained to judge by.
    """
    of_problem = [job for job in jobs if job.problem == problem]
    total = sum(count for (name, _), count in declared(experiment).items() if name == problem)
    missing, trained = total - sum(job.done for job in of_problem), sum(job.trained for job in of_problem)
    if missing <= 0:
        return 0.0
    return missing * sum(job.seconds for job in of_problem) / trained if trained else None


def format_duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours, whichever suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def cpu_by_phase(jobs: Iterable[Progress]) -> dict[str, float]:
    """The core-seconds of some jobs together, by phase."""
    total: dict[str, float] = {}
    for job in jobs:
        for phase, seconds in job.cpu.items():
            total[phase] = total.get(phase, 0.0) + seconds
    return total
