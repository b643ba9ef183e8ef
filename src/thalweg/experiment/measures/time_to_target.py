"""How long a run takes to its problem's own target, or to one that the claim names."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from thalweg.experiment.measures.base import METRIC, NUMBER, RunData, RunMeasure, Subject, name_column, read_number
from thalweg.experiment.target import Target

if TYPE_CHECKING:
    import pandas as pd

_TARGET = rf"{METRIC} ?(<=|>=) ?{NUMBER}"


@dataclass(frozen=True)
class StepsToTarget(RunMeasure):
    """The first evaluation point at which a run is at the target, in steps; infinite where it never is.

    Attributes:
        target: What is to be reached; None for each problem's own target.
    """

    target: Target | None = None

    grammar = f"steps to {_TARGET}|steps to target"
    meaning = "the first evaluation point at which it is there, or at the problem's own target"
    forms = ("steps to train loss <= 0.01", "steps to target")
    examples: ClassVar[tuple[str, ...]] = forms
    place = 3
    is_time_to_target = True

    @classmethod
    def parse(cls, text: str, match: re.Match[str]) -> Self:
        if match[1] is None:
            return cls(text)
        target = Target(name_column(match[1], match[2]), match[3] == ">=", read_number(match[4]))
        return cls(text, target.column, target)

    def values(self, data: RunData) -> "pd.Series":
        runs, records, first_steps = data.runs, data.records(), data.unknown.copy()
        for problem in runs["problem"].unique():
            target, of_problem = self.target or data.own_targets[problem], runs["problem"] == problem
            rows = records[records["run"].isin(runs.loc[of_problem, "run"])]
            # A metric that the problem does not have leaves its runs unknown.
            if target is None or target.column not in rows or rows[target.column].isna().all():
                continue
            steps = rows[target.is_reached_by(rows[target.column])].groupby("run")["step"].min().astype(float)
            first_steps[of_problem] = runs.loc[of_problem, "run"].map(steps).astype(float).fillna(math.inf)
        return first_steps


class EpochsToTarget(StepsToTarget):
    """The steps to the target, in epochs."""

    grammar = StepsToTarget.grammar.replace("steps", "epochs")
    meaning = "the same in epochs"
    forms = ("epochs to train loss <= 0.01", "epochs to target")
    examples = ()
    place = 4

    def values(self, data: RunData) -> "pd.Series":
        return super().values(data) / data.runs["steps_per_epoch"]


class SecondsToTarget(StepsToTarget):
    """The time to the target. Its values are in steps; what times a step multiplies them, after they are compared."""

    grammar = StepsToTarget.grammar.replace("steps", "seconds")
    meaning = "those steps × the time of a step; only compared, and only for problems with `timing: true`"
    forms = ("seconds to train loss <= 0.01", "seconds to target")
    examples = ("seconds to target",)
    place = 5
    fits: ClassVar[tuple[Subject, ...]] = ("compare",)
    is_in_seconds = True
