"""Start TensorFlow with every setting that can change a run's bits set here, whatever the shell or the home holds."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
"""Environment variables with the values that all runs are trained under."""

REMOVED_PREFIXES = ("CUBLAS_", "CUDNN_", "DNNL_", "KERAS_", "NPY_", "NVIDIA_TF32", "ONEDNN_", "TF_", "XLA_")
"""How environment variables begin that could change bits; whatever the shell has of them is removed."""

KEPT_VARIABLES = ("TF_CPP_MIN_LOG_LEVEL", "TF_CPP_VMODULE", "XLA_PYTHON_CLIENT_MEM_FRACTION")
"""Those that only change what is printed, or how much memory is taken."""


HIDDEN_PACKAGES = ("matplotlib", "pandas", "scipy", "sklearn")
"""Packages that Keras loads if they are there, for what no training uses. They take 40 % of the time to start."""


def start_tensorflow(device: str = "cpu", threads: int = 1, precision: str = "float32") -> None:
    """Import TensorFlow and Keras with the settings under which all runs are trained.

    Args:
        device: `cpu` or `gpu`.
        threads: How many threads an operation may use.
        precision: Keras's dtype policy.
    """
    for name in [name for name in os.environ if name.startswith(REMOVED_PREFIXES) and name not in KEPT_VARIABLES]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT, OMP_NUM_THREADS=str(threads))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    with _hide_packages(*HIDDEN_PACKAGES):
        import keras
        import tensorflow as tf

    # TensorFlow would write x·c·y as c·(x·y) where it sees that c is constant, and sees it in one program and not in
    # another. So it departs by 4e-6 from itself within 200 steps with weight decay, Muon and global_clipnorm.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(precision)
    if device == "gpu" or threads > 1:  # one thread of a processor is deterministic as it is
        tf.config.experimental.enable_op_determinism()


@contextmanager
def _hide_packages(*names: str) -> Iterator[None]:
    """Let imports of these packages fail for the duration, as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def exit_process() -> NoReturn:
    """End the process, whose work is done and written, without taking TensorFlow down first: that takes a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
