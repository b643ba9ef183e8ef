"""What these tests record of Keras's own training."""

import keras


class BatchLosses(keras.callbacks.Callback):
    """The loss of each batch. Keras logs the mean since the epoch began, so the mean is begun anew at each batch."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
