"""The article's third snippet: a 64-64-1 ReLU network learns 100 points of sin(x) in 2,000 steps of Adam."""

import ours
import shared
from turns import Run, Way

EPOCHS, BATCH, STEPS = 500, 32, 2000
SETTING = ours.Setting("sine", "adam", "staircase", learning_rate=0.01, batch_size=BATCH, epochs=EPOCHS)
BETAS, EPSILON = (0.9, 0.999), 1e-7


def fit() -> Run:
    """As the article writes it, but for what it leaves to chance and to Keras 3: `linspace` and the dtype."""
    model, x, y = article()
    return lambda: last_loss(model, x, y, model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0))


def fit_tuned() -> Run:
    """Compiled by XLA, all steps in one execution."""
    import tensorflow as tf

    model, x, y = article(jit_compile=True, steps_per_execution=STEPS)
    data = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x)).batch(BATCH).repeat()
    return lambda: last_loss(model, x, y, model.fit(data, epochs=1, steps_per_epoch=STEPS, verbose=0))


def article(**compiled):
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(1)
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
    model.compile(tf.keras.optimizers.Adam(rate), "mse", **compiled)
    return model, x, np.sin(x)


def last_loss(model, x, y, _history):
    return lambda: float(model.evaluate(x, y, batch_size=len(x), verbose=0))


def torch_eager(fused: bool = False) -> Run:
    import torch
    from torch.nn import Linear, ReLU, Sequential
    from torch.nn.functional import mse_loss

    torch.set_num_threads(1)
    given = shared.read("third_snippet")
    x, y = torch.from_numpy(given.x), torch.from_numpy(given.y)
    epochs = torch.from_numpy(given.order).long().reshape(EPOCHS, -1)
    rates = given.rates.tolist()

    def run():
        model = Sequential(Linear(1, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, 1))
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), given.weights, strict=True):
                parameter.copy_(torch.from_numpy(value.T))
        optimizer = torch.optim.Adam(model.parameters(), betas=BETAS, eps=EPSILON, fused=fused or None)
        step = 0
        for order in epochs:
            for batch in order.split(BATCH):
                optimizer.param_groups[0]["lr"] = rates[step]
                optimizer.zero_grad()
                mse_loss(model(x[batch]), y[batch]).backward()
                optimizer.step()
                step += 1
        return lambda: mse_loss(model(x), y).item()

    return run


def jax_scan() -> Run:
    """One compiled scan over the epochs, the four batches of an epoch written out in it, and Adam by hand."""
    import jax
    import jax.numpy as jnp

    given = shared.read("third_snippet")
    x, y = jnp.asarray(given.x), jnp.asarray(given.y)
    epochs = jnp.asarray(given.order).reshape(EPOCHS, -1)
    starts = range(0, epochs.shape[1], BATCH)
    step = jnp.arange(1, STEPS + 1, dtype=jnp.float32)
    corrected = given.rates * jnp.sqrt(1 - BETAS[1] ** step) / (1 - BETAS[0] ** step)

    def loss(weights, x, y):
        a, b, c, d, e, f = weights
        hidden = jax.nn.relu(jax.nn.relu(x @ a + b) @ c + d)
        return jnp.mean((hidden @ e + f - y) ** 2)

    def update(carried, batch, rate):
        weights, first, second = carried
        gradients = jax.grad(loss)(weights, x[batch], y[batch])
        first = [m + (g - m) * (1 - BETAS[0]) for m, g in zip(first, gradients, strict=True)]
        second = [v + (g * g - v) * (1 - BETAS[1]) for v, g in zip(second, gradients, strict=True)]
        moved = zip(weights, first, second, strict=True)
        return [w - rate * m / (jnp.sqrt(v) + EPSILON) for w, m, v in moved], first, second

    def epoch(carried, given):
        order, rates = given
        for k, start in enumerate(starts):
            carried = update(carried, order[start : start + BATCH], rates[k])
        return carried, None

    @jax.jit
    def train(weights, epochs, rates):
        zeros = [jnp.zeros_like(w) for w in weights]
        return jax.lax.scan(epoch, (weights, zeros, zeros), (epochs, rates.reshape(len(epochs), -1)))[0][0]

    weights = [jnp.asarray(value) for value in given.weights]

    def run():
        final = jax.block_until_ready(train(weights, epochs, corrected))
        return lambda: float(loss(final, x, y))

    return run


WAYS = {
    "thalweg": Way(lambda: ours.prepare(SETTING, leave="third_snippet")),
    "thalweg, training only": Way(lambda: ours.prepare(SETTING, evaluation_points=2)),
    "model.fit, as the article writes it": Way(fit),
    "model.fit, XLA, all steps in one execution": Way(fit_tuned),
    "PyTorch, eager": Way(torch_eager, "torch"),
    "PyTorch, eager, fused Adam": Way(lambda: torch_eager(fused=True), "torch"),
    "JAX, jit of scan": Way(jax_scan, "jax"),
}
FIRST = ("thalweg", "model.fit, as the article writes it")
"""The ways that are also timed from the start of their process to the end of their first run."""
