"""Which device a run gets, and how TensorFlow is started so that nothing from outside changes a run's bits."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

SET_BY_US = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
"""Environment variables that change bits or behaviour, with the values that all runs are trained under."""

REMOVED_BY_US = ("NVIDIA_TF32_OVERRIDE", "TF_CUDNN_DETERMINISTIC", "TF_DETERMINISTIC_OPS", "TF_XLA_FLAGS", "XLA_FLAGS")


def gpus() -> list[str]:
    """The GPUs that this process may use, by the numbers or identifiers that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(k) for k in range(sum(line.startswith("GPU ") for line in listing.stdout.splitlines()))]


def resolve(declared: str) -> tuple[str, str]:
    """The device class, cpu or gpu, that `auto`, `cpu` or `gpu` comes to on this machine, and why, in a few words.

    Raises RuntimeError where a GPU is declared and there is none.
    """
    if declared == "cpu":
        return "cpu", "cpu, as declared"
    if gpus():
        return "gpu", "gpu, as declared" if declared == "gpu" else "gpu (auto: there is one)"
    if declared == "gpu":
        raise RuntimeError("device: gpu is declared, but this machine shows none; write device: auto or cpu")
    return "cpu", "cpu (auto: this machine shows no GPU)"


@contextmanager
def leased(device: str, locks: Path) -> Iterator[None]:
    """Hold one GPU for as long as the job lasts, waiting for one where all are taken. A CPU needs no lease."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        yield
        return
    locks.mkdir(parents=True, exist_ok=True)
    names = gpus()
    while True:
        for name in names:
            lock = FileLock(locks / f"gpu-{name.replace('/', '_')}.lock")
            try:
                lock.acquire(timeout=1)
            except Timeout:
                continue
            with lock:
                os.environ["CUDA_VISIBLE_DEVICES"] = name
                yield
            return


def start_tensorflow(device: str, threads: int, precision: str) -> None:
    """Import TensorFlow and Keras with every setting that matters set here, whatever the shell or the home holds."""
    os.environ.update(SET_BY_US, OMP_NUM_THREADS=str(threads))
    for name in REMOVED_BY_US:
        os.environ.pop(name, None)

    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(precision)
    if device == "gpu" or threads > 1:
        tf.config.experimental.enable_op_determinism()
