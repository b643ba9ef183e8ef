"""What a seed fixes: initial weights, dropout, and the order of the data. The same for every optimizer, so that
comparisons are paired."""

import hashlib
from functools import lru_cache

import numpy as np


def derive(seed: int, purpose: str) -> int:
    """Derive a seed of 31 bits for one purpose; those of different purposes have nothing to do with each other."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {seed}".encode()).digest()[:4], "big") >> 1


@lru_cache(maxsize=16)
def data_order(
    seed: int, examples: int, epochs: int, examples_per_epoch: int | None = None, fixed: bool = False
) -> np.ndarray:
    """Draw the order in which a run uses its examples.

    Args:
        seed: The run's seed.
        examples: The number of training examples.
        epochs: The number of epochs.
        examples_per_epoch: How many examples of an epoch's order are used, where its partial batch is dropped.
        fixed: Whether all epochs have the order of the first, rather than each another.

    Returns:
        Rows of the training split, int32, (epochs × examples_per_epoch,); it cannot be written to.
    """
    random = np.random.Generator(np.random.PCG64(derive(seed, "data order")))
    orders = [random.permutation(examples) for _ in range(1 if fixed else epochs)]
    order = np.concatenate([order[:examples_per_epoch] for order in (orders * epochs if fixed else orders)])
    order = order.astype(np.int32)
    order.setflags(write=False)  # it is remembered for the seed's other runs
    return order
