"""The sizes of the latest step's gradient and update, which every run records."""

from typing import Any

from thalweg.quantities import Column, Quantity, Snapshot, Tools


def compute(tools: Tools, snapshot: Snapshot) -> Any:
    """Return the norm of the gradient, and the norm of the update divided by that of the weights before it."""
    import tensorflow as tf

    change = [after - before for after, before in zip(snapshot.state.trainable, snapshot.previous_weights, strict=True)]
    return tf.stack([tools.norm(snapshot.gradients), tools.norm(change) / tools.norm(snapshot.previous_weights)])


QUANTITY = Quantity(
    name="latest_step",
    columns=(
        Column("gradient_norm", "", "norm of the gradient of the latest step's batch, before clipping"),
        Column("update_ratio", "", "norm of what the latest step changed / norm of all trainable weights before it"),
    ),
    compute=compute,
    always=True,
    of_latest_step=True,
)
