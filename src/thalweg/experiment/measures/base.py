"""What every measure of a claim has in common: its grammar, what it fits, and how a value is read from runs.

Nothing here imports pandas: the experiment file is read without it, and methods of data frames need no import.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

from thalweg.experiment.target import Target

if TYPE_CHECKING:
    import re

    import pandas as pd

Subject = Literal["compare", "reproduction", "factor"]
"""What a claim is about: two sets of cells that are compared, a reproduction's runs, or a factor of the grid."""

METRIC = r"(train|validation|test) ([a-z][\w ]*?)"
"""The grammar of a metric on a split, as in `train loss`: two groups."""

NUMBER = r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)"
"""The grammar of a number: one group, for `read_number`."""

SHARE_METRICS = ("accuracy", "auc", "precision", "recall", "iou")
"""A metric whose name holds one of these lies between 0 and 1."""


def read_number(text: str) -> float:
    """Read a finite number. Raises ValueError for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def name_column(split: str, metric: str) -> str:
    """The column of the histories that holds a metric on a split: `validation_top_5_accuracy`."""
    return f"{split}_{metric}".replace(" ", "_")


def is_share_metric(column: str) -> bool:
    """Whether the metric in a column of the histories lies between 0 and 1."""
    return any(word in column for word in SHARE_METRICS)


@dataclass(frozen=True)
class RunData:
    """Runs to measure, and what is known of them.

    Attributes:
        runs: A row a run, with its final and best metrics. A lost run (one that diverged or was out of time) has the
            worst value in place of each.
        histories: The records of these runs, and of others, at evaluation points.
        finished_outcomes: The outcomes of runs that have final metrics of their own. All other runs are lost.
        unknown: For each row of `runs` NaN: the values of a measure that no run has recorded.
        own_targets: The target of each problem's entry in the experiment file.
        probes: For each problem with probe points, in the order of the columns `final_probe_0`, `final_probe_1` …: the
            point and the true value.
    """

    runs: "pd.DataFrame"
    histories: "pd.DataFrame"
    finished_outcomes: Sequence[str]
    unknown: "pd.Series"
    own_targets: Mapping[str, Target | None]
    probes: Mapping[str, Sequence[tuple[list[float], float]]]

    @property
    def finished(self) -> "pd.Series":
        """For each row of `runs` whether the run is not lost."""
        return self.runs["outcome"].isin(self.finished_outcomes)

    def records(self) -> "pd.DataFrame":
        """The histories of `runs` alone, each point once, in the order of the steps."""
        records = self.histories[self.histories["run"].isin(self.runs["run"])].drop_duplicates(["run", "step"])
        return records.sort_values(["run", "step"])


class Bounds(NamedTuple):
    """Between which numbers the value of a run lies, where it is not known more exactly."""

    run: str
    lower: float
    upper: float


@dataclass(frozen=True)
class Measure(ABC):
    """A measure as a claim names it. A subclass is a kind of measure; its class variables say how it is written.

    Attributes:
        text: The measure in the words of the experiment file, with single spaces.
        column: The column of the histories that it is taken from; "" for none, or for each problem's own target.
        grammar: A regular expression of the whole text, whose groups `parse` reads.
        meaning: What is measured, in Markdown, as the reference page shows it.
        forms: How the measure is written, as the reference page shows it. Each is a measure.
        examples: Those forms that the message about a text that is no measure has.
        place: Where the kind stands on that page and in that message: the lower, the earlier.
        fits: What a claim with this measure may be about.
        record: What a problem's key `record` has to name, so that runs record what is measured; "" for nothing.
        bounds_note: Why only two bounds may be known, a sentence for the report; "" where that is never so.
        is_time_to_target: Whether a run that never reaches a target has the value infinity, which says only that it
            would have taken longer.
        is_in_seconds: Whether it rests on what a clock measured, so that it may differ on another machine.
    """

    text: str
    column: str = ""

    grammar: ClassVar[str]
    meaning: ClassVar[str]
    forms: ClassVar[tuple[str, ...]]
    examples: ClassVar[tuple[str, ...]] = ()
    place: ClassVar[int] = 100
    fits: ClassVar[tuple[Subject, ...]]
    record: ClassVar[str] = ""
    bounds_note: ClassVar[str] = ""
    is_time_to_target: ClassVar[bool] = False
    is_in_seconds: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, match: "re.Match[str]") -> Self:
        """The measure of a text that matches the grammar. Raises ValueError for a number that is none."""
        return cls(text)

    @property
    def is_share(self) -> bool:
        """Whether values lie between 0 and 1. They are written in %, and compared by their difference in points."""
        return False

    @property
    def effect(self) -> Literal["ratio", "difference"]:
        """How two values are compared."""
        return "difference" if self.is_share else "ratio"

    @property
    def no_effect(self) -> float:
        """The ratio or the difference of two equal values."""
        return 0.0 if self.is_share else 1.0


class RunMeasure(Measure):
    """A measure of which each run has a value of its own."""

    fits: ClassVar[tuple[Subject, ...]] = ("compare", "reproduction")

    @abstractmethod
    def values(self, data: RunData) -> "pd.Series":
        """The value of each of `data.runs`: NaN where it was not recorded, the worst where the run was lost."""


class BoundedMeasure(Measure):
    """A measure of one run, which may be known by two bounds alone. Its values are shares."""

    fits = ("reproduction",)

    @property
    def is_share(self) -> bool:
        return True

    @abstractmethod
    def bounds(self, data: RunData) -> Bounds | None:
        """The bounds of the run that tells most; None where no run has recorded what is measured."""


class FactorMeasure(Measure):
    """A factor's share of the variance between tuning runs, which form a complete design.

    Attributes:
        with_interactions: Whether the share holds the interactions that the factor takes part in.
    """

    fits = ("factor",)
    with_interactions: ClassVar[bool]

    @property
    def is_share(self) -> bool:
        return True
