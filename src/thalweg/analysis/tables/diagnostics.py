"""Gradients on the way: median and quartiles over evaluation seeds, step by step."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from thalweg.analysis.choose import CELL
from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table
from thalweg.analysis.tables.curves import tabulate
from thalweg.experiment.schema import Experiment

GRADIENT_QUANTITIES = ("gradient_norm", "update_ratio", "gradient_noise_scale", "batch_gradient_variance")
"""What is told of gradients, as far as it was recorded."""


def table(
    evaluation: pd.DataFrame, recorded: pd.DataFrame, experiment: Experiment, examples: Mapping[str, float]
) -> pd.DataFrame:
    """A row a cell, quantity of GRADIENT_QUANTITIES and step, as in the table of curves.

    A quantity's rows begin at the first step at which it was recorded.

    The worst value is infinity. `batch_gradient_variance` is tr(Σ) / batch size, the variance of a batch's gradient
    (McCandlish et al. 2018, arXiv:1812.06162, section 2.2). Where an epoch is one batch nothing is known of either
    quantity of noise, and there is no row.
    """
    if "gradient_variance" in recorded:
        batch_sizes = evaluation.drop_duplicates("run").set_index("run")["batch_size"]
        of_runs = recorded["run"].map(batch_sizes).astype(float)
        recorded = recorded.assign(batch_gradient_variance=recorded["gradient_variance"] / of_runs)
    quantities = [({"quantity": name}, name, np.inf) for name in GRADIENT_QUANTITIES if name in recorded]
    return tabulate(evaluation, recorded, quantities, ["quantity"], experiment, examples)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.evaluation, inputs.recorded, inputs.experiment, inputs.examples)


TABLE = Table(
    build=build,
    keys=(*CELL, "step"),
    columns={
        "n": Column(
            int, "evaluation runs at the chosen rate, diverged ones and those out of time included", unit="runs"
        ),
        "quantity": Column(
            str,
            "gradient_norm: of the latest step's batch, before clipping; update_ratio: norm of what that step "
            "changed / norm of all trainable weights; gradient_noise_scale: tr(Σ) / |G|², in examples; "
            "batch_gradient_variance: tr(Σ) / batch_size",
        ),
        "diverged": Column(int, "how many had diverged by this step; they count as infinite", unit="runs"),
        "out_of_time": Column(int, "how many had been stopped before this step; they count as infinite", unit="runs"),
        "median": Column(float, "median over the runs; one that reached its target before counts as it was there"),
        "lower": Column(float, "first quartile over the runs"),
        "upper": Column(float, "third quartile over the runs"),
    },
)
