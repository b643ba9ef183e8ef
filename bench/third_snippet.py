"""The article's third snippet, timed: our compiled program and Keras's `fit` as the article writes it.

Each is a process of its own, with its own way of using the processor; the two are warmed up and then timed in turn,
five times. Run it by `make bench`; nothing else should be running.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "article.yaml"
WAYS = ("thalweg", "fit")
ROUNDS = 5
STEPS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    way = parser.parse_args().way
    if way:
        answer({"thalweg": thalweg, "fit": fit}[way])
        return
    first, warm = measure()
    print(f"{'third snippet, 2,000 steps':<34}{'thalweg':>12}{'fit':>12}{'ratio':>9}  (least to greatest)")
    row("µs a step, warm, median of 5", [[1e6 * s / STEPS for s in warm[way]] for way in WAYS])
    row("s for the first run, all included", [[first[way]] for way in WAYS])


def row(name: str, times: list[list[float]]) -> None:
    ours, theirs = (statistics.median(of_way) for of_way in times)
    ratios = [b / a for a, b in zip(*times, strict=True)]
    print(f"{name:<34}{ours:>12.4g}{theirs:>12.4g}{theirs / ours:>9.4g}  ({min(ratios):.4g} to {max(ratios):.4g})")


def measure() -> tuple[dict[str, float], dict[str, list[float]]]:
    """Seconds of each way's first run, from the start of its process, and of its later runs, taken in turn."""
    first, warm, workers = {}, {way: [] for way in WAYS}, {}
    for way in WAYS:
        began = time.perf_counter()
        command = [sys.executable, __file__, "--way", way]
        workers[way] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ask(workers[way])
        first[way] = time.perf_counter() - began
    for _ in range(ROUNDS):
        for way, worker in workers.items():
            warm[way].append(ask(worker))
    for worker in workers.values():
        worker.communicate()
    return first, warm


def ask(worker: subprocess.Popen[str]) -> float:
    """Have a worker do one run, and return the seconds that it took."""
    worker.stdin.write("go\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def answer(make: Callable[[], Callable[[], None]]) -> None:
    """In a worker: prepare, then time a run each time that the parent asks for one."""
    train = None
    for _ in sys.stdin:
        train = train or make()
        began = time.perf_counter()
        train()
        print(time.perf_counter() - began, flush=True)


def thalweg() -> Callable[[], None]:
    from thalweg.grid.experiment import load
    from thalweg.grid.runs import Horizon, evaluation_steps, schedule_arguments
    from thalweg.training import settings

    settings.start_tensorflow()
    from thalweg.training import problem as problems
    from thalweg.training import program, schedules, seeds

    experiment = load(EXPERIMENT)
    snippet, grid = experiment.reproductions["snippet_3"], experiment.problems["sine"]
    optimizer, schedule = experiment.optimizers[snippet.optimizer], experiment.schedules[snippet.schedule]
    problem, _ = problems.load(experiment.directory, snippet.problem)
    horizon = Horizon(len(problem.train.x), snippet.batch_size, grid.epochs)
    instance = program.instantiate(problem, optimizer.class_name, optimizer.arguments, seed=1)
    points = evaluation_steps(horizon.steps, grid.evaluation_points)
    run = program.compile_program(problem, instance, horizon, points, grid.xla)
    shares = schedules.table(schedule.class_name, schedule_arguments(schedule, horizon), horizon.steps)

    def train() -> None:
        order = seeds.data_order(1, horizon.examples, horizon.epochs)
        run(instance.state, order, schedules.applied(shares, snippet.learning_rate))

    assert horizon.steps == STEPS
    return train


def fit() -> Callable[[], None]:
    import numpy as np
    import tensorflow as tf

    x = np.linspace(-5, 5, 100).astype(np.float32)[:, None]
    model = tf.keras.Sequential(
        [
            tf.keras.Input((1,)),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(1),
        ]
    )
    rate = tf.keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=100, decay_rate=0.96, staircase=True)
    model.compile(tf.keras.optimizers.Adam(rate), "mse")
    return lambda: model.fit(x, np.sin(x), epochs=500, batch_size=32, verbose=0)


if __name__ == "__main__":
    main()
