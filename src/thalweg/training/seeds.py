"""What a seed fixes: initial weights, dropout, and the order of the data. The same for every optimizer, so that
comparisons are paired."""

import hashlib

import numpy as np


def derive(seed: int, purpose: str) -> int:
    """A seed of 31 bits for one purpose; those of different purposes have nothing to do with each other."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {seed}".encode()).digest()[:4], "big") >> 1


def data_order(seed: int, examples: int, epochs: int) -> np.ndarray:
    """The examples in the order in which they are used: int32, shape (epochs × examples,), reshuffled every epoch."""
    random = np.random.Generator(np.random.PCG64(derive(seed, "data order")))
    return np.concatenate([random.permutation(examples) for _ in range(epochs)]).astype(np.int32)
