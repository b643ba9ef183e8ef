"""How many steps an epoch has."""

from typing import TYPE_CHECKING

from thalweg.experiment.measures.base import RunData, RunMeasure

if TYPE_CHECKING:
    import pandas as pd


class StepsAnEpoch(RunMeasure):
    """The number of batches in an epoch, which is that of updates."""

    grammar = "steps an epoch"
    meaning = "as it says"
    forms = examples = ("steps an epoch",)
    place = 7

    def values(self, data: RunData) -> "pd.Series":
        return data.runs["steps_per_epoch"].astype(float)
