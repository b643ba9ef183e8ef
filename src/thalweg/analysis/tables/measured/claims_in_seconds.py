"""The verdicts on claims in seconds."""

import pandas as pd

from thalweg.analysis.claims import table as claims_table
from thalweg.analysis.claims.finding import Finding
from thalweg.analysis.claims.runs import Results
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table
from thalweg.analysis.tables import claims
from thalweg.analysis.timings import compared
from thalweg.experiment.claims import Claim
from thalweg.experiment.measures.base import RunMeasure
from thalweg.experiment.schema import Experiment


def table(experiment: Experiment, results: Results, turns: pd.DataFrame) -> pd.DataFrame:
    """The rows of claims in seconds, as those of the others stand in the table of claims."""

    def finding(claim: Claim) -> Finding:
        if claim.compare is None or not isinstance(claim.measure, RunMeasure):
            raise ValueError(f"{claim.measure.text} is of what is compared")
        return compared(experiment, claim.compare, claim.measure, results, turns)

    in_seconds = {name: claim for name, claim in experiment.claims.items() if claim.measure.is_in_seconds}
    return claims_table.tabulate(experiment, in_seconds, finding)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.experiment, inputs.claimed, inputs.turns)


TABLE = Table(
    build=build,
    columns={
        **claims.TABLE.columns,
        "effect": Column(
            float, "median over seeds of the ratio of steps × median over rounds of the ratio of times of a step"
        ),
        "lower": Column(float, "lower end of its 95 % interval: the product of those of two 97.5 % intervals"),
    },
)
