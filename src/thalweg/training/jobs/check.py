"""Try problems, optimizers and schedules on Keras itself, so that a mistake stops before anything trains.

The check of a problem always leaves its file, with the mistakes found in it. The check of the grid tries the
optimizers and schedules, gathers all mistakes of the experiment into one message, and fails if there are any.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.experiment.cross_checks import unknown_metrics
from thalweg.experiment.errors import format_mistakes, one_line, suggest
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment, Schedule
from thalweg.grid import schedule_arguments, trials, warmup_steps
from thalweg.horizon import Horizon
from thalweg.results import files, layout
from thalweg.training.engine import settings
from thalweg.training.jobs import devices


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.jobs.check", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    parser.add_argument("--problem", help="the problem to check; without it, the grid")
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    sys.path.insert(0, str(experiment.directory))
    precision = experiment.problems[arguments.problem].precision if arguments.problem else "float32"
    with devices.leased("cpu", arguments.results):
        settings.start_tensorflow(precision=precision)
        if arguments.problem:
            from thalweg.training.jobs.problem_check import check_problem

            found = check_problem(experiment, arguments.problem)
            files.write_json(layout.check_file(arguments.results, arguments.problem), found)
            print(f"[check {arguments.problem}] {len(found['mistakes'])} mistakes", flush=True)
        else:
            check_grid(experiment, arguments.results)


def check_grid(experiment: Experiment, results: Path) -> None:
    """Print the mistakes of all problems and of the grid and exit, or write the file that allows training."""
    checks = {name: json.loads(layout.check_file(results, name).read_bytes()) for name in experiment.problems}
    mistakes = [mistake for check in checks.values() for mistake in check["mistakes"]]
    mistakes += optimizer_mistakes(experiment)
    examples = {name: check["splits"]["train"]["examples"] for name, check in checks.items() if not check["mistakes"]}
    mistakes += schedule_mistakes(experiment, examples)
    metrics = {name: check["metrics"] for name, check in checks.items() if not check["mistakes"]}
    mistakes += unknown_metrics(experiment, metrics)
    if not mistakes:
        print(f"[check] {experiment.name}: all problems, optimizers and schedules are in order", flush=True)
        files.write_json(layout.checked_file(results), {"problems": sorted(checks)})
        return
    for name, check in checks.items():
        if check["mistakes"]:
            # A mistake may lie outside what Snakemake sees, so that problem is to be looked at again.
            layout.check_file(results, name).unlink(missing_ok=True)
    print(format_mistakes(experiment.file, mistakes), flush=True)
    sys.exit(1)


def optimizer_mistakes(experiment: Experiment) -> Iterator[str]:
    """Yield what is wrong with the optimizers, each built as training will, at the values of each trial of a search."""
    import keras

    every = set(inspect.signature(keras.Optimizer).parameters) - {"kwargs"}
    for name, optimizer in experiment.optimizers.items():
        drawn = list(dict.fromkeys(trial.hyperparameters for trial in trials(optimizer)))
        found, mistakes = resolve_class(optimizer.fixed_at(dict(drawn[0])), keras.optimizers, keras.Optimizer, every)
        for values in drawn if found and not mistakes else ():
            try:
                try_optimizer(optimizer.class_name, optimizer.arguments, dict(values))
            except Exception as error:  # Keras and users raise what they like; the message is what matters
                at = ", ".join(f"{key} at {value!r}" for key, value in values)
                mistakes.append(f"search: a trial with {at}: {one_line(error)}" if at else one_line(error))
                break
        yield from (f"optimizers.{name}: {mistake}" for mistake in mistakes)


def try_optimizer(class_name: str, fixed: dict[str, Any], searched: dict[str, Any]) -> None:
    """Trace one step of an optimizer, as training will.

    Args:
        class_name: A class of keras.optimizers, or `module:Class`.
        fixed: Its fixed arguments.
        searched: The arguments that are searched, at one trial.

    Raises:
        Exception: Whatever Keras raises.
        ValueError: The step depends on something that is not part of a run's state.
    """
    import keras
    import tensorflow as tf

    from thalweg.training.engine import optimizers
    from thalweg.training.jobs.problem_check import hidden_state_mistakes

    weights = [keras.Variable(np.ones(shape, np.float32)) for shape in ((2, 2), (2,))]
    built = optimizers.build(class_name, fixed, weights, searched)
    state = [variable.value for variable in optimizers.state_variables(built)]
    traced = tf.function(
        lambda gradients, rate, values, state, drawn: optimizers.step(
            built, gradients, rate, weights, values, state, drawn
        ),
        autograph=False,
    ).get_concrete_function(
        [tf.ones(v.shape) for v in weights],
        tf.constant(0.1),
        [v.value for v in weights],
        [tf.convert_to_tensor(value) for value in state],
        [tf.constant(float(value), tf.float64) for value in searched.values()],
    )
    for mistake in hidden_state_mistakes(traced.graph):
        raise ValueError(mistake)


def schedule_mistakes(experiment: Experiment, examples: dict[str, int]) -> Iterator[str]:
    """Yield what is wrong with the schedules, each built for every horizon that it will have."""
    import keras

    from thalweg.training import schedules

    base = keras.optimizers.schedules.LearningRateSchedule
    horizons = [
        (problem, grid.horizon(count, batch_size))
        for problem, count in examples.items()
        for grid in [experiment.problems[problem]]
        for batch_size in grid.batch_sizes
    ]
    for name, schedule in experiment.schedules.items():
        mistakes: list[str] = []
        if is_callback(schedule.class_name):
            mistakes.append(
                f"class: {schedule.class_name} is a callback, which acts on what training shows, such as the loss; "
                f"here the rate of each step is known before training begins: name a {base.__name__}"
            )
        elif schedule.class_name:
            _, mistakes = resolve_class(schedule, schedules.LIBRARY, base, set())
        own = sorted(set(schedules.RATES_OF_THEIR_OWN) & schedule.arguments.keys())
        mistakes += [f"{argument}: the grid sets the peak; leave it out" for argument in own]
        for problem, horizon in () if mistakes else horizons:
            try:
                mistakes += rate_mistakes(schedule, problem, horizon)
            except Exception as error:  # as above
                mistakes.append(one_line(error))
                break
        yield from (f"schedules.{name}: {mistake}" for mistake in dict.fromkeys(mistakes))


def rate_mistakes(schedule: Schedule, problem: str, horizon: Horizon) -> Iterator[str]:
    """Yield what is wrong with the learning rates of a schedule at one horizon."""
    import tensorflow as tf

    from thalweg.training import schedules

    arguments = schedule_arguments(schedule, horizon)
    warmup = warmup_steps(schedule, horizon)
    if warmup and not float(schedules.build(schedule.class_name, arguments)(tf.constant(0, tf.int64))):
        yield "warmup: rises to the schedule's first rate, but that is 0; does the schedule warm up itself?"
    shares = schedules.table(schedule.class_name, arguments, horizon.steps, warmup)
    wrong = np.flatnonzero(~((shares >= 0) & np.isfinite(shares)))
    if len(wrong):
        yield f"the rate at step {wrong[0]} of {problem} is {shares[wrong[0]]} of its peak"


def is_callback(class_name: str | None) -> bool:
    """Return whether the class is a callback, such as ReduceLROnPlateau: of Keras by its name, or the user's own."""
    import keras

    from thalweg.training.engine.optimizers import find_class

    try:
        found = find_class(class_name, keras.callbacks) if class_name else None
    except (Exception, SystemExit):  # where it cannot be had at all, `resolve_class` says so
        return False
    return isinstance(found, type) and issubclass(found, keras.callbacks.Callback)


