"""The spaces from which a random search draws hyperparameters, and the draws themselves.

A draw follows from the name of the hyperparameter and the number of the trial alone. So more trials keep the earlier
ones, and another hyperparameter moves no draws.
"""

import hashlib
import math
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeGuard

_FORMS = "write a range, as in 1e-4 .. 1e-1, one minus a range, as in 1 - (1e-2 .. 3e-1), or a list of numbers"

MIN_FLOAT32, MAX_FLOAT32 = 1e-37, 1e38
"""Between these, single precision, in which runs are trained, holds positive numbers in full."""


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

    def quantile(self, probability: float) -> float:
        """Return the quantile at a probability, which is one minus the quantile of the range for `one_minus`.

        It is rounded to six significant digits before it is taken from one, so that text holds it whole.
        """
        value = Decimal(f"{self.low * (self.high / self.low) ** probability:.6g}")
        return float(1 - value if self.one_minus else value)

    def __str__(self) -> str:
        ends = f"{self.low:g} .. {self.high:g}"
        return f"1 - ({ends})" if self.one_minus else ends


@dataclass(frozen=True)
class OneOf:
    """Uniform over some numbers."""

    values: tuple[float, ...]

    @property
    def lowest(self) -> float:
        return min(self.values)

    @property
    def highest(self) -> float:
        return max(self.values)

    def quantile(self, probability: float) -> float:
        """Return the quantile at a probability below 1, in the order of the values as they were written."""
        return self.values[int(probability * len(self.values))]

    def __str__(self) -> str:
        return f"[{', '.join(f'{value:g}' for value in self.values)}]"


Space = LogUniform | OneOf
"""What one hyperparameter is drawn from."""


def draw(space: Space, name: str, trial: int) -> float:
    """Draw the value of the hyperparameter `name` in a trial. Trials are counted from 0."""
    bits = int.from_bytes(hashlib.sha256(f"{name} {trial}".encode()).digest()[:8], "big")
    # A float holds 53 bits, so that the probability stays below 1.
    return space.quantile((bits >> 11) / 2**53)


def read_space(value: Any) -> Space:
    """Read a space as the experiment file writes it. Raises ValueError for anything else."""
    if isinstance(value, list):
        return _read_values(value)
    if not isinstance(value, str):
        raise ValueError(f"{_FORMS}, not {value!r}; a fixed value stands beside class")
    complement = re.fullmatch(r"\s*1\s*-\s*\((.*)\)\s*", value)
    low, high = parse_range(complement[1] if complement else value)
    if not 0 < low <= high < math.inf:
        raise ValueError(f"{value!r} is no range of positive numbers; {_FORMS}")
    if complement and high > 1:
        raise ValueError(f"{value!r} goes below 0; end the range at 1 or lower")
    return LogUniform(low, high, bool(complement))


def parse_range(text: str) -> tuple[float, float]:
    """Return both ends of a range such as `1e-3 .. 1`, or NaN twice where the text is no range."""
    match = re.fullmatch(r"\s*(\S+)\s*\.\.\s*(\S+)\s*", text)
    try:
        return (float(match[1]), float(match[2])) if match else (math.nan, math.nan)
    except ValueError:
        return math.nan, math.nan


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(number: int | float) -> bool:
    """Tell whether a float can hold a number. (math.isfinite fails for a whole number that is too large.)"""
    return -sys.float_info.max <= number <= sys.float_info.max


def _read_values(values: list[Any]) -> OneOf:
    for value in values:
        if not is_number(value) or not is_finite(value):
            raise ValueError(f"must be a list of numbers, not of {value!r}")
    if not values:
        raise ValueError("must hold at least one number")
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(map(str, repeated))} stands more than once")
    # Whole numbers stay whole where all are, for arguments that are counts.
    all_whole = all(isinstance(value, int) for value in values)
    return OneOf(tuple(values) if all_whole else tuple(map(float, values)))
