"""Try problems, optimizers and schedules on Keras itself, so that a mistake stops before anything trains.

The check of a problem always leaves its file, with the mistakes found in it. The check of the grid tries the
optimizers and schedules, gathers all mistakes of the experiment into one message, and fails if there are any.
"""

import argparse
import inspect
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thalweg import store
from thalweg.grid.experiment import Experiment, in_one_message, load, nearest
from thalweg.grid.runs import Horizon, schedule_arguments
from thalweg.training import devices, settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.check", description=__doc__)
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
            found = check_problem(experiment, arguments.problem)
            store.write_json(store.check_file(arguments.results, arguments.problem), found)
            print(f"[check {arguments.problem}] {len(found['mistakes'])} mistakes", flush=True)
        else:
            check_grid(experiment, arguments.results)


def check_grid(experiment: Experiment, results: Path) -> None:
    """Gather every mistake, and say so and exit if there are any; else leave the file that lets training begin."""
    checks = {name: json.loads(store.check_file(results, name).read_bytes()) for name in experiment.problems}
    mistakes = [mistake for check in checks.values() for mistake in check["mistakes"]]
    mistakes += optimizer_mistakes(experiment)
    examples = {name: check["splits"]["train"]["examples"] for name, check in checks.items() if not check["mistakes"]}
    mistakes += schedule_mistakes(experiment, examples)
    if not mistakes:
        print(f"[check] {experiment.name}: all problems, optimizers and schedules are in order", flush=True)
        store.write_json(store.checked_file(results), {"problems": sorted(checks)})
        return
    for name, check in checks.items():
        if check["mistakes"]:
            # A mistake may lie outside what Snakemake sees, so that problem is to be looked at again.
            store.check_file(results, name).unlink(missing_ok=True)
    print(in_one_message(experiment.file, mistakes), flush=True)
    sys.exit(1)


def check_problem(experiment: Experiment, name: str) -> dict[str, Any]:
    """What is known of a problem, as JSON; `mistakes` lists what is wrong with it, and then the rest may be absent."""
    file = experiment.problem_file(name)
    found: dict[str, Any] = {"problem": name, "mistakes": []}
    try:
        from thalweg.training import problem as problems

        problem, description = problems.load(experiment.directory, name)
        if not isinstance(problem, problems.Problem):
            raise TypeError(f"problem() must return a thalweg.training.problem.Problem, not {type(problem).__name__}")
        found["mistakes"] += [f"{file}: {mistake}" for mistake in data_mistakes(problem)]
        if not found["mistakes"]:
            found |= {"description": description, **facts(problem)}
            found["mistakes"] += [f"{file}: {mistake}" for mistake in model_mistakes(problem)]
            again, _ = problems.load(experiment.directory, name)
            if problems.data_digest(again) != found["data"]:
                found["mistakes"].append(
                    f"{file}: problem() makes other data at each call; give what draws them a seed"
                )
            found["mistakes"] += size_mistakes(experiment, name, len(problem.train.x))
    except Exception as error:  # a problem file is the user's own code: whatever it raises is reported, with its line
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        found["mistakes"].append(f"{where}: {type(error).__name__}: {plain(error)}")
    return found


def data_mistakes(problem: Any) -> Iterator[str]:
    for split_name, split in problem.splits.items():
        for axis, array in zip("xy", split, strict=True):
            if not isinstance(array, np.ndarray) or array.ndim == 0:
                yield f"{split_name}.{axis} must be a NumPy array of examples, not {type(array).__name__}"
            elif len(array) == 0:
                yield f"{split_name}.{axis} is empty"
            elif array.dtype.kind == "f" and not np.isfinite(array).all():
                yield f"{split_name}.{axis} holds {np.count_nonzero(~np.isfinite(array))} values that are not finite"
            elif array.dtype.kind not in "fiub":
                yield f"{split_name}.{axis} holds {array.dtype} values; numbers are needed"
        if all(isinstance(array, np.ndarray) for array in split) and len(split.x) != len(split.y):
            yield f"{split_name} has {len(split.x)} inputs but {len(split.y)} targets"


def size_mistakes(experiment: Experiment, name: str, examples: int) -> list[str]:
    sizes = [(f"problems.{name}.batch_sizes", size) for size in experiment.problems[name].batch_sizes]
    sizes += [
        (f"reproductions.{key}.batch_size", one.batch_size)
        for key, one in experiment.reproductions.items()
        if one.problem == name
    ]
    return [
        f"{key}: {size} is more than the {examples} training examples of {name}"
        for key, size in sizes
        if size > examples
    ]


def model_mistakes(problem: Any) -> Iterator[str]:
    """Try the model, loss and metrics on all data, as training will at its first evaluation."""
    import keras

    from thalweg.training.program import loss_of

    model, loss = problem.model(), loss_of(problem)
    if not isinstance(model, keras.Model):
        yield f"model must build a keras.Model, not {type(model).__name__}"
        return
    model(problem.train.x[:2])
    if not model.trainable_variables:
        yield "the model has no trainable weights"
    for name in problem.metrics:
        if not name.isidentifier() or name == "loss":
            yield f"metrics: {name!r} is no name for a metric; letters, digits and underscores, and not loss"
    for split_name, split in problem.splits.items():
        try:
            yield from (f"{split_name}: {mistake}" for mistake in evaluation_mistakes(problem, model, loss, split))
        except Exception as error:  # Keras and TensorFlow raise what they like; the message is what matters
            yield f"{split_name}: {type(error).__name__}: {plain(error)}"
    if problem.probe is not None:
        predicted = int(np.size(model(problem.probe.x)))
        if predicted != problem.probe.y.size:
            yield f"probe: has {problem.probe.y.size} targets for {predicted} predicted values"


