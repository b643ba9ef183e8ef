"""Search spaces: what a hyperparameter is drawn from, and the draws themselves.

A draw follows from the hyperparameter's name and the trial's number alone, so that more trials keep those that were
there, and one more hyperparameter moves no other's draws.
"""

import hashlib
import math
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeGuard

_HOW = "write a range, as in 1e-4 .. 1e-1, one minus a range, as in 1 - (1e-2 .. 3e-1), or a list of numbers"


SMALLEST, LARGEST = 1e-37, 1e38
"""The range of the positive numbers that single precision, in which runs are trained, holds in full."""


@dataclass(frozen=True)
class LogUniform:
    """Uniform in the logarithm from `low` to `high`, or one minus such a draw."""

    low: float
    high: float
    one_minus: bool = False

    @property
    def lowest(self) -> float:
        return 1 - self.high if self.one_minus else self.low

    @property
    def highest(self) -> float:
        return 1 - self.low if self.one_minus else self.high

    def at(self, share: float) -> float:
        """The value below which that share of the draws lies. The draw has six digits, so that text holds it whole."""
        drawn = Decimal(f"{self.low * (self.high / self.low) ** share:.6g}")
        return float(1 - drawn if self.one_minus else drawn)

    def __str__(self) -> str:
        ends = f"{self.low:g} .. {self.high:g}"
        return f"1 - ({ends})" if self.one_minus else ends


@dataclass(frozen=True)
class OneOf:
    """One of some numbers, each as likely as the others."""

    values: tuple[float, ...]

    @property
    def lowest(self) -> float:
        return min(self.values)

    @property
    def highest(self) -> float:
        return max(self.values)

    def at(self, share: float) -> float:
        return self.values[int(share * len(self.values))]

    def __str__(self) -> str:
        return f"[{', '.join(f'{value:g}' for value in self.values)}]"


Space = LogUniform | OneOf


def draw(space: Space, name: str, trial: int) -> float:
    """The value of the hyperparameter `name` in a trial, which are counted from 0."""
    bits = int.from_bytes(hashlib.sha256(f"{name} {trial}".encode()).digest()[:8], "big")
    # 53 bits are what a float holds, so that the share stays below 1.
    return space.at((bits >> 11) / 2**53)


def read(value: Any) -> Space:
    """A space as the experiment file writes it. Raises ValueError for what is none."""
    if isinstance(value, list):
        return _one_of(value)
    if not isinstance(value, str):
        raise ValueError(f"{_HOW}, not {value!r}; a fixed value stands beside class")
    complement = re.fullmatch(r"\s*1\s*-\s*\((.*)\)\s*", value)
    low, high = ends(complement[1] if complement else value)
    if not 0 < low <= high < math.inf:
        raise ValueError(f"{value!r} is no range of positive numbers; {_HOW}")
    if complement and high > 1:
        raise ValueError(f"{value!r} goes below 0; end the range at 1 or lower")
    return LogUniform(low, high, bool(complement))


def ends(text: str) -> tuple[float, float]:
    """The two ends of a range such as `1e-3 .. 1`; of what is no range, NaN."""
    found = re.fullmatch(r"\s*(\S+)\s*\.\.\s*(\S+)\s*", text)
    try:
        return (float(found[1]), float(found[2])) if found else (math.nan, math.nan)
    except ValueError:
        return math.nan, math.nan


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(number: int | float) -> bool:
    """Whether a number is one that a float can hold; of a whole number math.isfinite cannot tell."""
    return -sys.float_info.max <= number <= sys.float_info.max


def _one_of(values: list[Any]) -> OneOf:
    for value in values:
        if not is_number(value) or not is_finite(value):
            raise ValueError(f"must be a list of numbers, not of {value!r}")
    if not values:
        raise ValueError("must hold at least one number")
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(map(str, repeated))} stands more than once")
    # Whole numbers stay whole where all are, for arguments that count something.
    whole = all(isinstance(value, int) for value in values)
    return OneOf(tuple(values) if whole else tuple(map(float, values)))
