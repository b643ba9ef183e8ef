"""How far an experiment is: runs done and left, time left, and what a launch cost.

Each training job keeps one small file up to date. Any job can then tell how the whole experiment stands, and the
launch can add up what it cost. None of it is anybody's input.
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
from thalweg.results import store

STAGES = ("tuning", "evaluation")
WORKERS_VARIABLE = "THALWEG_WORKERS"
"""The environment variable by which a launch tells its jobs how many of them run at once."""

BETWEEN_LINES = 10.0
"""Seconds between two lines of a job on the terminal."""


class Job(NamedTuple):
    """A training job: one stage of one problem and optimizer."""

    stage: str
    problem: str
    optimizer: str

    @property
    def heading(self) -> str:
        """How it is called on the terminal."""
        return "{} {} × {}".format(*self)


@dataclass
class Progress:
    """How far a job is. Of the runs that it is asked for, `total` with repetitions, `done` are there; `found` were in
    the store and `trained` were not, each counted once. `seconds` is its time so far, `cpu` its core-seconds by what
    they were spent on."""

    problem: str
    total: int
    done: int
    found: int
    trained: int = 0
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


class Teller:
    """Tells the terminal from time to time how far a job is, and keeps count of what it was spent on."""

    def __init__(self, heading: str, progress: Progress):
        self._heading, self._progress, self._told = heading, progress, time.monotonic()

    def tell(self, message: str) -> None:
        print(f"[{self._heading}] {message}", flush=True)

    @contextmanager
    def spending(self, on: str) -> Iterator[None]:
        """Count the core-seconds of what happens inside as spent on `on`."""
        began = time.process_time()
        yield
        spent = self._progress.cpu
        spent[on] = spent.get(on, 0.0) + time.process_time() - began

    def update(self, done: int) -> None:
        """One more run was trained, and `done` of the job's runs are there."""
        self._progress.done = done
        self._progress.trained += 1
        self._tell_at_times(f"{done} of {self._progress.total} runs")

    def within(self, share: float) -> None:
        """So much of the run that is being trained is done."""
        self._tell_at_times(f"{share:.0%} of run {self._progress.done + 1} of {self._progress.total}")

    def _tell_at_times(self, message: str) -> None:
        if time.monotonic() - self._told > BETWEEN_LINES:
            self._told = time.monotonic()
            self._tell_now(message)

    def _tell_now(self, message: str) -> None:
        self.tell(message)


class Reporter(Teller):
    """Keeps a job's progress file too, and tells how far the whole experiment is."""

    def __init__(self, results: Path, experiment: Experiment, job: Job, total: int, done: int, found: int):
        cpu = {"starting": time.process_time()}
        super().__init__(job.heading, Progress(job.problem, total, done, found, cpu=cpu))
        self._results, self._experiment, self._job = results, experiment, job
        self._began = time.monotonic()
        self._write()

    def finish(self) -> None:
        spent = self._progress.cpu
        spent["storing"] = time.process_time() - sum(spent.values())
        self._progress.done = self._progress.total
        self._write()
        self.tell(self._overall())

    def _tell_now(self, message: str) -> None:
        self._write()
        self.tell(f"{message}; {self._overall()}")

    def _overall(self) -> str:
        workers = int(os.environ.get(WORKERS_VARIABLE, "1"))
        return overall(self._experiment, read(self._results, training_jobs(self._experiment)), workers)

    def _write(self) -> None:
        self._progress.seconds = time.monotonic() - self._began
        store.write_json(progress_file(self._results, self._job), asdict(self._progress))


def progress_file(results: Path, job: Job) -> Path:
    return results / "progress" / f"{'.'.join(job)}.json"


def training_jobs(experiment: Experiment) -> list[Job]:
    """Every training job of the experiment."""
    return [
        Job(stage, problem, optimizer)
        for stage in STAGES
        for problem in experiment.problems
        for optimizer in experiment.optimizers
    ]


def read(results: Path, of: Iterable[Job]) -> list[Progress]:
    """The progress of those of some jobs that have written any. A file that is damaged tells nothing."""
    found = []
    for job in of:
        with suppress(OSError, ValueError, TypeError):
            found.append(Progress(**json.loads(progress_file(results, job).read_bytes())))
    return found


def overall(experiment: Experiment, jobs: Iterable[Progress], workers: int) -> str:
    """One line: `article: 3,120 of 5,982 runs done, 2,862 left, about 4 min to go`."""
    jobs = list(jobs)
    total, done = sum(declared(experiment).values()), sum(job.done for job in jobs)
    left = {problem: seconds_left(experiment, problem, jobs) for problem in experiment.problems}
    unknown = [problem for problem, seconds in left.items() if seconds is None]
    if unknown:
        time_left = f"time left not known before {', '.join(unknown)} began"
    else:
        time_left = f"about {duration(sum(seconds or 0 for seconds in left.values()) / workers)} to go"
    return f"{experiment.name}: {done:,} of {total:,} runs done, {total - done:,} left, {time_left}"


def seconds_left(experiment: Experiment, problem: str, jobs: list[Progress]) -> float | None:
    """Core-seconds that a problem's missing runs will take if they take what its trained ones took on average.

    None where runs are missing and none has been trained to judge by.
    """
    own = [job for job in jobs if job.problem == problem]
    asked = sum(count for (of_problem, _), count in declared(experiment).items() if of_problem == problem)
    missing, trained = asked - sum(job.done for job in own), sum(job.trained for job in own)
    if missing <= 0:
        return 0.0
    return missing * sum(job.seconds for job in own) / trained if trained else None


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def cost(jobs: Iterable[Progress]) -> dict[str, float]:
    """Core-seconds of training jobs by what they were spent on."""
    total: dict[str, float] = {}
    for job in jobs:
        for name, seconds in job.cpu.items():
            total[name] = total.get(name, 0.0) + seconds
    return total
