"""Shares of the variance of ranks in a complete design that are due to its factors, with intervals over seeds.

Trials are nested in their optimizer, and fully crossed with schedules, batch sizes and seeds. Hence the sums of squares
are orthogonal, also where optimizers have different numbers of trials, and add up to the total.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

FACTORS = ("optimizer", "learning_rate", "schedule", "batch_size")

SEED = "seed"
"""The term of all that changes with the seed, alone or together with a choice."""

FEWEST_SEEDS = 3
"""With two, a t interval has one degree of freedom and says nothing."""

Array = NDArray[np.float64]

Shares = dict[str, float]


def projections(size: int, groups: NDArray[np.int64] | None = None) -> dict[str, Array]:
    """The matrices, shape (size, size), that split a vector into its mean and the rest; `groups` split the rest into
    the means of the groups and what is left within them."""
    mean, one = np.full((size, size), 1 / size), np.eye(size)
    if groups is None:
        return {"mean": mean, "rest": one - mean}
    same = (groups[:, None] == groups[None, :]).astype(float)
    of_group = same / same.sum(axis=1, keepdims=True)
    return {"mean": mean, "optimizer": of_group - mean, "learning_rate": one - of_group}


def sums_of_squares(ranks: Array, groups: NDArray[np.int64]) -> Shares:
    """The sum of squares of each term, SEED last: all terms of a complete design, which add up to the total.

    Each term is the design under one projection along each axis (Scheffé 1959, The analysis of variance, chapter 4).
    """
    return {term: float((part**2).sum()) for term, part in _parts(ranks, groups)}


def degrees_of_freedom(ranks: Array, groups: NDArray[np.int64]) -> dict[str, int]:
    """The degrees of freedom of each term that has any."""
    trials, schedules, sizes, seeds = ranks.shape
    optimizers = int(groups.max()) + 1
    of = {"optimizer": optimizers - 1, "learning_rate": trials - optimizers}
    of |= {"schedule": schedules - 1, "batch_size": sizes - 1}
    cells = trials * schedules * sizes
    found = {term: math.prod(of[factor] for factor in term.split(":")) for term in _terms()}
    return {term: number for term, number in {**found, SEED: cells * (seeds - 1)}.items() if number}


def shares(ranks: Array, groups: NDArray[np.int64], with_interactions: bool) -> Shares:
    """Each term's share of the total sum of squares; of a factor with its interactions where asked for. All are zero
    where nothing varies."""
    squares = sums_of_squares(ranks, groups)
    # What rounding leaves of equal ranks is no variance.
    total = sum(squares.values()) if np.ptp(ranks) else math.inf
    if with_interactions:
        found = {factor: sum(squares[term] for term in squares if factor in term.split(":")) for factor in FACTORS}
        squares = {**squares, **found}
    return {term: square / total for term, square in squares.items()}


def estimates(designs: list[tuple[Array, NDArray[np.int64]]], with_interactions: bool) -> dict[str, Array]:
    """Each term's share, its mean over problems: from all seeds, then leaving out one seed after another."""
    seeds = min(ranks.shape[-1] for ranks, _ in designs)
    kept = [list(range(seeds)), *([one for one in range(seeds) if one != out] for out in range(seeds) if seeds > 1)]
    found = [[shares(ranks[..., seeds], groups, with_interactions) for ranks, groups in designs] for seeds in kept]
    return {term: np.array([np.mean([one[term] for one in of]) for of in found]) for term in found[0][0]}


def jackknife_interval(estimates: Array) -> tuple[float, float]:
    """A 95 % interval of the first estimate from the others, which each leave out one seed (Tukey 1958; Efron &
    Tibshirani 1993, chapter 11); within 0 and 1, NaN for too few seeds.

    A share is a smooth function of averages over hundreds of runs a seed, so that Student's t is apt with few seeds,
    where a median of as many has no interval.
    """
    seeds = len(estimates) - 1
    if seeds < FEWEST_SEEDS:
        return np.nan, np.nan
    error = math.sqrt((seeds - 1) / seeds * float(((estimates[1:] - estimates[1:].mean()) ** 2).sum()))
    reach = float(special.stdtrit(seeds - 1, 0.975)) * error
    return max(0.0, float(estimates[0]) - reach), min(1.0, float(estimates[0]) + reach)


def _terms() -> list[str]:
    """The factors, then the interactions of more and more of them. A rate is nested in its optimizer, so that these
    two have none."""
    of_many = (named for size in range(1, 4) for named in itertools.combinations(FACTORS, size))
    return [":".join(named) for named in of_many if not {"optimizer", "learning_rate"} <= set(named)]


def _parts(ranks: Array, groups: NDArray[np.int64]) -> list[tuple[str, Array]]:
    """Each term's part of the design, shape of `ranks`; what is left beside the means over seeds is SEED's."""
    trials, schedules, sizes, _ = ranks.shape
    along = (projections(trials, groups), projections(schedules), projections(sizes))
    means = ranks.mean(axis=-1)
    parts = []
    for term in _terms():
        factors = term.split(":")
        nested = next((name for name in ("optimizer", "learning_rate") if name in factors), "mean")
        chosen = (nested, "rest" if "schedule" in factors else "mean", "rest" if "batch_size" in factors else "mean")
        first, second, third = (matrices[name] for matrices, name in zip(along, chosen, strict=True))
        part = np.einsum("ia,jb,kc,abc->ijk", first, second, third, means, optimize=True)
        parts.append((term, np.broadcast_to(part[..., None], ranks.shape)))
    return [*parts, (SEED, ranks - means[..., None])]