def resolve_class(named: Any, library: Any, base: type, also: set[str]) -> tuple[Any, list[str]]:
    """Return the class that an optimizer or a schedule of the experiment names, or None, and what is wrong with it.

    Args:
        named: The optimizer or the schedule, with its class name and arguments.
        library: The module of Keras that has such classes.
        base: The class that it must be derived from.
        also: Arguments that the class takes beside those of its signature.
    """
    from thalweg.training.engine.optimizers import find_class

    name = named.class_name
    try:
        found = find_class(name, library)
    except (Exception, SystemExit) as error:  # a user's module runs as it is imported, and may raise what it likes
        if ":" in name:
            return None, [f"class: {name} cannot be imported: {one_line(error)}"]
        there = [other for other in dir(library) if isinstance(getattr(library, other), type)]
        return None, [f"class: {name} is not in {library.__name__.replace('._tf_keras', '')}{suggest(name, there)}"]
    if not (isinstance(found, type) and issubclass(found, base)):
        return None, [f"class: {name} is no {base.__name__} of Keras"]
    known = {argument for argument in inspect.signature(found).parameters if argument not in ("args", "kwargs")} | also
    unknown = [
        f"{argument}: {found.__name__} takes no such argument{suggest(argument, known)}"
        for argument in named.arguments
        if argument not in known
    ]
    return (None if unknown else found), unknown


if __name__ == "__main__":
    main()
    settings.exit_process()
