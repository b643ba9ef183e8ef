"""Where runs were trained, and with what."""

import pandas as pd

from thalweg.analysis.columns import Column
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import Table

ENVIRONMENT = (
    "device",
    "cpu_model",
    "instruction_set",
    "cores",
    "memory_gib",
    "os",
    "python",
    "tensorflow",
    "keras",
    "numpy",
    "commit",
    "dirty",
    "command",
)
"""Where a run was trained, and with what."""


def table(measurements: pd.DataFrame) -> pd.DataFrame:
    """A row a distinct environment, and the number of runs that were trained in it, the most first."""
    columns = list(ENVIRONMENT)
    environments = measurements.groupby(columns, dropna=False, as_index=False).agg(runs=("run", "size"))
    return environments.sort_values(["runs", *columns], ascending=[False] + [True] * len(columns), ignore_index=True)


def build(inputs: Inputs) -> pd.DataFrame:
    return table(inputs.measurements)


TABLE = Table(
    build=build,
    columns={
        "device": Column(str, "the device that computed"),
        "cpu_model": Column(str, "the processor"),
        "instruction_set": Column(str, "the processor's instruction set, which can change the last bits"),
        "cores": Column(int, "processor cores"),
        "memory_gib": Column(float, "memory", unit="GiB"),
        "os": Column(str, "operating system"),
        "python": Column(str, "version"),
        "tensorflow": Column(str, "version"),
        "keras": Column(str, "version"),
        "numpy": Column(str, "version"),
        "commit": Column(str, "the commit of the code that trained"),
        "dirty": Column(bool, "whether files differed from that commit"),
        "command": Column(str, "the command that trained"),
        "runs": Column(int, "how many distinct runs were trained so", unit="runs"),
    },
)
