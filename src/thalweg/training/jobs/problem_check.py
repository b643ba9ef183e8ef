"""What can be wrong with a problem: its data, its model, and whether the compiled program can take them.

Everything is tried as training will do it, on an untrained model, so that a mistake stops before anything trains.
"""

import hashlib
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from thalweg.experiment.schema import Experiment, ProblemGrid, nearest, plain
from thalweg.hashing import digest
from thalweg.horizon import Horizon
from thalweg.training import problem as problems
from thalweg.training.engine import evaluation, records, steps
from thalweg.training.engine.loop import each_lane
from thalweg.training.problem import Problem, Source, Split, pieces

RANDOM = ("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomShuffle", "RandomGamma", "Multinomial")
"""How the names of TensorFlow's operations begin that draw from a hidden state, which no seed of a run reaches."""

OF_PYTHON = ("PyFunc", "EagerPyFunc", "PyFuncStateless")


def check_problem(experiment: Experiment, name: str) -> dict[str, Any]:
    """What is known of a problem, as JSON; `mistakes` lists what is wrong with it, and then the rest may be absent."""
    file, grid = experiment.problem_file(name), experiment.problems[name]
    found: dict[str, Any] = {"problem": name, "mistakes": []}
    try:
        problem, description = problems.load(experiment.directory, name)
        if not isinstance(problem, Problem):
            raise TypeError(f"problem() must return a thalweg.training.problem.Problem, not {type(problem).__name__}")
        again, _ = problems.load(experiment.directory, name)
        found["mistakes"] += [f"{file}: {mistake}" for mistake in [*field_mistakes(problem), *data_mistakes(problem)]]
        if not found["mistakes"] and problems.data_digest(problem) != problems.data_digest(again):
            found["mistakes"].append(f"{file}: problem() makes other data at each call; give what draws them a seed")
        if not found["mistakes"]:
            for mistake in model_mistakes(problem, grid):  # one at a time: what was found before an error counts
                found["mistakes"].append(f"{file}: {mistake}")
        if not found["mistakes"]:
            found |= {"description": description, **facts(problem)}
            found["mistakes"] += grid_mistakes(experiment, name, problem)
            if not grid.shared_examples:
                found["mistakes"] += overlap_mistakes(name, found["splits"], found["shared"])
    # A problem file is the user's own code: whatever it raises is reported, with its line.
    except (Exception, SystemExit) as error:
        places: list[tuple[Any, Any]] = [
            (frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)
        ]
        places += [(error.filename, error.lineno)] if isinstance(error, SyntaxError) else []
        # Python names a module's file from the root, whatever the folder is called here.
        lines = [line for name, line in places if name and Path(name) == file.absolute()]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        found["mistakes"].append(f"{where}: {type(error).__name__}: {plain(error)}{_nearest_field(error)}")
    return found


