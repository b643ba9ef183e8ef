"""What a seed fixes: initial weights, dropout, and the order of the data. The same for every optimizer, so that
comparisons are paired."""

import hashlib
from functools import lru_cache

import numpy as np


def derive(seed: int, purpose: str) -> int:
    """A seed of 31 bits for one purpose; those of different purposes have nothing to do with each other."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {seed}".encode()).digest()[:4], "big") >> 1


@lru_cache(maxsize=16)
def data_order(seed: int, examples: int, epochs: int, kept: int | None = None, fixed: bool = False) -> np.ndarray:
    """The examples in the order in which they are used: int32, shape (epochs × kept,).

    They are reshuffled every epoch, unless the order is `fixed`: then that of the first is used in all. Only the first
    `kept` of an epoch are used, where the partial batch at its end is dropped; all without it.
    """
    random = np.random.Generator(np.random.PCG64(derive(seed, "data order")))
    orders = [random.permutation(examples) for _ in range(1 if fixed else epochs)]
    order = np.concatenate([order[:kept] for order in (orders * epochs if fixed else orders)]).astype(np.int32)
    order.setflags(write=False)  # it is remembered for the seed's other runs
    return order
