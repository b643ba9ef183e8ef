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

from thalweg.experiment.errors import one_line, suggest
from thalweg.experiment.schema import Experiment, ProblemGrid
from thalweg.hashing import digest
from thalweg.quantities import recorded_quantities
from thalweg.training import problem as problems
from thalweg.training.engine import evaluation, records, steps
from thalweg.training.engine.loop import vectorize_lanes
from thalweg.training.problem import Problem, Source, Split, pieces

RANDOM_OPERATIONS = (
    "RandomUniform",
    "RandomStandardNormal",
    "TruncatedNormal",
    "RandomShuffle",
    "RandomGamma",
    "Multinomial",
)
"""How the names of TensorFlow's operations begin that draw from a hidden state, which no seed of a run reaches."""

PYTHON_OPERATIONS = ("PyFunc", "EagerPyFunc", "PyFuncStateless")


def check_problem(experiment: Experiment, name: str) -> dict[str, Any]:
    """Check a problem as training will use it.

    Returns:
        What is known about the problem, ready for JSON. `mistakes` lists what is wrong with it; if there are any, the
        rest may be absent.
    """
    file, grid = experiment.problem_file(name), experiment.problems[name]
    check: dict[str, Any] = {"problem": name, "mistakes": []}
    try:
        problem, description = problems.load(experiment.directory, name)
        if not isinstance(problem, Problem):
            raise TypeError(f"problem() must return a thalweg.training.problem.Problem, not {type(problem).__name__}")
        again, _ = problems.load(experiment.directory, name)
        check["mistakes"] += [f"{file}: {mistake}" for mistake in [*field_mistakes(problem), *data_mistakes(problem)]]
        if not check["mistakes"] and problems.data_digest(problem) != problems.data_digest(again):
            check["mistakes"].append(f"{file}: problem() makes other data at each call; give what draws them a seed")
        if not check["mistakes"]:
            for mistake in model_mistakes(problem, grid):  # one at a time: what was found before an error counts
                check["mistakes"].append(f"{file}: {mistake}")
        if not check["mistakes"]:
            check |= {"description": description, **describe(problem)}
            check["mistakes"] += grid_mistakes(experiment, name, problem)
            if not grid.shared_examples:
                check["mistakes"] += overlap_mistakes(name, check["splits"], check["shared"])
    # A problem file is the user's own code: whatever it raises is reported, with its line.
    except (Exception, SystemExit) as error:
        places: list[tuple[Any, Any]] = [
            (frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)
        ]
        places += [(error.filename, error.lineno)] if isinstance(error, SyntaxError) else []
        # Python names a module's file from the root, whatever the folder is called here.
        lines = [line for name, line in places if name and Path(name) == file.absolute()]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        check["mistakes"].append(f"{where}: {type(error).__name__}: {one_line(error)}{_nearest_field(error)}")
    return check