def _nearest_field(error: BaseException) -> str:
    """The field of a Problem that a misspelt one was to be."""
    unknown = re.search(r"Problem\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    return nearest(unknown[1], [field.name for field in fields(Problem)]) if unknown else ""


MOST = 5
"""How many mistakes of one split are told."""

MOST_STEPS = 100_000_000
"""Of a run: the rates of all its steps are held in memory."""

FEW = 0.01
"""The share of a split that may be in another one: real data hold some examples twice."""


def field_mistakes(problem: Problem) -> Iterator[str]:
    """What stands in a field of the problem that is not of its kind."""
    if not callable(problem.model) or isinstance(problem.model, keras.Model):
        yield f"model must be a function that builds the model anew, not {type(problem.model).__name__}; write lambda:"
    for field in ("metrics", "weighted_metrics"):
        given = getattr(problem, field)
        if not isinstance(given, Mapping):
            yield f"{field} must be a dict of metrics by name, as in {{'error': 'mae'}}, not {type(given).__name__}"
    if not isinstance(problem.probe, Split | None):
        yield f"probe must be a Split, not {type(problem.probe).__name__}"


def data_mistakes(problem: Problem) -> Iterator[str]:
    probe = {"probe": problem.probe} if isinstance(problem.probe, Split) else {}
    for split_name, split in {**problem.splits, **probe}.items():
        if isinstance(split, Source):
            yield from (f"{split_name}: {mistake}" for mistake in islice(source_mistakes(split), MOST))
        elif not isinstance(split, Split):
            yield f"{split_name} must be a Split or a Source, not {type(split).__name__}"
        else:
            yield from (f"{split_name}.{mistake}" for mistake in islice(split_mistakes(split), MOST))
    if probe and not isinstance(probe["probe"].x, np.ndarray):
        yield "probe.x must be one array"


def split_mistakes(split: Split) -> Iterator[str]:
    counts = {}
    for axis, array in split.arrays.items():
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            yield f"{axis} must be a NumPy array of examples, not {type(array).__name__}"
            continue
        counts[axis] = len(array)
        if len(array) == 0:
            yield f"{axis} is empty"
        elif array.dtype.kind == "f" and not np.isfinite(array).all():
            yield f"{axis} holds {np.count_nonzero(~np.isfinite(array))} values that are not finite"
        elif array.dtype.kind not in "fiub":
            yield f"{axis} holds {array.dtype} values; numbers are needed"
        elif axis == "weights" and (array.ndim > 1 or (array < 0).any()):
            yield "weights must be one number an example, none below 0"
    for axis, count in counts.items():
        if count != counts.get("y", count):
            yield f"{axis} has {count} examples, but y has {counts['y']}"


def source_mistakes(source: Source) -> Iterator[str]:
    """Go through one epoch of a source, in pieces, as evaluation does."""
    came = 0
    for number, piece in enumerate(pieces(source)):
        arrays = piece.each(np.asarray)
        yield from (f"batch {number}: {mistake}" for mistake in split_mistakes(arrays))
        came += arrays.examples
        if came > source.examples:  # it may have no end
            yield f"its batches hold more examples in an epoch than the {source.examples} that examples says"
            return
    if came != source.examples:
        yield f"its batches hold {came} examples in an epoch, but examples says {source.examples}"


def grid_mistakes(experiment: Experiment, name: str, problem: Problem) -> Iterator[str]:
    """What the experiment asks of the problem that it does not have."""
    grid = experiment.problems[name]
    sizes = [(f"problems.{name}.batch_sizes", size) for size in grid.batch_sizes]
    sizes += [
        (f"reproductions.{key}.batch_size", one.batch_size)
        for key, one in experiment.reproductions.items()
        if one.problem == name
    ]
    examples = problem.train.examples
    for key, size in sizes:
        if size > examples:
            yield f"{key}: {size} is more than the {examples} training examples of {name}"
        steps_of_run = Horizon(examples, size, grid.epochs, grid.drop_remainder).steps
        if steps_of_run > MOST_STEPS:
            yield f"{key}: {size} makes {steps_of_run:,} steps; at most {MOST_STEPS:,} can be trained"
    columns = records.measured_columns(problem)
    if grid.target and grid.target.column not in columns:
        yield (
            f"problems.{name}.target: {grid.target.column} is not recorded{nearest(grid.target.column, columns)}; "
            f"there are {', '.join(columns)}"
        )
    if grid.lanes > 1 and grid.precision != "float32" and not grid.xla:
        yield f"problems.{name}.lanes: without XLA, runs in {grid.precision} differ when stacked; write xla: true"
    if "weights" in grid.record:
        count = sum(int(np.prod(weight.shape)) for weight in steps.built(problem).trainable_variables)
        if count != 2:
            yield f"problems.{name}.record: weights are recorded of a model with two; {name} has {count} to train"
    if not problem.in_memory:
        if grid.lanes > 1:
            yield f"problems.{name}.lanes: runs on a Source cannot be stacked; leave lanes out"
        if grid.data_order == "fixed":
            yield f"problems.{name}.data_order: the order of a Source is its own; leave data_order out"
        if "gradient_noise" in grid.record:
            yield f"problems.{name}.record: gradient_noise needs the training data in memory; they are a Source"


def overlap_mistakes(name: str, splits: dict[str, Any], overlaps: list[dict[str, Any]]) -> Iterator[str]:
    """Splits that share more than a FEW examples: then nobody knows what the later one says. Splits that are the same
    as a whole are taken to be meant: so it is where a source has no other data, and the report says it."""
    for overlap in overlaps:
        (first, second), count = overlap["splits"], overlap["examples"]
        examples = splits[second]["examples"]
        if count > FEW * examples and splits[first]["digest"] != splits[second]["digest"]:
            yield (
                f"problems.{name}: {count} of the {examples} examples of {second} are in {first} too; draw the splits "
                f"apart, or write shared_examples: true if that is meant"
            )


def shared(problem: Problem) -> list[dict[str, Any]]:
    """The splits that have examples in common, inputs and targets equal to the bit, and how many of the later one."""
    rows = {name: row_digests(split) for name, split in problem.splits.items()}
    known = {name: set(of_split) for name, of_split in rows.items()}
    counts = {
        (first, second): sum(row in known[first] for row in rows[second]) for first, second in combinations(rows, 2)
    }
    return [{"splits": list(pair), "examples": count} for pair, count in counts.items() if count]


def row_digests(split: Split | Source) -> list[bytes]:
    """A digest of each example's inputs and target."""
    digests = []
    for piece in pieces(split):
        columns = [np.asarray(array) for name, array in piece.arrays.items() if name != "weights"]
        for example in zip(*columns, strict=True):
            digests.append(hashlib.blake2b(b"".join(part.tobytes() for part in example), digest_size=16).digest())
    return digests


def model_mistakes(problem: Problem, grid: ProblemGrid) -> Iterator[str]:
    """Try the model, loss and metrics on all data, as training will at its first evaluation; then compile a step."""
    model, loss = problem.model(), steps.loss_of(problem)
    if not isinstance(model, keras.Model):
        yield f"model must build a keras.Model, not {type(model).__name__}"
        return
    ways = [*own_ways(model)]
    yield from ways
    if ways:
        return
    predictions = model(steps.first_examples(problem).x)
    if len(tf.nest.flatten(predictions)) != 1 or not tf.is_tensor(predictions):
        outputs = getattr(model, "output_names", None) or [type(predictions).__name__]
        yield f"the model must have one output, a tensor, not several ({', '.join(map(str, outputs))})"
        return
    if not model.trainable_variables:
        yield "the model has no trainable weights"
    for name in problem.all_metrics:
        if not name.isidentifier() or name == "loss":
            yield f"metrics: {name!r} is no name for a metric; letters, digits and underscores, and not loss"
    for name in problem.metrics.keys() & problem.weighted_metrics.keys():
        yield f"metrics: {name} is also among weighted_metrics; give one of them another name"
    told: dict[str, list[str]] = {}
    for split_name, split in problem.splits.items():
        for mistake in dict.fromkeys(evaluation_mistakes(problem, model, loss, split)):
            told.setdefault(mistake, []).append(split_name)
    yield from (f"{', '.join(splits)}: {mistake}" for mistake, splits in told.items())
    if problem.probe is not None:
        predicted = int(np.size(model(problem.probe.x)))
        if predicted != problem.probe.y.size:
            yield f"probe: has {problem.probe.y.size} targets for {predicted} predicted values"
    if not told and model.trainable_variables:
        drawn = [*drawing_mistakes(problem)]
        yield from drawn or compilation_mistakes(problem, grid)


def drawing_mistakes(problem: Problem) -> Iterator[str]:
    """Whether the initial weights follow from the seed and from nothing else, and are only changed by the optimizer."""
    if problem.model() is problem.model():
        yield "model returns the same model each time; build it anew, so that each seed draws its own weights"
        return
    first, _, again = (steps.instantiate(problem, "SGD", {}, seed).state for seed in (1, 2, 1))
    both = zip(first.trainable + first.non_trainable, again.trainable + again.non_trainable, strict=True)
    if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in both):
        yield "the same seed draws other initial weights each time; draw them by Keras's initializers without a seed"
        return
    model, batch = steps.built(problem), steps.first_examples(problem)
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    with keras.StatelessScope([(variable, variable.value) for variable in variables]) as scope:
        model(batch.x, **({"training": True} if model._call_has_training_arg else {}))
    for variable in model.trainable_variables:
        if scope.get_current_value(variable) is not variable.value and not np.array_equal(
            scope.get_current_value(variable), variable.value
        ):
            yield (
                f"{variable.path}: its layer assigns to this trainable weight while it trains, which only an optimizer "
                f"may; make it with trainable=False"
            )


