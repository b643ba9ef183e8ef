"""Measure ways of doing the same thing in turn: each is a process of its own, warmed up, and asked again and again.

Run as a program this is such a process: `python bench/turns.py WORKLOAD WAY`. It takes a turn for each line that it
reads, and answers with the seconds of a run and the training loss that it ended with.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROUNDS = 5
MIN_TURN_SECONDS = 0.5
"""A shorter run is repeated in its turn, since it would be timed on caches that the others have emptied."""

SHARED = "THALWEG_BENCH_SHARED"
"""The environment variable that names the folder where our side leaves what PyTorch and JAX are to train on."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
ONE_THREAD_OF_JAX = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
RIVALS = Path(__file__).parents[1] / ".venv-bench" / "bin" / "python"
OURS = "thalweg"
MAX_LOSS_RATIO = 30
"""How far apart the final losses of two ways may be. `fit` draws weights and orders of its own, and with others the
third snippet ends at up to seven times the loss; where it does not train it ends a thousand times above."""

Run = Callable[[], Callable[[], float]]
"""Does one run; what it returns gives the final training loss, and is not timed."""


class Way(NamedTuple):
    """How one run is done: what prepares it, and the package that it needs."""

    prepare: Callable[[], Run]
    needs: str = "tensorflow"

    @property
    def python(self) -> str:
        return sys.executable if self.needs == "tensorflow" else str(RIVALS)

    def installed(self) -> bool:
        look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({self.needs!r}) is None)"
        return Path(self.python).exists() and subprocess.run([self.python, "-c", look]).returncode == 0


class Times(NamedTuple):
    """Seconds from the start of a way's process to the end of its first run, and of each run after that."""

    first: float
    warm: list[float]


class Worker:
    """A way's process."""

    def __init__(self, workload: str, name: str, way: Way, shared: str):
        self.log = Path(shared) / f"{name}.log"  # TensorFlow has much to say
        self.process = subprocess.Popen(
            [way.python, __file__, workload, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            env={
                **os.environ,
                **(ONE_THREAD if way.needs != "jax" else ONE_THREAD | ONE_THREAD_OF_JAX),
                SHARED: shared,
            },
            text=True,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run_once(self) -> tuple[float, float]:
        """Have it do one run: the seconds, and the final training loss."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.log.stem} stopped without an answer:\n{self.log.read_text()}")
        return tuple(json.loads(answer))


def measure(workload: str, ways: Mapping[str, Way], rounds: int = ROUNDS) -> dict[str, Times]:
    """The times of those ways that are installed. Our own are to come first, for they leave what others train on."""
    available = {name: way for name, way in ways.items() if way.installed()}
    for name in ways.keys() - available.keys():
        print(f"  ({name} is left out: {ways[name].needs} is not installed in .venv-bench)", flush=True)
    with TemporaryDirectory() as shared, ExitStack() as workers:
        processes, first, losses = {}, {}, {}
        for name, way in available.items():
            began = time.perf_counter()
            processes[name] = workers.enter_context(Worker(workload, name, way, shared))
            losses[name] = processes[name].run_once()[1]
            first[name] = time.perf_counter() - began
        least = min(losses.values())
        strays = {name: loss for name, loss in losses.items() if not loss <= MAX_LOSS_RATIO * least}
        assert not strays, f"{workload}: these do not compute the same: {losses}"
        warm = {name: [] for name in available}
        for _ in range(rounds):
            for name, worker in processes.items():
                warm[name].append(worker.run_once()[0])
    return {name: Times(first[name], warm[name]) for name in available}


def heading() -> None:
    print(f"{'':<64}{'median':>10}   {'thalweg is × as fast':<30}{'training only'}", flush=True)


def table(title: str, times: Mapping[str, list[float]], unit: float = 1.0) -> None:
    """Print a figure: each way's median in seconds ÷ `unit`, and what our ways, at its top, take less of."""
    print(title, flush=True)
    ours = [name for name in times if name.startswith(OURS)]
    for name, seconds in times.items():
        ratios = "" if name in ours else "".join(f"{ratio(times[our], seconds):<30}" for our in ours)
        print(f"  {name:<62}{short(statistics.median(seconds) / unit):>10}   {ratios}".rstrip(), flush=True)


def line(name: str, value: float, spread: Iterable[float] = ()) -> None:
    """Print one number of a figure, with the least and the greatest that it was seen to be."""
    print(f"  {name:<62}{short(value):>10}   {between(spread)}".rstrip(), flush=True)


def ratio(ours: list[float], theirs: list[float]) -> str:
    """The ratio of the medians, with the least and the greatest of the ratios taken in one turn."""
    middle = statistics.median(theirs) / statistics.median(ours)
    return f"{short(middle)} {between(b / a for a, b in zip(ours, theirs, strict=True))}"


def between(values: Iterable[float]) -> str:
    several = list(values)
    return f"({short(min(several))} to {short(max(several))})" if several else ""


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def answer(run: Run) -> None:
    """The first turn is one run; each later one as many as fill half a second, of which the median counts."""
    for turn, _ in enumerate(sys.stdin):
        seconds: list[float] = []
        while not seconds or (turn and sum(seconds) < MIN_TURN_SECONDS):
            began = time.perf_counter()
            final = run()
            seconds.append(time.perf_counter() - began)
        print(json.dumps([statistics.median(seconds), final()]), flush=True)


def main() -> None:
    workload, name = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):  # one core each, and every way the same one
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answer(importlib.import_module(workload).WAYS[name].prepare())


if __name__ == "__main__":
    main()
