"""Claims in the experiment file: sentences about the results, written so that they can be checked.

A claim compares two sets of cells (`compare`) or measures one thing (`of`). Here is how it is written and what it
names; thalweg.analysis.claims says what comes of it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from thalweg.experiment import search_space

AXES = ("problem", "optimizer", "schedule", "batch_size", "learning_rate")
"""What a cell is named by, with its peak learning rate."""

FACTORS = ("optimizer", "learning_rate", "schedule", "batch_size")
"""What a share of variance may be due to."""

TUNED = "tuned"
"""The learning rate that tuning chose for each cell: what a comparison is at where it names no rate."""

Level = str | int | float
Expected = Literal["lower", "higher", "same"]


class Measure(NamedTuple):
    """What is measured: its kind, the column of the histories it is taken from, and what that is to reach.

    A `column` of "" is no column, or for `steps to`, `epochs to` and `seconds to` each problem's own target.
    """

    text: str
    kind: str
    column: str = ""
    at_least: bool = False
    value: float = 0.0

    @property
    def is_in_seconds(self) -> bool:
        """Whether it rests on what a clock measured, so that it may come out otherwise on another machine."""
        return self.kind == "seconds to"

    @property
    def is_time_to_target(self) -> bool:
        """Whether it is infinite for a run that never reached a target, which is known only to have taken longer."""
        return self.kind in ("steps to", "epochs to", "seconds to")

    @property
    def is_of_runs(self) -> bool:
        """Whether each run has a value of its own."""
        return self.kind not in ("share of variance", "share of variance with interactions", "share of epochs")

    @property
    def is_share(self) -> bool:
        """Whether values lie between 0 and 1, so that they are given in % and differ by points."""
        return (
            not self.is_of_runs or self.kind == "rises" or (self.kind in ("final", "best") and _is_a_share(self.column))
        )


class Comparison(NamedTuple):
    """Two sets of cells that differ in one axis, `level` against `other`. An axis that is not `fixed` has all of its
    levels on both sides, and the learning rate is tuned."""

    axis: str
    level: Level
    other: Level
    fixed: tuple[tuple[str, Level], ...]

    def sides(self) -> tuple[dict[str, Level], dict[str, Level]]:
        """The two sets of cells, each by the levels that it names."""
        return {**dict(self.fixed), self.axis: self.level}, {**dict(self.fixed), self.axis: self.other}


class Range(NamedTuple):
    """The values that a claim expects of what it measures, both ends included; infinite where there is none."""

    low: float | None
    high: float | None
    share: bool = False


class Effect(NamedTuple):
    """The smallest effect of interest: a share of a ratio (%) or a difference (points)."""

    amount: float
    unit: Literal["%", "point"]


def _is_a_share(column: str) -> bool:
    return any(word in column for word in ("accuracy", "auc", "precision", "recall", "iou"))


_SPLIT = r"(train|validation|test) ([a-z][\w ]*?)"
_NUMBER = r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)"
_MEASURES = {
    "final": rf"final {_SPLIT}",
    "best": rf"best {_SPLIT}",
    "rises": rf"rises of {_SPLIT}",
    "steps to": rf"steps to {_SPLIT} ?(<=|>=) ?{_NUMBER}|steps to target",
    "epochs to": rf"epochs to {_SPLIT} ?(<=|>=) ?{_NUMBER}|epochs to target",
    "seconds to": rf"seconds to {_SPLIT} ?(<=|>=) ?{_NUMBER}|seconds to target",
    "steps an epoch": "steps an epoch",
    "gradient noise": "gradient noise",
    "prediction": rf"prediction at x = {_NUMBER}",
    "share of variance": "share of variance",
    "share of variance with interactions": "share of variance with interactions",
    "share of epochs": "share of epochs with a lower learning rate",
}
_HOW_TO_MEASURE = (
    "write final train loss, best validation accuracy, steps to train loss <= 0.01, steps to target, seconds to "
    "target, rises of train loss, steps an epoch, gradient noise, prediction at x = 10, share of variance, share of "
    "variance with interactions, or share of epochs with a lower learning rate"
)


def read_measure(value: Any) -> Measure:
    """A measure as the experiment file writes it. Raises ValueError for what is none."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    for kind, pattern in _MEASURES.items():
        match = re.fullmatch(pattern, text)
        if not match:
            continue
        if kind == "prediction":
            return Measure(text, kind, value=_number(match[1]))
        parts = [part for part in match.groups() if part is not None]
        column = "_".join(parts[:2]).replace(" ", "_")
        return Measure(text, kind, column, ">=" in parts, _number(parts[3]) if len(parts) > 3 else 0.0)
    raise ValueError(f"{value!r} is no measure; {_HOW_TO_MEASURE}")


