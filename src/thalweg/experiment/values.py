"""The values that keys of the experiment file take: numbers, names, learning rates, lengths, durations and seeds.

Each type is read from the form in which a user writes it, which its JSON schema describes. A reader raises ValueError
with the remedy for anything else.
"""

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from thalweg.experiment import search_space
from thalweg.experiment.target import TARGET_PATTERN, Target, read_target
from thalweg.quantities import names_on_request

if TYPE_CHECKING:
    RequestedQuantity = str
else:
    RequestedQuantity = Literal[names_on_request()]

END_OF_INT32 = 2**31
"""Counts, steps and seconds lie below it, because they are kept in 32 bits."""

FIRST_EVALUATION_SEED = 1001
"""A count of evaluation seeds starts here, so that more tuning seeds (from 1) never meet them."""


def check_unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(map(str, repeated))} stands more than once")
    return values


NAME_PATTERN = r"^[a-z][a-z0-9_]{0,59}$"
NAME_RULE = "a name is at most 60 lower-case letters, digits and underscores, and starts with a letter"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
ClassName = Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:)?[A-Za-z_]\w*$")]
Count = Annotated[int, Field(strict=True, gt=0, lt=END_OF_INT32)]
Switch = Annotated[bool, Field(strict=True)]


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and any other value as a list of itself."""
    return value if isinstance(value, list) else [value]


def _check_argument(value: Any) -> Any:
    for item in as_list(value):
        if not isinstance(item, bool | int | float | str | None):
            raise ValueError(f"must be a number, a text, true, false or a list of those, not {item!r}")
        if search_space.is_number(item) and not search_space.is_finite(item):
            raise ValueError(f"must be finite, not {item}")
    return value


Argument = Annotated[Any, AfterValidator(_check_argument)]
"""An argument of a class: a number, a text, true, false, null or a list of those."""


def half_decades(low: float, high: float) -> tuple[float, ...]:
    """Return 1 and 3 times each power of ten from `low` to `high`, both included."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    points = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in (1, 3)]
    return tuple(point for point in points if low <= point <= high)


def _read_rates(value: Any) -> Any:
    """Read a range such as `1e-3 .. 1` as the half decades in it; a list stays as it is."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        example = value if search_space.is_number(value) else 0.1
        raise ValueError(f"write a list of rates, as in [{example}], or a range, as in 1e-3 .. 1, not {value!r}")
    low, high = search_space.parse_range(value)
    if not 0 < low <= high < math.inf:
        raise ValueError(f"{value!r} is not a range of positive rates, as in 1e-3 .. 1")
    points = half_decades(low, high)
    if not points or points[0] != low or points[-1] != high:
        raise ValueError(f"the ends of {value!r} must be 1 or 3 times a power of ten, as in 1e-3 .. 1")
    return points


def check_float32(rate: float) -> float:
    """Return a positive number that single precision holds in full. Raises ValueError for another one."""
    low, high = search_space.MIN_FLOAT32, search_space.MAX_FLOAT32
    if not low <= rate <= high:
        raise ValueError(f"must be between {low:g} and {high:g}, as single precision holds it")
    return rate


LearningRate = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), AfterValidator(check_float32)]
LearningRates = Annotated[
    tuple[LearningRate, ...],
    BeforeValidator(_read_rates),
    Field(min_length=1),
    AfterValidator(check_unique),
    AfterValidator(lambda rates: tuple(sorted(rates))),
    WithJsonSchema(
        {
            "type": ["string", "array"],
            "pattern": r"^\s*\S+\s*\.\.\s*\S+\s*$",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "number", "exclusiveMinimum": 0},
        }
    ),
]
Space = Annotated[
    search_space.Space,
    BeforeValidator(search_space.read_space),
    WithJsonSchema(
        {
            "type": ["string", "array"],
            "pattern": r"^\s*(1\s*-\s*\()?\s*\S+\s*\.\.\s*\S+\s*\)?\s*$",
            "minItems": 1,
            "items": {"type": "number"},
        }
    ),
]


def _seeds_from(first: int) -> BeforeValidator:
    """Make the reader of seeds that reads a count as so many seeds from `first` on; a list stays as it is."""

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"write a count of seeds, as in 3, or a list of whole numbers, not {value!r}")
        if not 1 <= value < FIRST_EVALUATION_SEED:
            raise ValueError(f"a count of seeds lies between 1 and {FIRST_EVALUATION_SEED - 1}, not {value}")
        return tuple(range(first, first + value))

    return BeforeValidator(read)


Seed = Annotated[int, Field(strict=True, ge=0, lt=END_OF_INT32)]
_SeedList = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(check_unique)]
_SEEDS_SCHEMA = WithJsonSchema(
    {
        "type": ["integer", "array"],
        "minimum": 1,
        "exclusiveMaximum": FIRST_EVALUATION_SEED,
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 0},
    }
)
TuningSeeds = Annotated[_SeedList, _seeds_from(1), _SEEDS_SCHEMA]
EvaluationSeeds = Annotated[_SeedList, _seeds_from(FIRST_EVALUATION_SEED), _SEEDS_SCHEMA]

_LENGTH_PATTERN = r"\s*(\d+(?:\.\d+)?)\s*(steps?|epochs?|%)\s*"


def parse_length(text: str, name: str) -> tuple[float, str]:
    """Split `25 epochs`, `100 steps` or `10 %` (of the horizon) into amount and unit: epoch, step or %.

    Raises ValueError, with the `name` of the argument, for a text that is no length.
    """
    match = re.fullmatch(_LENGTH_PATTERN, text)
    if not match or float(match[1]) >= END_OF_INT32:
        raise ValueError(f"{name}: {text!r} is no length; write 25 epochs, 100 steps or 10 % (of the horizon)")
    return float(match[1]), match[2].rstrip("s")


def _read_length(value: Any) -> Any:
    """Read a length of at least something, which is a count of steps or a text with a unit, as a text with a unit."""
    text = f"{value} steps" if isinstance(value, int) and not isinstance(value, bool) else value
    match = re.fullmatch(_LENGTH_PATTERN, text) if isinstance(text, str) else None
    if value is not None and not (match and 0 < float(match[1]) < END_OF_INT32):
        raise ValueError(f"{value!r} is no length; write 5 epochs, 100 steps or 10 % (of the horizon)")
    return text


Length = Annotated[
    str | None,
    BeforeValidator(_read_length),
    WithJsonSchema({"type": ["string", "integer"], "pattern": f"^{_LENGTH_PATTERN}$", "exclusiveMinimum": 0}),
]

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_DURATION_PATTERN = r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour)s?\s*"


def _read_duration(value: Any) -> Any:
    """Read a time such as `90 seconds`, `10 minutes` or `2 hours` in seconds."""
    match = re.fullmatch(_DURATION_PATTERN, value) if isinstance(value, str) else None
    if value is not None and not (match and 0 < float(match[1]) < END_OF_INT32):
        raise ValueError(f"{value!r} is no time; write 90 seconds, 10 minutes or 2 hours")
    return float(match[1]) * _SECONDS[match[2]] if match else None


Duration = Annotated[
    float | None,
    BeforeValidator(_read_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION_PATTERN}$"}),
]
RunTarget = Annotated[
    Target | None,
    BeforeValidator(read_target),
    WithJsonSchema({"type": "string", "pattern": f"^{TARGET_PATTERN}$"}),
]
