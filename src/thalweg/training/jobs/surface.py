"""The train loss of a model with two weights on a grid around the paths that its evaluation runs took."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thalweg.experiment.schema import load
from thalweg.results import store
from thalweg.training.engine import settings
from thalweg.training.jobs import devices

if TYPE_CHECKING:
    from thalweg.training.problem import Problem

POINTS = 81
"""How many points the grid has along each weight."""

REACH = 0.95
"""The share of paths that the grid is as wide as, to each side: a few that fly off set no scale."""

MARGIN = 0.08
"""How far the grid goes on beyond them to each side, as a share of its width."""

WEIGHTS = ("weight_0", "weight_1")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.training.jobs.surface", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--problem", required=True, help="a problem that records its weights")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    arguments = parser.parse_args()
    experiment, problem = load(arguments.experiment), arguments.problem
    folders = [
        store.shard_folder(arguments.results, "evaluation", problem, optimizer) for optimizer in experiment.optimizers
    ]
    points = grid_around(paths(folders))
    with devices.leased("cpu", arguments.results):
        settings.start_tensorflow(precision=experiment.problems[problem].precision)
        from thalweg.training.problem import load as load_problem

        losses = train_losses(load_problem(experiment.directory, problem)[0], points)
    columns = {**dict(zip(WEIGHTS, points.T, strict=True)), "train_loss": losses}
    store.write_table(store.surface_file(arguments.results, problem), pa.table(columns))


def paths(folders: Iterable[Path]) -> list[np.ndarray]:
    """What each evaluation run recorded of its weights, (points, 2), from the shards in some folders."""
    runs, histories = (store.read_shards(folders, name) for name in ("runs", "histories"))
    evaluated = runs.filter(pc.equal(runs["stage"], "evaluation"))["run"]
    mine = histories.filter(pc.is_in(histories["run"], evaluated)).select(["run", *WEIGHTS]).drop_null()
    run, points = mine["run"].to_numpy(), np.column_stack([mine[name].to_numpy() for name in WEIGHTS])
    return np.split(points, np.flatnonzero(run[1:] != run[:-1]) + 1) if len(run) else []


def grid_around(found: list[np.ndarray]) -> np.ndarray:
    """The points of a regular grid around some paths, float32, (POINTS², 2), the second weight changing first; from −1
    to 1 where there are none."""
    lowest = [path.min(axis=0) for path in found] or [-np.ones(2)]
    highest = [path.max(axis=0) for path in found] or [np.ones(2)]
    low, high = np.quantile(lowest, 1 - REACH, axis=0), np.quantile(highest, REACH, axis=0)
    margin = MARGIN * np.where(high > low, high - low, 1.0)
    axes = np.linspace(low - margin, high + margin, POINTS, dtype=np.float32).T
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def train_losses(problem: "Problem", points: np.ndarray) -> np.ndarray:
    """The loss over the whole training split, as histories have it, at each of the points, (points, 2): (points,),
    float32. State that is not trained is as the model was built with it."""
    import tensorflow as tf

    from thalweg.training.engine import evaluation, packing, steps
    from thalweg.training.problem import Split, pieces

    instance = steps.instantiate(problem, "SGD", {}, 1)
    totals, own = evaluation.totals_of(problem, instance), instance.model.trainable_variables

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def add(so_far: steps.Tensors, *piece: Any) -> Any:
        def at_one(point_and_totals: tuple[tf.Tensor, steps.Tensors]) -> steps.Tensors:
            point, mine = point_and_totals
            state = instance.state._replace(trainable=packing.unpack(point, own))
            return totals.add(state, mine, Split(*piece))

        shapes = [tf.TensorSpec(part.shape[1:], part.dtype) for part in so_far]
        return tf.map_fn(at_one, (points, so_far), fn_output_signature=shapes)

    so_far = [tf.repeat(zero[None], len(points), axis=0) for zero in totals.zeros()]
    for piece in pieces(problem.train):
        so_far = add(so_far, *piece.each(tf.convert_to_tensor))
    losses = tf.map_fn(lambda held: totals.results(held)[0], so_far, fn_output_signature=tf.float32)
    return np.asarray(losses)


if __name__ == "__main__":
    main()
    settings.leave()
