"""The verdicts on claims in which no clock has a part."""

import pandas as pd

from thalweg.analysis.claims import table as claims_table
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table


def build(inputs: Inputs) -> pd.DataFrame:
    return claims_table.build_table(inputs.experiment, inputs.claimed)


TABLE = Table(
    build=build,
    columns={
        "claim": Column(str, "the claim's name in the experiment file"),
        "problem": Column(
            str, "null for the claim as a whole; of one about several problems, a row for each of them too"
        ),
        "verdict": Column(
            str,
            "holds: the interval lies wholly in the range claimed, of several problems on every one; fails: wholly"
            " outside, on every one; else undecided",
        ),
        "reason": Column(str, "why the verdict came out so"),
        "effect": Column(
            float,
            "median over seeds, null for several problems together; of a share of variance the estimate from all "
            "tuning seeds",
        ),
        "lower": Column(float, "lower end of the 95 % interval; of a share of epochs a bound"),
        "upper": Column(float, "upper end of it"),
        "at_least": Column(float, "the lowest effect for which the claim is true; null where there is none"),
        "at_most": Column(float, "the highest one; of lower, higher and same neither end is among them"),
        "unit": Column(str, "ratio or difference of what is compared; share, or value in the measure's own unit"),
        "n": Column(
            int,
            "how many seeds the effect is from, of several problems the fewest; of a share of epochs, runs",
            unit="seeds",
        ),
        "cells": Column(int, "pairs of cells compared at each seed; of a share of variance, problems"),
        "declared": Column(int, "pairs of cells that the experiment declares; 0 where none are compared"),
        "runs": Column(str, "the digests of the runs behind it, with spaces between"),
    },
)