def own_ways(model: keras.Model) -> Iterator[str]:
    """What a model does by itself that the compiled program would pass over."""
    for method in ("train_step", "test_step", "compute_loss", "compute_metrics"):
        if getattr(type(model), method) is not getattr(keras.Model, method):
            yield (
                f"{type(model).__name__}.{method}: a model's own is not used, since the compiled program trains by "
                f"forward, loss and update; write it as a loss, a metric, add_loss or an optimizer"
            )
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False) and isinstance(layer, keras.layers.RNN):
            yield f"layer {layer.name}: keeps its state from batch to batch, and batches are shuffled; drop stateful"


def evaluation_mistakes(problem: Problem, model: Any, loss: Any, split: Split | Source) -> Iterator[str]:
    try:
        for piece in pieces(split):
            predictions = model(piece.x, training=False) if model._call_has_training_arg else model(piece.x)
            value = loss(piece.y, predictions, piece.weights)
            if value.shape.rank:
                yield f"the loss of a batch must be one number, not of shape {tuple(value.shape)}"
                return
            if not np.isfinite(value):
                name = loss_name(problem)
                yield f"the loss at the initial weights is {float(value)}; are the targets such as {name} takes?"
                return
            for name, metric in evaluation.metrics_of(problem, predictions, piece.y).items():
                if metric.result().shape.rank:
                    yield f"metrics: {name} must give one number, not of shape {tuple(metric.result().shape)}"
    except Exception as error:  # Keras and TensorFlow raise what they like; the message is what matters
        yield f"{type(error).__name__}: {plain(error)}"


