"""What a job costs beside its training: the parts of its start, and whole jobs that train one run or none.

Run as a program this does what a job of the third snippet does, and prints the seconds of each part as JSON; the
moment at which its process was started, in seconds since the epoch, is its argument.
"""

import importlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import ours
import workspace
from third_snippet import SETTING
from turns import ROUNDS

RESULTS, STORE = f"results/{workspace.NAME}", "results/store"
ONE_RUN = {
    "optimizers": {"adam": {"class": "Adam", "learning_rates": [0.01]}},
    "schedules": {"constant": {}},
}
JOB = (
    "thalweg.training.jobs.train",
    "tuning",
    *("--experiment", f"experiments/{workspace.NAME}.yaml", "--problem", "sine", "--optimizer", "adam"),
    *("--results", RESULTS, "--store", STORE),
)


def parts() -> dict[str, list[float]]:
    """Seconds of each part of a job's start, in the order in which they come, and of its process's end."""
    starts = [time_one_start() for _ in range(ROUNDS)]
    return {part: [start[part] for start in starts] for part in starts[0]}


def time_one_start() -> dict[str, float]:
    born = time.time()
    seconds = json.loads(subprocess.check_output([sys.executable, __file__, repr(born)], stderr=subprocess.DEVNULL))
    whole = time.time() - born
    return {**seconds, "the end of the process": whole - sum(seconds.values()), "all of these": whole}


def whole_jobs() -> dict[str, list[float]]:
    """Seconds of a job that trains a single run of 2,000 steps, and of one that finds it in the store, in turn."""
    content = workspace.experiment({"tuning": 1, "evaluation": 1}, **ONE_RUN)
    seconds_by_job: dict[str, list[float]] = {"a whole job of one run": [], "a job that misses nothing": []}
    with workspace.workspace(content) as root:
        workspace.snakemake(root, 1, f"{RESULTS}/checked.json")
        for _ in range(ROUNDS):
            for seconds in seconds_by_job.values():
                seconds.append(timed(lambda: workspace.run(root, *JOB)))
            shutil.rmtree(root / STORE)
    return seconds_by_job


def timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def start(born: float) -> dict[str, float]:
    """Do what a job does, and tell how long each part took."""
    seconds: dict[str, float] = {}
    latest = born

    def ends(part: str) -> None:
        nonlocal latest
        now = time.time()
        seconds[part], latest = now - latest, now

    ends("Python itself")
    importlib.import_module("thalweg.training.jobs.train")
    ends("imports before the store is asked")
    ours.start()
    ends("TensorFlow and Keras")
    importlib.import_module("thalweg.training.engine.whole_run")
    ends("imports of what trains")
    problem = ours.load(SETTING.problem)
    ours.digest(problem)
    ends("problem and its data's digest")
    instance = ours.instantiate(SETTING, problem)
    ends("model and optimizer")
    with tracing() as traced:
        train = ours.compiled(SETTING, problem, instance)
    seconds["tracing"] = sum(traced)
    latest += sum(traced)
    ends("compilation by XLA, and the rest")
    train.run(*train.given())
    ends("first run, 2,000 steps")
    return seconds


@contextmanager
def tracing() -> Iterator[list[float]]:
    """The seconds that TensorFlow spends tracing functions in the meantime, those traced within others left out."""
    from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

    trace, seconds, within = Function._initialize, [], []

    def timed_trace(*arguments, **named):
        began = time.time()
        within.append(began)
        trace(*arguments, **named)
        within.pop()
        if not within:
            seconds.append(time.time() - began)

    with mock.patch.object(Function, "_initialize", timed_trace):
        yield seconds


if __name__ == "__main__":
    print(json.dumps(start(float(sys.argv[1]))))
