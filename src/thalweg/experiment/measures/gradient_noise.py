"""How much the gradients of batches differ from one another."""

from typing import TYPE_CHECKING

from thalweg.experiment.measures.base import RunData, RunMeasure

if TYPE_CHECKING:
    import pandas as pd


class GradientNoise(RunMeasure):
    """The variance of a batch's gradient, tr(Σ) / batch size, median over a run's evaluation points.

    Σ is the covariance of the gradients of single examples (McCandlish et al. 2018, arXiv:1812.06162, section 2.2).
    """

    grammar = "gradient noise"
    meaning = (
        "the variance of a batch's gradient, `gradient_variance` / batch size, median over the evaluation points; for "
        "problems with `record: [gradient_noise]`"
    )
    forms = examples = ("gradient noise",)
    place = 8
    record = "gradient_noise"

    def values(self, data: RunData) -> "pd.Series":
        records = data.records()
        if "gradient_variance" not in records:
            return data.unknown
        medians = records.groupby("run")["gradient_variance"].median()
        return data.runs["run"].map(medians).astype(float) / data.runs["batch_size"]
