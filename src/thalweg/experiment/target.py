"""A target: what a run is to reach, as in `validation_accuracy >= 0.97`."""

import math
import re
from typing import Any, NamedTuple


class Target(NamedTuple):
    """What a run is to reach: a value of at least, or at most, `value` in a `column` of its history."""

    column: str
    at_least: bool
    value: float

    def is_reached_by(self, value: Any) -> Any:
        """Whether a number is where the target wants it; of an array, a series or a tensor each of its numbers."""
        return value >= self.value if self.at_least else value <= self.value


TARGET_PATTERN = r"\s*((?:train|validation|test)_[a-z]\w*)\s*(<=|>=)\s*(\S+)\s*"


def read_target(value: Any) -> Target | None:
    """Read a target such as `validation_accuracy >= 0.97`; None stays None. Raises ValueError for anything else."""
    match = re.fullmatch(TARGET_PATTERN, value) if isinstance(value, str) else None
    try:
        number = float(match[3]) if match else math.nan
    except ValueError:
        number = math.nan
    if value is not None and not (match and math.isfinite(number)):
        raise ValueError(f"{value!r} is no target; write a metric on a split, as in validation_loss <= 0.01")
    return Target(match[1], match[2] == ">=", number) if match else None
