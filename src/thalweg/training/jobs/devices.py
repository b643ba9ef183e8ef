"""Which device a job gets: what `auto` comes to on this machine, and one job at a time on a GPU."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def gpus() -> list[str]:
    """Return the GPUs that this process may use, by the numbers or identifiers that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(k) for k in range(sum(line.startswith("GPU ") for line in listing.stdout.splitlines()))]


def resolve(declared: str) -> tuple[str, str]:
    """Resolve a declared device on this machine.

    Args:
        declared: `auto`, `cpu` or `gpu`.

    Returns:
        The device class, `cpu` or `gpu`, and why it is used, in a few words.

    Raises:
        RuntimeError: A GPU is declared and there is none.
    """
    if declared == "cpu":
        return "cpu", "cpu, as declared"
    if gpus():
        return "gpu", "gpu, as declared" if declared == "gpu" else "gpu (auto: there is one)"
    if declared == "gpu":
        raise RuntimeError("device: gpu is declared, but this machine shows none; write device: auto or cpu")
    return "cpu", "cpu (auto: this machine shows no GPU)"


@contextmanager
def leased(device: str, locks: Path, jobs_per_gpu: int = 1) -> Iterator[None]:
    """Hold a GPU, or a share of one where several jobs may use it, for the duration.

    Where all are taken this waits for one. A CPU needs no lease.

    Args:
        device: `cpu` or `gpu`.
        locks: The folder of the locks by which jobs share GPUs.
        jobs_per_gpu: How many jobs may use a GPU at the same time.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        yield
        return
    locks.mkdir(parents=True, exist_ok=True)
    # Shares of all GPUs before a second share of one.
    places = [(name, share) for share in range(jobs_per_gpu) for name in gpus()]
    while True:
        for name, share in places:
            lock = FileLock(locks / f"gpu-{name.replace('/', '_')}.{share}.lock")
            try:
                lock.acquire(timeout=1)
            except Timeout:
                continue
            with lock:
                os.environ["CUDA_VISIBLE_DEVICES"] = name
                yield
            return
