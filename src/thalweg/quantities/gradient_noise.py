"""The gradient of the whole training split, and how the gradients of single examples scatter about it.

All are measured at one point, from the gradients of the first epoch's whole batches, at weights that stay as they are.
"""

from typing import Any

from thalweg.quantities import Column, Quantity, Snapshot, Tools


def compute(tools: Tools, snapshot: Snapshot) -> Any:
    """Return |G|, tr(Σ) and tr(Σ) / |G|², float32, (3,)."""
    import tensorflow as tf

    batch_size = tools.horizon.batch_size
    count = tools.horizon.examples // batch_size

    def add(k: Any, total: Any, squares: Any) -> Any:
        rows = tf.reshape(snapshot.first_epoch, [count, batch_size])[k]
        gradients = tools.gradient(snapshot.state, snapshot.examples.each(lambda array: tf.gather(array, rows)))
        return k + 1, [a + b for a, b in zip(total, gradients, strict=True)], squares + tools.norm(gradients) ** 2

    zeros = [tf.zeros_like(value) for value in snapshot.state.trainable]
    _, total, squares = tf.while_loop(lambda k, *_: k < count, add, (tf.constant(0), zeros, tf.constant(0.0)))
    return tf.stack(noise_scale(tools.norm(total) / count, squares / count, count, batch_size))


def noise_scale(mean_norm: Any, mean_square: Any, batches: int, batch_size: int) -> list[Any]:
    """Return |G|, tr(Σ) and the simple noise scale tr(Σ) / |G|² (McCandlish et al. 2018, arXiv:1812.06162, eq. 2.9).

    Each of the K batches is a mean of b of the N = K·b examples, drawn without replacement, and so scatters about the
    mean of all by tr(Σ)/b · (1 − b/N).

    Args:
        mean_norm: The norm of the mean of the batches' gradients, |G|.
        mean_square: The mean of the squared norms of the batches' gradients.
        batches: The number of batches, K. Of one alone no variance is known: it is NaN.
        batch_size: The number of examples in a batch, b.
    """
    import tensorflow as tf

    examples = batches * batch_size
    scatter = mean_square - mean_norm**2
    variance = scatter * batch_size / (1 - batch_size / examples) if batches > 1 else tf.constant(float("nan"))
    return [mean_norm, variance, variance / mean_norm**2]


QUANTITY = Quantity(
    name="gradient_noise",
    columns=(
        Column("full_gradient_norm", "", "norm |G| of the gradient of the training split"),
        Column("gradient_variance", "", "trace tr(Σ) of the covariance of single examples' gradients"),
        Column("gradient_noise_scale", "examples", "tr(Σ) / |G|²: the batch size whose noise equals the gradient"),
    ),
    compute=compute,
    needs_data_in_memory=True,
)