def read_comparison(value: Any) -> Any:
    """Two sets of cells: `{optimizer: adam, with: sgd, problem: sine}`. `with` stands after what it is compared to."""
    if value is None:
        return None
    if not isinstance(value, dict) or "with" not in value:
        raise ValueError(f"write what is compared with what, as in {{optimizer: adam, with: sgd}}, not {value!r}")
    names = list(value)
    place = names.index("with")
    axis = names[place - 1] if place else ""
    if axis not in AXES[1:]:
        raise ValueError(f"with: stands after what it is compared to, one of {', '.join(AXES[1:])}")
    _only(names, (*AXES, "with"))
    levels = {name: _level(name, level) for name, level in value.items() if name != "with"}
    other = _level(axis, value["with"])
    if other == levels[axis]:
        raise ValueError(f"with: {other!r} is compared with itself")
    if axis == "learning_rate" and TUNED in (other, levels[axis]):
        raise ValueError("with: compare two learning rates that are written out; tuning may choose the same one")
    fixed = tuple((name, level) for name, level in levels.items() if name != axis)
    return Comparison(axis, levels[axis], other, fixed)


def _level(axis: str, value: Any) -> Level:
    if axis == "batch_size":
        fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
    elif axis == "learning_rate":
        fits = value == TUNED or (search_space.is_number(value) and 0 < value <= search_space.LARGEST)
    else:
        fits = isinstance(value, str)
    if not fits:
        kind = {"batch_size": "a whole number", "learning_rate": f"a number or {TUNED}"}.get(axis, "a name")
        raise ValueError(f"{axis}: must be {kind}, not {value!r}")
    level: Level = float(value) if axis == "learning_rate" and value != TUNED else value
    return level


def _only(names: list[Any], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{name}: unknown key; known here: {', '.join(known)}")


class Of(BaseModel):
    """What a measure is of: a reproduction's runs, or a factor on one problem or on all."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reproduction: str | None = None
    factor: Literal["optimizer", "learning_rate", "schedule", "batch_size"] | None = None
    problem: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_thing(cls, given: Any) -> Any:
        if not isinstance(given, dict) or ("reproduction" in given) == ("factor" in given):
            raise ValueError(f"write {{reproduction: NAME}}, or {{factor: NAME, problem: NAME}}, not {given!r}")
        _only(list(given), ("reproduction",) if "reproduction" in given else ("factor", "problem"))
        return given


def _read_expected(value: Any) -> Any:
    """`lower`, `higher` and `same` of a comparison; of a measure the values that it may have."""
    if value in ("lower", "higher", "same"):
        return value
    match = re.fullmatch(
        rf"\s*(?:(at least|at most)|within\s+{_NUMBER}\s+of)\s+{_NUMBER}\s*(%)?\s*",
        value if isinstance(value, str) else "",
    )
    if not match:
        raise ValueError(
            f"{value!r} is nothing to expect; write lower, higher or same where cells are compared, and at least 10 %, "
            f"at most 0.01 or within 0.1 of 19 where something is measured"
        )
    number, scale = _number(match[3]), 0.01 if match[4] else 1.0
    within = _number(match[2]) if match[2] else math.nan
    low = {"at least": number, "at most": None}.get(match[1], number - within)
    high = {"at least": None, "at most": number}.get(match[1], number + within)
    return Range(None if low is None else low * scale, None if high is None else high * scale, bool(match[4]))


def _read_effect(value: Any) -> Any:
    """The smallest effect of interest: `1 %` of a ratio, or `0.5 points` of a share."""
    match = re.fullmatch(rf"\s*{_NUMBER}\s*(%|points?)\s*", value) if isinstance(value, str) else None
    amount = _number(match[1]) / 100 if match else math.nan
    if value is not None and not (match and 0 <= amount < 1):
        raise ValueError(f"{value!r} is no effect; write 1 % of a ratio, or 0.5 points of a difference of shares")
    return Effect(amount, "%" if match[2] == "%" else "point") if match else None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


class Claim(BaseModel):
    """A sentence, what it compares or measures, and what it expects of that."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    says: str
    compare: Annotated[Comparison | None, BeforeValidator(read_comparison)] = None
    of: Of | None = None
    measure: Annotated[Measure, BeforeValidator(read_measure)]
    expect: Annotated[Expected | Range, BeforeValidator(_read_expected)]
    smallest_effect: Annotated[Effect | None, BeforeValidator(_read_effect)] = None

    @model_validator(mode="after")
    def _compares_or_measures(self) -> "Claim":
        if (self.compare is None) == (self.of is None):
            raise ValueError("a claim has either compare, two sets of cells, or of, what is measured")
        return self

    @model_validator(mode="after")
    def _measure_fits(self) -> "Claim":
        kind = self.measure.kind
        if self.compare is not None and (not self.measure.is_of_runs or kind == "prediction"):
            raise ValueError(f"measure: {self.measure.text} is not of cells that are compared; write of, not compare")
        if self.of is not None and self.measure.is_in_seconds:
            raise ValueError(f"measure: {self.measure.text} is compared only, for seconds are those of a machine")
        if self.of is not None and (self.of.factor is not None) != kind.startswith("share of variance"):
            raise ValueError(
                f"measure: {self.measure.text} does not fit of; a factor has a share of variance, a "
                f"reproduction all else"
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
        """What the claim names elsewhere in the file: where it stands in the claim, of which axis, and the name."""
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
        """The problems, among `every`, whose cells are compared or whose factor is measured."""
        named = dict(self.compare.fixed).get("problem") if self.compare else self.of and self.of.problem
        return [str(named)] if named else list(every)
