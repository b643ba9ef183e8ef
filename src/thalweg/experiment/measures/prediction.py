"""What a trained model predicts at a probe point."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from thalweg.experiment.measures.base import NUMBER, RunData, RunMeasure, read_number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prediction(RunMeasure):
    """The prediction at the end of the run, at the probe point `x`; infinite for lost runs."""

    x: float = 0.0

    grammar = f"prediction at x = {NUMBER}"
    meaning = "of a reproduction: the prediction at that probe point"
    forms = examples = ("prediction at x = 10",)
    place = 9
    fits = ("reproduction",)

    @classmethod
    def parse(cls, text: str, match: re.Match[str]) -> Self:
        return cls(text, x=read_number(match[1]))

    def values(self, data: RunData) -> "pd.Series":
        predictions = data.unknown.copy()
        for problem, probes in data.probes.items():
            for k, (point, _) in enumerate(probes):
                if point == [self.x]:
                    rows = data.runs["problem"] == problem
                    predicted = data.runs.loc[rows, f"final_probe_{k}"].astype(float)
                    predictions[rows] = predicted.where(data.finished[rows], math.inf)
        return predictions
