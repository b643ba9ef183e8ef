"""Claims in the experiment file: sentences about the results, written so that they can be tested.

A claim compares two sets of cells (`compare`), or measures a reproduction or a factor (`of`). This module says how a
claim is written and what it names, thalweg.experiment.measures what can be measured, and thalweg.analysis.claims how a
claim is judged.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from thalweg.experiment import search_space
from thalweg.experiment.keys import key
from thalweg.experiment.measures import read_measure
from thalweg.experiment.measures.base import NUMBER, Measure, read_number

COMPARED_AXES = ("optimizer", "schedule", "batch_size", "learning_rate")
"""The axes in which the two sides of a comparison can differ."""

CLAIM_AXES = ("problem", *COMPARED_AXES)
"""The axes of which a comparison can name levels."""

TUNED = "tuned"
"""The learning rate that tuning chose for each cell. A comparison that names no rate is at this one."""

Level = str | int | float
Expected = Literal["lower", "higher", "same"]


class Comparison(NamedTuple):
    """Two sets of cells that differ in one axis: `level` is compared with `other`.

    `fixed` has the levels of other axes that both sides share. An axis that is not named has all of its levels on both
    sides; a learning rate that is not named is the tuned one.
    """

    axis: str
    level: Level
    other: Level
    fixed: tuple[tuple[str, Level], ...]

    def sides(self) -> tuple[dict[str, Level], dict[str, Level]]:
        """Return the levels of both sides by axis, the side of `level` first."""
        return {**dict(self.fixed), self.axis: self.level}, {**dict(self.fixed), self.axis: self.other}


class Range(NamedTuple):
    """The values that a claim expects, both ends included; None for no end. `share` tells whether they are in %."""

    low: float | None
    high: float | None
    share: bool = False


class Effect(NamedTuple):
    """The smallest effect of interest, as a fraction: of a ratio (%), or of a difference of shares (points)."""

    amount: float
    unit: Literal["%", "point"]


def read_comparison(value: Any) -> Any:
    """Read two sets of cells: `{optimizer: adam, with: sgd, problem: sine}`. The key `with` follows the axis compared.

    Raises ValueError for anything else; None stays None.
    """
    if value is None:
        return None
    if not isinstance(value, dict) or "with" not in value:
        raise ValueError(f"write what is compared with what, as in {{optimizer: adam, with: sgd}}, not {value!r}")
    names = list(value)
    place = names.index("with")
    axis = names[place - 1] if place else ""
    if axis not in COMPARED_AXES:
        raise ValueError(f"with: stands after what it is compared to, one of {', '.join(COMPARED_AXES)}")
    _check_keys(names, (*CLAIM_AXES, "with"))
    levels = {name: _read_level(name, level) for name, level in value.items() if name != "with"}
    other = _read_level(axis, value["with"])
    if other == levels[axis]:
        raise ValueError(f"with: {other!r} is compared with itself")
    if axis == "learning_rate" and TUNED in (other, levels[axis]):
        raise ValueError("with: compare two learning rates that are written out; tuning may choose the same one")
    fixed = tuple((name, level) for name, level in levels.items() if name != axis)
    return Comparison(axis, levels[axis], other, fixed)


def _read_level(axis: str, value: Any) -> Level:
    if axis == "batch_size":
        fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
    elif axis == "learning_rate":
        fits = value == TUNED or (search_space.is_number(value) and 0 < value <= search_space.MAX_FLOAT32)
    else:
        fits = isinstance(value, str)
    if not fits:
        kind = {"batch_size": "a whole number", "learning_rate": f"a number or {TUNED}"}.get(axis, "a name")
        raise ValueError(f"{axis}: must be {kind}, not {value!r}")
    level: Level = float(value) if axis == "learning_rate" and value != TUNED else value
    return level


def _check_keys(names: list[Any], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{name}: unknown key; known here: {', '.join(known)}")


MeasureText = Annotated[
    Measure,
    PlainValidator(read_measure),
    PlainSerializer(lambda measure: measure.text),
    WithJsonSchema({"type": "string"}),
]
"""A measure as the experiment file writes it."""


class Of(BaseModel):
    """What is measured without a comparison: a reproduction's runs, or a factor on one problem or on all."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reproduction: str | None = key("an entry of `reproductions`", None, changes_bits="no")
    factor: Literal["optimizer", "learning_rate", "schedule", "batch_size"] | None = key(
        "what may have caused the differences between runs", None, changes_bits="no"
    )
    problem: str | None = key("the problem on which a factor is looked at, or each", None, changes_bits="no")

    @model_validator(mode="before")
    @classmethod
    def _one_thing(cls, given: Any) -> Any:
        if not isinstance(given, dict) or ("reproduction" in given) == ("factor" in given):
            raise ValueError(f"write {{reproduction: NAME}}, or {{factor: NAME, problem: NAME}}, not {given!r}")
        _check_keys(list(given), ("reproduction",) if "reproduction" in given else ("factor", "problem"))
        return given


def _read_expected(value: Any) -> Any:
    """Read `lower`, `higher` or `same`, or a range of values such as `at least 10 %`."""
    if value in ("lower", "higher", "same"):
        return value
    match = re.fullmatch(
        rf"\s*(?:(at least|at most)|within\s+{NUMBER}\s+of)\s+{NUMBER}\s*(%)?\s*",
        value if isinstance(value, str) else "",
    )
    if not match:
        raise ValueError(
            f"{value!r} is nothing to expect; write lower, higher or same where cells are compared, and at least 10 %, "
            f"at most 0.01 or within 0.1 of 19 where something is measured"
        )
    number, scale = read_number(match[3]), 0.01 if match[4] else 1.0
    within = read_number(match[2]) if match[2] else math.nan
    low = {"at least": number, "at most": None}.get(match[1], number - within)
    high = {"at least": None, "at most": number}.get(match[1], number + within)
    return Range(None if low is None else low * scale, None if high is None else high * scale, bool(match[4]))