def _nearest_field(error: BaseException) -> str:
    """Return a hint at the field of a Problem that a misspelt one was meant to be."""
    unknown = re.search(r"Problem\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    return suggest(unknown[1], [field.name for field in fields(Problem)]) if unknown else ""


MAX_SPLIT_MISTAKES = 5
"""How many mistakes of one split are reported."""

MAX_STEPS = 100_000_000
"""How many steps a run may have: the learning rates of all are held in memory."""

MAX_SHARED = 0.01
"""The share of a split that may be in another one: real data hold some examples twice."""


def field_mistakes(problem: Problem) -> Iterator[str]:
    """Yield what is wrong with the types of the problem's fields other than its splits."""
    if not callable(problem.model) or isinstance(problem.model, keras.Model):
        yield f"model must be a function that builds the model anew, not {type(problem.model).__name__}; write lambda:"
    for field in ("metrics", "weighted_metrics"):
        metrics = getattr(problem, field)
        if not isinstance(metrics, Mapping):
            yield f"{field} must be a dict of metrics by name, as in {{'error': 'mae'}}, not {type(metrics).__name__}"
    if not isinstance(problem.probe, Split | None):
        yield f"probe must be a Split, not {type(problem.probe).__name__}"


def data_mistakes(problem: Problem) -> Iterator[str]:
    """Yield what is wrong with the splits and the probe."""
    probe = {"probe": problem.probe} if isinstance(problem.probe, Split) else {}
    for split_name, split in {**problem.splits, **probe}.items():
        if isinstance(split, Source):
            yield from (f"{split_name}: {mistake}" for mistake in islice(source_mistakes(split), MAX_SPLIT_MISTAKES))
        elif not isinstance(split, Split):
            yield f"{split_name} must be a Split or a Source, not {type(split).__name__}"
        else:
            yield from (f"{split_name}.{mistake}" for mistake in islice(split_mistakes(split), MAX_SPLIT_MISTAKES))
    if probe and not isinstance(probe["probe"].x, np.ndarray):
        yield "probe.x must be one array"


def split_mistakes(split: Split) -> Iterator[str]:
    """Yield what is wrong with the arrays of a split."""
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
    """Yield what is wrong with one epoch of a source, read in pieces as evaluation reads it."""
    examples = 0
    for number, piece in enumerate(pieces(source)):
        arrays = piece.each(np.asarray)
        yield from (f"batch {number}: {mistake}" for mistake in split_mistakes(arrays))
        examples += arrays.examples
        if examples > source.examples:  # it may have no end
            yield f"its batches hold more examples in an epoch than the {source.examples} that examples says"
            return
    if examples != source.examples:
        yield f"its batches hold {examples} examples in an epoch, but examples says {source.examples}"


def grid_mistakes(experiment: Experiment, name: str, problem: Problem) -> Iterator[str]:
    """Yield what the experiment requests of the problem that the problem cannot give."""
    grid = experiment.problems[name]
    sizes = [(f"problems.{name}.batch_sizes", size) for size in grid.batch_sizes]
    sizes += [
        (f"reproductions.{key}.batch_size", reproduction.batch_size)
        for key, reproduction in experiment.reproductions.items()
        if reproduction.problem == name
    ]
    examples = problem.train.examples
    for key, size in sizes:
        if size > examples:
            yield f"{key}: {size} is more than the {examples} training examples of {name}"
        steps_of_run = grid.horizon(examples, size).steps
        if steps_of_run > MAX_STEPS:
            yield f"{key}: {size} makes {steps_of_run:,} steps; at most {MAX_STEPS:,} can be trained"
    columns = records.metric_columns(problem)
    if grid.target and grid.target.column not in columns:
        yield (
            f"problems.{name}.target: {grid.target.column} is not recorded{suggest(grid.target.column, columns)}; "
            f"there are {', '.join(columns)}"
        )
    if grid.lanes > 1 and grid.precision != "float32" and not grid.xla:
        yield f"problems.{name}.lanes: without XLA, runs in {grid.precision} differ when stacked; write xla: true"
    quantities = recorded_quantities(grid.record)
    for quantity in quantities:
        count = sum(int(np.prod(weight.shape)) for weight in steps.build_model(problem).trainable_variables)
        if mistake := quantity.find_mistake(name, count):
            yield f"problems.{name}.record: {mistake}"
    if not problem.in_memory:
        if grid.lanes > 1:
            yield f"problems.{name}.lanes: runs on a Source cannot be stacked; leave lanes out"
        if grid.data_order == "fixed":
            yield f"problems.{name}.data_order: the order of a Source is its own; leave data_order out"
        for quantity in quantities:
            if quantity.needs_data_in_memory:
                yield f"problems.{name}.record: {quantity.name} needs the training data in memory; they are a Source"


def overlap_mistakes(name: str, splits: dict[str, Any], overlaps: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the splits that share more than a share of MAX_SHARED of their examples: then the later one proves little.

    Splits that are equal as a whole are taken to be intended, as where a source has no other data; the report says it.
    """
    for overlap in overlaps:
        (first, second), count = overlap["splits"], overlap["examples"]
        examples = splits[second]["examples"]
        if count > MAX_SHARED * examples and splits[first]["digest"] != splits[second]["digest"]:
            yield (
                f"problems.{name}: {count} of the {examples} examples of {second} are in {first} too; draw the splits "
                f"apart, or write shared_examples: true if that is meant"
            )


def shared_examples(problem: Problem) -> list[dict[str, Any]]:
    """Return the pairs of splits with equal examples, to the bit, and how many of the later split they are."""
    rows = {name: row_digests(split) for name, split in problem.splits.items()}
    known = {name: set(of_split) for name, of_split in rows.items()}
    counts = {
        (first, second): sum(row in known[first] for row in rows[second]) for first, second in combinations(rows, 2)
    }
    return [{"splits": list(pair), "examples": count} for pair, count in counts.items() if count]


def row_digests(split: Split | Source) -> list[bytes]:
    """Return a digest of each example's inputs and target."""
    digests = []
    for piece in pieces(split):
        columns = [np.asarray(array) for name, array in piece.arrays.items() if name != "weights"]
        for example in zip(*columns, strict=True):
            digests.append(hashlib.blake2b(b"".join(part.tobytes() for part in example), digest_size=16).digest())
    return digests


def model_mistakes(problem: Problem, grid: ProblemGrid) -> Iterator[str]:
    """Yield what is wrong with the model, loss and metrics: on all data, as at the first evaluation, then compiled."""
    model, loss = problem.model(), steps.resolve_loss(problem)
    if not isinstance(model, keras.Model):
        yield f"model must build a keras.Model, not {type(model).__name__}"
        return
    overrides = [*override_mistakes(model)]
    yield from overrides
    if overrides:
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
    splits_by_mistake: dict[str, list[str]] = {}
    for split_name, split in problem.splits.items():
        for mistake in dict.fromkeys(evaluation_mistakes(problem, model, loss, split)):
            splits_by_mistake.setdefault(mistake, []).append(split_name)
    yield from (f"{', '.join(splits)}: {mistake}" for mistake, splits in splits_by_mistake.items())
    if problem.probe is not None:
        predicted = int(np.size(model(problem.probe.x)))
        if predicted != problem.probe.y.size:
            yield f"probe: has {problem.probe.y.size} targets for {predicted} predicted values"
    if not splits_by_mistake and model.trainable_variables:
        weight_mistakes = [*initial_weight_mistakes(problem)]
        yield from weight_mistakes or compilation_mistakes(problem, grid)


def initial_weight_mistakes(problem: Problem) -> Iterator[str]:
    """Yield why the initial weights follow from more than the seed, or are changed by more than the optimizer."""
    if problem.model() is problem.model():
        yield "model returns the same model each time; build it anew, so that each seed draws its own weights"
        return
    first, _, again = (steps.instantiate(problem, "SGD", {}, seed).state for seed in (1, 2, 1))
    both = zip(first.trainable + first.non_trainable, again.trainable + again.non_trainable, strict=True)
    if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in both):
        yield "the same seed draws other initial weights each time; draw them by Keras's initializers without a seed"
        return
    model, batch = steps.build_model(problem), steps.first_examples(problem)
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


def override_mistakes(model: keras.Model) -> Iterator[str]:
    """Yield what a model overrides or keeps that the compiled program would ignore."""
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
    """Yield what is wrong with the loss and the metrics of the untrained model on a split."""
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
            for name, metric in evaluation.build_metrics(problem, predictions, piece.y).items():
                if metric.result().shape.rank:
                    yield f"metrics: {name} must give one number, not of shape {tuple(metric.result().shape)}"
    except Exception as error:  # Keras and TensorFlow raise what they like; the message is what matters
        yield f"{type(error).__name__}: {one_line(error)}"


def compilation_mistakes(problem: Problem, grid: ProblemGrid) -> Iterator[str]:
    """Yield why a step and an evaluation cannot be compiled, as training compiles them."""
    instance = steps.instantiate(problem, "SGD", {}, 1)
    update, metrics = steps.make_update(problem, instance), evaluation.make_split_evaluation(problem, instance)
    batch = steps.first_examples(problem).each(tf.convert_to_tensor)
    state = tf.nest.map_structure(tf.constant, steps.flatten_state(instance, instance.state))
    if grid.lanes > 1:  # two show what all would
        state, batch = tf.nest.map_structure(
            lambda part: part if part is None else tf.stack([part] * 2), (state, batch)
        )

    def once(state: Any, batch: Any) -> Any:
        step = update(state, batch, tf.constant(0.0), [])
        return step.loss, metrics.results(metrics.add(step.state, metrics.zeros(), batch))

    once_in_lanes = vectorize_lanes(once, grid.lanes)

    try:
        traced = tf.function(once_in_lanes, autograph=False).get_concrete_function(state, batch)
    except Exception as error:
        stacked = f" in {grid.lanes} lanes; leave lanes out" if grid.lanes > 1 else ""
        layers = failing_layers(instance.model, xla=False)
        yield f"the compiled program cannot take the model{layers}{stacked}: {one_line(error)}"
        return
    mistakes = [*dict.fromkeys(hidden_state_mistakes(traced.graph))]
    yield from mistakes
    if mistakes or not grid.xla:
        return
    try:
        tf.function(once_in_lanes, jit_compile=True, autograph=False)(state, batch)
    except Exception as error:
        yield (
            f"XLA cannot compile the model{failing_layers(instance.model, True)}; write xla: false beside it in the "
            f"experiment{', or leave lanes out' if grid.lanes > 1 else ''}: {str(error).splitlines()[0]}"
        )


def hidden_state_mistakes(graph: tf.Graph) -> Iterator[str]:
    """Yield what a traced step depends on that is not part of a run's state."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    for node in nodes:
        if node.op.startswith(RANDOM_OPERATIONS):
            yield f"{node.name}: draws from TensorFlow's hidden state; draw with a keras.random.SeedGenerator"
        if node.op in PYTHON_OPERATIONS:
            yield f"{node.name}: calls Python in the middle of a step, which the compiled program cannot"
    for variable in graph.variables:
        yield (
            f"{variable.name}: is a tf.Variable, which all runs would share; make it with the layer's add_weight, or "
            f"the optimizer's add_variable, and draw with a SeedGenerator that the layer holds"
        )


def failing_layers(model: keras.Model, xla: bool) -> str:
    """Return ` (layer NAME)` for the layers that cannot be compiled by themselves; nothing where that is not known."""
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
    """Return the loss by its name."""
    return problem.loss if isinstance(problem.loss, str) else str(getattr(problem.loss, "name", problem.loss.__class__))


def model_digest(problem: Problem) -> str:
    """Return the SHA-256, in hexadecimal, of the model's operations and of its initial weights under one seed.

    So a model is another one if it depends on something outside the problem's source, such as a file that has changed.
    """
    instance = steps.instantiate(problem, "SGD", {}, 1)
    batch = steps.first_examples(problem).each(tf.convert_to_tensor)
    graph = tf.function(lambda x: steps.predict(instance, instance.state, x), autograph=False).get_concrete_function(
        batch.x
    )
    weights = [value for group in instance.state[:2] for value in group]
    operations = [(node.type, [str(part.shape) for part in node.outputs]) for node in graph.graph.get_operations()]
    values = [[str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()] for value in weights]
    return digest([operations, values])


def describe(problem: Problem) -> dict[str, Any]:
    """Return what the identity of a run and the report need to know about a problem's data and model."""
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
        "shared": shared_examples(problem),
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
