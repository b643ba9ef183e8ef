"""The score of each optimizer's performance profile."""

import pandas as pd

from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table
from thalweg.analysis.tables.profiles import build_both


def build(inputs: Inputs) -> pd.DataFrame:
    return build_both(inputs)[1]


TABLE = Table(
    build=build,
    columns={
        "measure": Column(str, "what times are counted in: steps, or examples, an example counting each time"),
        "tau_max": Column(int, "the τ at which the profile's integral ends"),
        "workloads": Column(int, "how many pairs of a problem and a target there are, without the problems left out"),
        "left_out": Column(int, "how many problems are left out, since an optimizer lacks evaluation runs there"),
        "reached": Column(int, "on how many of them at least half of the optimizer's runs reach the target"),
        "n": Column(int, "evaluation seeds", unit="seeds"),
        "score": Column(
            float, "integral of the profile from τ = 1 to tau_max / (tau_max − 1): 1 where always the quickest"
        ),
        "lower": Column(float, "lower end of its 95 % bootstrap interval, whole seeds resampled"),
        "upper": Column(float, "upper end of it"),
        "interval": Column(str, "how that interval was found, or why there is none"),
        "difference": Column(float, "the score less the highest one of the measure"),
        "difference_lower": Column(float, "lower end of its 95 % interval, of the same resamples"),
        "difference_upper": Column(float, "upper end of it"),
        "p": Column(
            float, "two-sided p that the difference is zero: that interval, inverted; null for the highest score"
        ),
        "adjusted_p": Column(float, "p adjusted for all comparisons of the measure (Holm)"),
        "verdict": Column(
            str,
            "reference, the highest score; lower, where adjusted_p is at most 5 %; not distinguishable, where it "
            "is above; or too few seeds",
        ),
    },
)