def evaluation_mistakes(problem: Any, model: Any, loss: Any, split: Any) -> Iterator[str]:
    import tensorflow as tf

    predictions, targets = model(split.x, training=False), tf.constant(split.y)
    value = loss(targets, predictions)
    if value.shape.rank:
        yield f"the loss of a batch must be one number, not of shape {tuple(value.shape)}"
    elif not np.isfinite(value):
        yield f"the loss at the initial weights is {float(value)}; are the targets such as {loss_name(problem)} takes?"
    for name, metric in problem.metrics.items():
        if tf.reduce_mean(metric(targets, predictions)).shape.rank:
            yield f"metrics: {name} must give a value an example"


def loss_name(problem: Any) -> str:
    return problem.loss if isinstance(problem.loss, str) else str(problem.loss.name)


def facts(problem: Any) -> dict[str, Any]:
    """What the identity of a run and the report need to know about a problem's data and model."""
    from thalweg.training.problem import data_digest, split_digest

    model = problem.model()
    if not model.built:
        model(problem.train.x[:2])
    splits = {name: {"examples": len(split.x), "digest": split_digest(split)} for name, split in problem.splits.items()}
    probe = problem.probe and {"inputs": problem.probe.x.tolist(), "targets": problem.probe.y.tolist()}
    return {
        "data": data_digest(problem),
        "splits": splits,
        "probe": probe,
        "input_shape": list(problem.train.x.shape[1:]),
        "output_shape": list(model.output_shape[1:]),
        "parameters": model.count_params(),
        "loss": loss_name(problem),
        "metrics": list(problem.metrics),
    }


def optimizer_mistakes(experiment: Experiment) -> Iterator[str]:
    """Make each optimizer as training will."""
    import keras

    from thalweg.training.optimizers import NOT_YET

    every = set(inspect.signature(keras.Optimizer).parameters) - {"kwargs"}
    for name, optimizer in experiment.optimizers.items():
        key = f"optimizers.{name}"
        found, mistakes = named_class(optimizer, keras.optimizers, keras.Optimizer, every)
        asked = {optimizer.class_name, *(name for name, value in optimizer.arguments.items() if value)}
        mistakes += [f"{thing}: is not supported, for {NOT_YET[thing]}" for thing in NOT_YET if thing in asked]
        if found:
            try:
                try_optimizer(optimizer)
            except Exception as error:  # Keras and users raise what they like; the message is what matters
                mistakes.append(plain(error))
        yield from (f"{key}: {mistake}" for mistake in mistakes)


def try_optimizer(optimizer: Any) -> None:
    """Take one step with it, as training will."""
    import keras
    import tensorflow as tf

    from thalweg.training import optimizers

    weights = keras.Variable(np.ones((2, 2), np.float32))
    built = optimizers.build(optimizer.class_name, optimizer.arguments, [weights])
    state = [variable.value for variable in optimizers.state(built)]
    optimizers.step(built, [tf.ones((2, 2))], tf.constant(0.1), [weights], [weights.value], state)


def schedule_mistakes(experiment: Experiment, examples: dict[str, int]) -> Iterator[str]:
    """Make each schedule for each horizon that it will have, and ask it for its first, middle and last rate."""
    import keras

    from thalweg.training import schedules

    library = keras.optimizers.schedules
    horizons = [
        (problem, Horizon(count, batch_size, experiment.problems[problem].epochs))
        for problem, count in examples.items()
        for batch_size in experiment.problems[problem].batch_sizes
    ]
    for name, schedule in experiment.schedules.items():
        if schedule.class_name is None:  # constant
            continue
        found, mistakes = named_class(schedule, library, library.LearningRateSchedule, set())
        own = sorted(set(schedules.RATES_OF_THEIR_OWN) & schedule.arguments.keys())
        mistakes += [f"{argument}: the grid sets the peak; leave it out" for argument in own]
        for problem, horizon in horizons if found and not mistakes else ():
            try:
                built = schedules.build(schedule.class_name, schedule_arguments(schedule, horizon))
                shares = {step: float(built(step)) for step in (0, horizon.steps // 2, horizon.steps - 1)}
            except Exception as error:  # as above
                mistakes.append(plain(error))
                break
            mistakes += [
                f"the rate at step {step} of {problem} is {share} of its peak"
                for step, share in shares.items()
                if not 0 <= share < np.inf
            ]
        yield from (f"schedules.{name}: {mistake}" for mistake in mistakes)


def named_class(named: Any, library: Any, base: type, also: set[str]) -> tuple[Any, list[str]]:
    """The class that an optimizer or a schedule of the experiment names, or None and what is wrong with it.

    `also` are arguments that the class takes beside those of its signature.
    """
    from thalweg.training.optimizers import find_class

    name = named.class_name
    try:
        found = find_class(name, library)
    except (AttributeError, ImportError) as error:
        if ":" in name:
            return None, [f"class: {name} cannot be imported: {plain(error)}"]
        there = [other for other in dir(library) if isinstance(getattr(library, other), type)]
        return None, [f"class: {name} is not in {library.__name__.replace('._tf_keras', '')}{nearest(name, there)}"]
    if not (isinstance(found, type) and issubclass(found, base)):
        return None, [f"class: {name} is no {base.__name__} of Keras"]
    known = {argument for argument in inspect.signature(found).parameters if argument not in ("args", "kwargs")} | also
    unknown = [
        f"{argument}: {found.__name__} takes no such argument{nearest(argument, known)}"
        for argument in named.arguments
        if argument not in known
    ]
    return (None if unknown else found), unknown


def plain(error: Exception) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split())[:500] or type(error).__name__


if __name__ == "__main__":
    main()
