"""The article's first snippet: one unit learns six points of a line in 500 steps of SGD, one batch an epoch."""

import ours
from turns import Run, Way

EPOCHS = STEPS = 500
SETTING = ours.Setting("linear", "sgd", "constant", learning_rate=0.01, batch_size=6, epochs=EPOCHS)


def fit() -> Run:
    """As the article writes it, but for the arrays that Keras 3 wants."""
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(1)
    x = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0], np.float32)[:, None]
    y = 2 * x - 1
    model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.01), "mean_squared_error")

    def run():
        model.fit(x, y, epochs=EPOCHS, verbose=0)
        return lambda: float(model.evaluate(x, y, verbose=0))

    return run


WAYS = {
    "thalweg": Way(lambda: ours.prepare(SETTING)),
    "thalweg, training only": Way(lambda: ours.prepare(SETTING, evaluation_points=2)),
    "model.fit, as the article writes it": Way(fit),
}