def compilation_mistakes(problem: Problem, grid: ProblemGrid) -> Iterator[str]:
    """Compile a step and an evaluation, as training will."""
    instance = steps.instantiate(problem, "SGD", {}, 1)
    update, totals = steps.update_of(problem, instance), evaluation.totals_of(problem, instance)
    batch = steps.first_examples(problem).each(tf.convert_to_tensor)
    state = tf.nest.map_structure(tf.constant, steps.packed(instance, instance.state))
    if grid.lanes > 1:  # two show what all would
        state, batch = tf.nest.map_structure(
            lambda part: part if part is None else tf.stack([part] * 2), (state, batch)
        )

    def once(state: Any, batch: Any) -> Any:
        step = update(state, batch, tf.constant(0.0), [])
        return step.loss, totals.results(totals.add(step.state, totals.zeros(), batch))

    once_in_lanes = each_lane(once, grid.lanes)

    try:
        traced = tf.function(once_in_lanes, autograph=False).get_concrete_function(state, batch)
    except Exception as error:
        stacked = f" in {grid.lanes} lanes; leave lanes out" if grid.lanes > 1 else ""
        yield f"the compiled program cannot take the model{culprits(instance.model, False)}{stacked}: {plain(error)}"
        return
    found = [*dict.fromkeys(hidden(traced.graph))]
    yield from found
    if found or not grid.xla:
        return
    try:
        tf.function(once_in_lanes, jit_compile=True, autograph=False)(state, batch)
    except Exception as error:
        yield (
            f"XLA cannot compile the model{culprits(instance.model, True)}; write xla: false beside it in the "
            f"experiment{', or leave lanes out' if grid.lanes > 1 else ''}: {str(error).splitlines()[0]}"
        )


def hidden(graph: tf.Graph) -> Iterator[str]:
    """What a traced step holds that a run's bits would depend on and no run's state has."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    for node in nodes:
        if node.op.startswith(RANDOM):
            yield f"{node.name}: draws from TensorFlow's hidden state; draw with a keras.random.SeedGenerator"
        if node.op in OF_PYTHON:
            yield f"{node.name}: calls Python in the middle of a step, which the compiled program cannot"
    for variable in graph.variables:
        yield (
            f"{variable.name}: is a tf.Variable, which all runs would share; make it with the layer's add_weight, or "
            f"the optimizer's add_variable, and draw with a SeedGenerator that the layer holds"
        )


def culprits(model: keras.Model, xla: bool) -> str:
    """` (layer NAME)` for the layers that cannot be compiled by themselves; nothing where that is not known."""
    names = []
    for layer in model.layers:
        try:
            inputs = tf.nest.map_structure(lambda spec: tf.zeros([2, *spec.shape[1:]], spec.dtype), layer.input)
        except (AttributeError, TypeError, ValueError):  # a layer of a subclassed model does not know its input
            continue
        try:
            tf.function(layer, jit_compile=xla, autograph=False)(inputs)
        except Exception:  # whatever it is, the layer is one that fails
            names.append(layer.name)
    return f" (layer {', '.join(names)})" if names else ""


def loss_name(problem: Problem) -> str:
    return problem.loss if isinstance(problem.loss, str) else str(getattr(problem.loss, "name", problem.loss.__class__))


def model_digest(problem: Problem) -> str:
    """SHA-256, in hexadecimal, of what the model is: its operations, and its initial weights under one seed. So a model
    made of what cannot be seen in the problem's source, such as a file that it reads, is another one."""
    instance = steps.instantiate(problem, "SGD", {}, 1)
    batch = steps.first_examples(problem).each(tf.convert_to_tensor)
    graph = tf.function(lambda x: steps.predict(instance, instance.state, x), autograph=False).get_concrete_function(
        batch.x
    )
    weights = [value for group in instance.state[:2] for value in group]
    operations = [(one.type, [str(part.shape) for part in one.outputs]) for one in graph.graph.get_operations()]
    values = [[str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()] for value in weights]
    return digest([operations, values])


def facts(problem: Problem) -> dict[str, Any]:
    """What the identity of a run and the report need to know about a problem's data and model."""
    model, examples = problem.model(), steps.first_examples(problem)
    predictions = model(examples.x)
    splits = {
        name: {"examples": split.examples, "digest": problems.split_digest(split)}
        for name, split in problem.splits.items()
    }
    probe = problem.probe and {"inputs": problem.probe.x.tolist(), "targets": problem.probe.y.tolist()}
    inputs = [list(x.shape[1:]) for x in tf.nest.flatten(examples.x)]
    return {
        "data": problems.data_digest(problem),
        "shared": shared(problem),
        "model": model_digest(problem),
        "splits": splits,
        "in_memory": problem.in_memory,
        "probe": probe,
        "input_shape": inputs[0] if len(inputs) == 1 else inputs,
        "output_shape": list(predictions.shape[1:]),
        "parameters": model.count_params(),
        "loss": loss_name(problem),
        "metrics": list(problem.all_metrics),
    }
