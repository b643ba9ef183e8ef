"""Whether ranks of several treatments over several blocks differ: Friedman's test and what follows from it.

Here treatments are optimizers and blocks are problems.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from thalweg.analysis.statistics import intervals

_ENTROPY = 20_250_102


class Friedman(NamedTuple):
    """Whether mean ranks differ (`p` is that of `f`), and by how much two of them must."""

    chi_square: float
    f: float
    p: float
    critical_difference: float


def friedman(ranks: NDArray[np.float64]) -> Friedman:
    """Friedman's χ², Iman and Davenport's F with its p, and Nemenyi's critical difference of mean ranks at 5 %.

    `ranks` is problems × optimizers, each row the ranks of one problem. As Demšar 2006 has them (Statistical
    comparisons of classifiers over multiple data sets, section 3.2.2), without correction for ties, which makes all of
    them cautious. Where all problems agree on all ranks F is infinite, and its p is zero however few they are.
    """
    problems, optimizers = ranks.shape
    statistic = float(chi_square(ranks))
    with np.errstate(divide="ignore"):
        f = np.float64((problems - 1) * statistic) / (problems * (optimizers - 1) - statistic)
    p = float(stats.f.sf(f, optimizers - 1, (optimizers - 1) * (problems - 1)))
    studentized = float(stats.studentized_range.ppf(intervals.CONFIDENCE, optimizers, np.inf)) / np.sqrt(2)
    return Friedman(
        statistic, float(f), p, float(studentized * np.sqrt(optimizers * (optimizers + 1) / (6 * problems)))
    )


def chi_square(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Friedman's χ² of ranks (… × problems × optimizers), not corrected for ties."""
    problems, optimizers = ranks.shape[-2:]
    # Twice a sum of ranks is a whole number, so that equal statistics are equal to the bit.
    squares = (2 * ranks.sum(axis=-2) - problems * (optimizers + 1)) ** 2
    statistic: NDArray[np.float64] = 3 * squares.sum(axis=-1) / (problems * optimizers * (optimizers + 1))
    return statistic


def permutation_p(ranks: NDArray[np.float64]) -> float:
    """The p of Friedman's χ² where each problem's ranks could as well stand in any order: right for few problems too.

    From our own fixed draws of orders, the one found being one more of them (Phipson & Smyth 2010, Permutation
    p-values should never be zero).
    """
    alike = np.broadcast_to(ranks, (intervals.RESAMPLES, *ranks.shape))
    drawn = np.random.default_rng([_ENTROPY, *ranks.shape]).permuted(alike, axis=-1)
    return float((1 + (chi_square(drawn) >= chi_square(ranks)).sum()) / (1 + intervals.RESAMPLES))


def caution(problems: int, optimizers: int) -> str | None:
    """Why there is no test, or why F, its p and the critical difference are rough; None where they are not.

    They are approximations for more than 10 problems and more than 5 optimizers (Demšar 2006, section 3.2.2).
    """
    if problems < 2 or optimizers < 3:
        return "no test: fewer than 2 problems or 3 optimizers"
    few = [what for what, are_few in (("problems", problems <= 10), ("optimizers", optimizers <= 5)) if are_few]
    return f"rough: few {' and '.join(few)}" if few else None
