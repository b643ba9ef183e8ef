"""Differences between two contents, two records of a run, or the surroundings in which runs were trained.

Publishing, verifying and retraining all compare by these functions. Of two values the first is always the reference,
which was published or is stored, and the second is the one found here.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from thalweg.identity import COMPUTING_PACKAGES
from thalweg.quantities import all_quantities
from thalweg.results.store import Record

ABSENT = "absent"
"""Stands for a value that one of two contents lacks."""

HARDWARE = ("device", "cpu_model", "instruction_set")
"""The surroundings that a reader cannot choose."""

SOFTWARE = ("program", *COMPUTING_PACKAGES)
"""The surroundings that every reader can make the same: the sources of what computes, and the packages' versions."""

SURROUNDINGS_OF_RECORDS = ("instruction_set", *SOFTWARE)
"""The surroundings that are compared of a record. Its device class is part of its identity."""

UNCOMPARED_KEYS = ("history", "quantities", "measured", "time_limit")
"""The keys of a record that are not compared as they are. Histories are compared point by point, in the quantities that
both hold; what a clock measured and how long the run might have taken are no part of its result."""


class Difference(NamedTuple):
    """A value that differs from its reference.

    `name` is the value's path, as in `optimizers.sgd.momentum`, or a column of a run's history. For a column, `step` is
    the first step at which it differs, `reference` and `here` are the values there, and `relative` is the largest
    relative difference over all steps at which both values are numbers.
    """

    name: str
    reference: Any
    here: Any
    relative: float | None = None
    step: int | None = None


def content_differences(reference: Any, here: Any) -> list[Difference]:
    """The values in which two nested JSON contents differ, by their paths."""
    first, second = dict(_flatten(reference)), dict(_flatten(here))
    pairs = {path: (first.get(path, ABSENT), second.get(path, ABSENT)) for path in {**first, **second}}
    return [Difference(path, *values) for path, values in pairs.items() if not is_identical(*values)]


def is_identical(reference: Any, here: Any) -> bool:
    """Whether two JSON values have the same bits and types. 0.0 and -0.0 do not, nor do 1 and 1.0."""
    return repr(reference) == repr(here)


def relative_difference(reference: Any, here: Any) -> float | None:
    """|reference - here| / max(|reference|, |here|), or None unless both are finite numbers.

    Zeros of different signs differ by 0.
    """
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in (reference, here)):
        return None
    return float(abs(reference - here) / (max(abs(reference), abs(here)) or 1))


def record_differences(stored: Record, again: Record) -> list[Difference]:
    """The differences between a stored record of a run and that of the same run trained again, to the bit.

    Columns of the history come last, in the order of the first step at which they differ. A time limit is measured by
    a clock, so a run that it stopped is compared up to where it stopped, unless the other run ended before.
    """
    earlier = min(stored, again, key=lambda record: int(record["ended_at"]))
    end = earlier["ended_at"] if earlier["outcome"] == "out of time" else math.inf
    omitted = UNCOMPARED_KEYS if end == math.inf else (*UNCOMPARED_KEYS, "outcome", "ended_at")
    values = content_differences(
        *({key: value for key, value in record.items() if key not in omitted} for record in (stored, again))
    )
    # A record of an older store has no list of its quantities.
    recorded_once = stored.get("quantities", {}).keys() ^ again.get("quantities", {}).keys()
    uncompared = {name for one in all_quantities() if one.name in recorded_once for name in one.column_names}
    columns = [
        difference
        for name in {**stored["history"], **again["history"]}
        if name not in uncompared
        and (difference := _column_difference(name, *(_values_by_step(one, name, end) for one in (stored, again))))
    ]
    return [*values, *sorted(columns, key=lambda difference: difference.step or 0)]


def surroundings_differences(
    reference: Iterable[Mapping[str, str]], here: Iterable[Mapping[str, str]], names: Iterable[str]
) -> list[Difference]:
    """The surroundings, among `names`, that occur here and are none of the reference's; all values of each are joined.

    A name that one side knows nothing of is left out.
    """
    found = []
    for name in names:
        first, second = (sorted({one[name] for one in side if name in one}) for side in (reference, here))
        if first and not set(second) <= set(first):
            found.append(Difference(name, ", ".join(first), ", ".join(second)))
    return found


def record_surroundings(record: Record) -> dict[str, str]:
    """The surroundings in which a record's run was trained."""
    known = {**record["measured"], **record["identity"]}
    return {name: known[name] for name in SURROUNDINGS_OF_RECORDS if name in known}


def is_software(difference: Difference) -> bool:
    """Whether a difference, of surroundings or between two records, is one of software."""
    place, _, name = difference.name.rpartition(".")
    return name in SOFTWARE and place in ("", "identity", "identity.versions")


def _flatten(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a nested content, by its path. A list counts as one value unless it is one of mappings."""
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        content = {str(number): item for number, item in enumerate(content, 1)}
    if not isinstance(content, dict):
        yield path, content
        return
    for key, inner in content.items():
        yield from _flatten(inner, f"{path}.{key}" if path else key)


def _values_by_step(record: Record, column: str, end: float) -> dict[int, Any]:
    """A column of a record's history, up to the step `end`."""
    steps, values = record["history"]["step"], record["history"].get(column, [])
    return {step: value for step, value in zip(steps, values, strict=False) if step <= end}


def _column_difference(name: str, stored: dict[int, Any], again: dict[int, Any]) -> Difference | None:
    pairs = {step: (stored.get(step, ABSENT), again.get(step, ABSENT)) for step in sorted({*stored, *again})}
    unlike = {step: pair for step, pair in pairs.items() if not is_identical(*pair)}
    if not unlike:
        return None
    step, values = next(iter(unlike.items()))
    relative = [size for pair in unlike.values() if (size := relative_difference(*pair)) is not None]
    return Difference(name, *values, relative=max(relative, default=None), step=step)
