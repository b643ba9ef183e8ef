"""A metric on a split, where a run ended or at its best."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from thalweg.experiment.measures.base import METRIC, RunData, RunMeasure, is_share_metric, name_column

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Metric(RunMeasure):
    """A metric on a split, in the column of the runs that begins with `point`."""

    point: ClassVar[str]

    @classmethod
    def parse(cls, text: str, match: re.Match[str]) -> Self:
        return cls(text, name_column(match[1], match[2]))

    @property
    def is_share(self) -> bool:
        return is_share_metric(self.column)

    def values(self, data: RunData) -> "pd.Series":
        name = f"{self.point}_{self.column}"
        return data.runs[name].astype(float) if name in data.runs else data.unknown


class Final(_Metric):
    """The metric at the end of the run: at the horizon, or where the run reached its target."""

    point = "final"
    grammar = f"final {METRIC}"
    meaning = "a metric on a split where the run ended"
    forms = ("final train loss", "final test accuracy")
    examples = ("final train loss",)
    place = 1


class Best(_Metric):
    """The metric at the evaluation point with the lowest validation loss."""

    point = "best"
    grammar = f"best {METRIC}"
    meaning = "the same at the evaluation point with the lowest validation loss"
    forms = ("best train loss", "best validation accuracy")
    examples = ("best validation accuracy",)
    place = 2
