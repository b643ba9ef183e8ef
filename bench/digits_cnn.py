"""The article's kind of classifier: a small convolutional network on images of digits, 10 epochs of Adam."""

import itertools

import ours
import shared
from turns import Run, Way

EPOCHS, RATE = 10, 0.001
STEPS = {32: 340, 256: 50}
"""By batch size: 34 or 5 steps an epoch, the last on what is left of the 1,078 images."""


def setting(batch: int) -> ours.Setting:
    return ours.Setting("digits_cnn", "adam", "constant", RATE, batch, EPOCHS)


def fit(batch: int) -> Run:
    model, train = compiled()

    def run():
        model.fit(train.x, train.y, epochs=EPOCHS, batch_size=batch, verbose=0)
        return lambda: float(model.evaluate(train.x, train.y, verbose=0))

    return run


def fit_tuned(batch: int, xla: bool, epochs: int) -> Run:
    """So many epochs in one execution, with XLA or without."""
    import tensorflow as tf

    steps = STEPS[batch] * epochs // EPOCHS
    model, train = compiled(jit_compile=xla, steps_per_execution=steps)
    data = tf.data.Dataset.from_tensor_slices((train.x, train.y)).cache().shuffle(len(train.x)).batch(batch).repeat()

    def run():
        model.fit(data, epochs=EPOCHS // epochs, steps_per_epoch=steps, verbose=0)
        return lambda: float(model.evaluate(train.x, train.y, verbose=0))

    return run


def compiled(**how):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(1)
    problem = ours.load("digits_cnn")
    model = problem.model()
    model.compile(tf.keras.optimizers.Adam(RATE), problem.loss, **how)
    return model, problem.train


def torch_eager(batch: int, fused: bool) -> Run:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    given = shared.read(f"digits_cnn_{batch}")
    x, y = torch.from_numpy(given.x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(given.y).long()
    epochs = torch.from_numpy(given.order).long().reshape(EPOCHS, -1)

    def run():
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding="same"),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(256, 10),
        )
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), given.weights, strict=True):
                parameter.copy_(channels_first(torch.from_numpy(value)))
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, eps=1e-7, fused=fused or None)
        for order in epochs:
            for rows in order.split(batch):
                optimizer.zero_grad()
                cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
        return lambda: cross_entropy(model(x), y).item()

    return run


def channels_first(value):
    """A weight of Keras as PyTorch keeps it; the dense layer's inputs are 4 × 4 places of 16 channels."""
    if value.ndim == 4:
        return value.permute(3, 2, 0, 1)
    return value.reshape(4, 4, 16, 10).permute(3, 2, 0, 1).reshape(10, 256) if value.ndim == 2 else value


def ways(batch: int) -> dict[str, Way]:
    tuned = {
        f"model.fit, {'XLA, ' if xla else ''}{'all steps' if epochs > 1 else 'an epoch'} in one execution": Way(
            lambda xla=xla, epochs=epochs: fit_tuned(batch, xla, epochs)
        )
        for xla, epochs in itertools.product((False, True), (1, EPOCHS))
    }
    return {
        "thalweg": Way(lambda: ours.prepare(setting(batch), leave=f"digits_cnn_{batch}")),
        "thalweg, training only": Way(lambda: ours.prepare(setting(batch), evaluation_points=2)),
        "model.fit": Way(lambda: fit(batch)),
        **tuned,
        "PyTorch, eager": Way(lambda: torch_eager(batch, fused=False), "torch"),
        "PyTorch, eager, fused Adam": Way(lambda: torch_eager(batch, fused=True), "torch"),
    }


BATCHES = {batch: ways(batch) for batch in STEPS}
WAYS = {f"{name} ({batch})": way for batch, of_batch in BATCHES.items() for name, way in of_batch.items()}