def _read_effect(value: Any) -> Any:
    """Read the smallest effect of interest: `1 %` of a ratio, or `0.5 points` of a difference of shares."""
    match = re.fullmatch(rf"\s*{NUMBER}\s*(%|points?)\s*", value) if isinstance(value, str) else None
    amount = read_number(match[1]) / 100 if match else math.nan
    if value is not None and not (match and 0 <= amount < 1):
        raise ValueError(f"{value!r} is no effect; write 1 % of a ratio, or 0.5 points of a difference of shares")
    return Effect(amount, "%" if match[2] == "%" else "point") if match else None


class Claim(BaseModel):
    """A sentence, what it compares or measures, and what it expects of that."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str = key("the sentence", changes_bits="no")
    compare: Annotated[
        Comparison | None, BeforeValidator(read_comparison), WithJsonSchema({"type": "object", "required": ["with"]})
    ] = key(
        "`with` stands after what it is compared to: two optimizers, schedules, batch sizes or learning rates. Beside "
        "them stands what both sides have in common; what is left out is every problem, optimizer, schedule or batch "
        "size",
        None,
        changes_bits="no",
    )
    of: Of | None = key(
        "a reproduction; or a factor (`optimizer`, `learning_rate`, `schedule`, `batch_size`) on one problem, or on "
        "each",
        None,
        changes_bits="no",
    )
    measure: MeasureText = key("what is looked at, from the table below", changes_bits="no")
    expect: Annotated[Expected | Range, BeforeValidator(_read_expected), WithJsonSchema({"type": "string"})] = key(
        "of what is compared `lower`, `higher` or `same`, or of a ratio a range in %, `within 10 of 70 %`; of what is "
        "measured `at least 10 %`, `at most 0.01` or `within 0.1 of 19`",
        changes_bits="no",
    )
    smallest_effect: Annotated[Effect | None, BeforeValidator(_read_effect), WithJsonSchema({"type": "string"})] = key(
        "of a comparison: the effect beyond which it counts (0 if left out). In % of a ratio, in points of a "
        "difference of shares. `same` needs one",
        None,
        changes_bits="no",
    )

    @model_validator(mode="after")
    def _compares_or_measures(self) -> "Claim":
        if (self.compare is None) == (self.of is None):
            raise ValueError("a claim has either compare, two sets of cells, or of, what is measured")
        return self

    @model_validator(mode="after")
    def _measure_fits(self) -> "Claim":
        measure = self.measure
        if self.compare is not None and "compare" not in measure.fits:
            raise ValueError(f"measure: {measure.text} is not of cells that are compared; write of, not compare")
        if self.of is not None and measure.is_in_seconds:
            raise ValueError(f"measure: {measure.text} is compared only, for seconds are those of a machine")
        if self.of is not None and ("factor" if self.of.factor else "reproduction") not in measure.fits:
            raise ValueError(
                f"measure: {measure.text} does not fit of; a factor has a share of variance, a reproduction all else"
            )
        return self

    @model_validator(mode="after")
    def _expectation_fits(self) -> "Claim":
        if self.of is not None and isinstance(self.expect, str):
            raise ValueError("expect: write at least, at most or within, with a number")
        if self.compare is not None and isinstance(self.expect, Range):
            if self.measure.is_share or not self.expect.share:
                raise ValueError("expect: write lower, higher or same; or of a ratio within 10 of 70 %")
            if self.smallest_effect is not None:
                raise ValueError("smallest_effect: has no place beside a range")
        return self

    @model_validator(mode="after")
    def _effect_fits(self) -> "Claim":
        effect, unit = self.smallest_effect, "point" if self.measure.is_share else "%"
        if effect is not None and self.of is not None:
            raise ValueError("smallest_effect: is of comparisons; what is measured has its number in expect")
        if effect is not None and effect.unit != unit:
            how = "points, because shares are subtracted" if unit == "point" else "%, because the values are divided"
            raise ValueError(f"smallest_effect: is in {how}")
        if self.expect == "same" and (effect is None or effect.amount == 0):
            raise ValueError("smallest_effect: is missing; same means nearer to one another than that")
        return self

    def names(self) -> Iterator[tuple[tuple[str, ...], str, Level]]:
        """Iterate over the names of things elsewhere in the file: the name's place in the claim, its axis, the name."""
        if self.compare is not None:
            yield from ((("compare", axis), axis, level) for axis, level in self.compare.fixed)
            yield ("compare", self.compare.axis), self.compare.axis, self.compare.level
            yield ("compare", "with"), self.compare.axis, self.compare.other
        if self.of is not None:
            for axis in ("reproduction", "problem"):
                name = getattr(self.of, axis)
                if name is not None:
                    yield ("of", axis), axis, name

    def problems(self, every: Mapping[str, Any]) -> list[str]:
        """Return the problems whose cells are compared or whose factor is measured: one that is named, or `every`."""
        named = dict(self.compare.fixed).get("problem") if self.compare else self.of and self.of.problem
        return [str(named)] if named else list(every)
