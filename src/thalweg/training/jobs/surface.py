"""The train loss of a model with two weights on a grid around the paths that its evaluation runs took."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thalweg.experiment.loading import load
from thalweg.results import layout, shards
from thalweg.training.engine import settings
from thalweg.training.jobs import devices

if TYPE_CHECKING:
    from thalweg.training.problem import Problem

GRID_POINTS = 81
"""How many points the grid has along each weight."""

COVERED_PATHS = 0.95
"""The share of paths that the grid covers, to each side: a few that fly off set no scale."""

MARGIN = 0.08
"""How far the grid extends beyond them to each side, as a share of their width."""

WEIGHTS = ("weight_0", "weight_1")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.jobs.surface", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--problem", required=True, help="a problem that records its weights")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    arguments = parser.parse_args()
    experiment, problem = load(arguments.experiment), arguments.problem
    folders = [
        layout.shard_folder(arguments.results, "evaluation", problem, optimizer) for optimizer in experiment.optimizers
    ]
    points = grid_around(read_paths(folders))
    with devices.leased("cpu", arguments.results):
        settings.start_tensorflow(precision=experiment.problems[problem].precision)
        from thalweg.training.problem import load as load_problem

        losses = train_losses(load_problem(experiment.directory, problem)[0], points)
    columns = {**dict(zip(WEIGHTS, points.T, strict=True)), "train_loss": losses}
    shards.write_table(layout.surface_file(arguments.results, problem), pa.table(columns))


def read_paths(folders: Iterable[Path]) -> list[np.ndarray]:
    """Read the two weights that each evaluation run recorded, (evaluation points, 2), from the shards in folders."""
    runs, histories = (shards.read_shards(folders, name) for name in ("runs", "histories"))
    evaluated = runs.filter(pc.equal(runs["stage"], "evaluation"))["run"]
    recorded = histories.filter(pc.is_in(histories["run"], evaluated)).select(["run", *WEIGHTS]).drop_null()
    run, points = recorded["run"].to_numpy(), np.column_stack([recorded[name].to_numpy() for name in WEIGHTS])
    return np.split(points, np.flatnonzero(run[1:] != run[:-1]) + 1) if len(run) else []


def grid_around(paths: list[np.ndarray]) -> np.ndarray:
    """Return the points of a regular grid around paths, float32, (GRID_POINTS², 2), the second weight changing first.

    Args:
        paths: The weights along each path, (points, 2). Without any, the grid goes from −1 to 1.
    """
    lowest = [path.min(axis=0) for path in paths] or [-np.ones(2)]
    highest = [path.max(axis=0) for path in paths] or [np.ones(2)]
    low, high = np.quantile(lowest, 1 - COVERED_PATHS, axis=0), np.quantile(highest, COVERED_PATHS, axis=0)
    margin = MARGIN * np.where(high > low, high - low, 1.0)
    axes = np.linspace(low - margin, high + margin, GRID_POINTS, dtype=np.float32).T
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def train_losses(problem: "Problem", points: np.ndarray) -> np.ndarray:
    """Return the loss over the whole training split at given weights, as histories record it: float32, (points,).

    Args:
        problem: A problem with two trainable weights. State that is not trained is as its model builds it.
        points: The weights, (points, 2).
    """
    import tensorflow as tf

    from thalweg.training.engine import evaluation, flattening, steps
    from thalweg.training.problem import Split, pieces

    instance = steps.instantiate(problem, "SGD", {}, 1)
    split_evaluation, own = evaluation.make_split_evaluation(problem, instance), instance.model.trainable_variables

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def add(so_far: steps.Tensors, *piece: Any) -> Any:
        def at_one(point_and_totals: tuple[tf.Tensor, steps.Tensors]) -> steps.Tensors:
            point, totals = point_and_totals
            state = instance.state._replace(trainable=flattening.unflatten(point, own))
            return split_evaluation.add(state, totals, Split(*piece))

        shapes = [tf.TensorSpec(part.shape[1:], part.dtype) for part in so_far]
        return tf.map_fn(at_one, (points, so_far), fn_output_signature=shapes)

    so_far = [tf.repeat(zero[None], len(points), axis=0) for zero in split_evaluation.zeros()]
    for piece in pieces(problem.train):
        so_far = add(so_far, *piece.each(tf.convert_to_tensor))
    losses = tf.map_fn(lambda totals: split_evaluation.results(totals)[0], so_far, fn_output_signature=tf.float32)
    return np.asarray(losses)


if __name__ == "__main__":
    main()
    settings.exit_process()
