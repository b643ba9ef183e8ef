"""How often a metric rises along a run."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from thalweg.experiment.measures.base import METRIC, RunData, RunMeasure, name_column

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rises(RunMeasure):
    """The share of evaluation points at which the metric is higher than at the one before; infinite for lost runs."""

    grammar = f"rises of {METRIC}"
    meaning = "the share of evaluation points at which it is higher than at the one before"
    forms = examples = ("rises of train loss",)
    place = 6

    @classmethod
    def parse(cls, text: str, match: re.Match[str]) -> Self:
        return cls(text, name_column(match[1], match[2]))

    @property
    def is_share(self) -> bool:
        return True

    def values(self, data: RunData) -> "pd.Series":
        records = data.records()
        if self.column not in records:
            return data.unknown
        changes = records.groupby("run")[self.column].diff().dropna()
        shares = (changes > 0).groupby(records.loc[changes.index, "run"]).mean()
        return data.runs["run"].map(shares).astype(float).where(data.finished, math.inf)
