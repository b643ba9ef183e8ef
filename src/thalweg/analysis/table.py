"""A table of results: how it is built, in what order its rows stand, and what its columns hold."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from thalweg.analysis import MEASURED_FOLDER, MEASURED_TABLES
from thalweg.analysis.columns import SHARED, Column, describe_metric
from thalweg.analysis.inputs import Inputs


@dataclass(frozen=True)
class Table:
    """What a module of thalweg.analysis.tables defines as its `TABLE`.

    Attributes:
        build: Builds the table from what training left.
        columns: The columns of the table that columns.SHARED does not have, or that mean something else here.
        keys: The columns by which rows are sorted, names in grid order; none where `build` gives rows in an order of
            its own.
        metric_suffix: What is added to the meanings of metrics, such as final_test_loss, which stand in the table as
            far as problems measure them; None for a table without metrics.
    """

    build: Callable[[Inputs], pd.DataFrame]
    columns: Mapping[str, Column] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    metric_suffix: str | None = None

    def column(self, name: str) -> Column | None:
        """What a column holds; None for one that nobody described."""
        known = self.columns.get(name) or SHARED.get(name)
        if known is None and self.metric_suffix is not None:
            return describe_metric(name, self.metric_suffix)
        return known


def find_table(name: str) -> Table:
    """The table that the module of this name defines."""
    package = f"thalweg.analysis.tables.{MEASURED_FOLDER}" if name in MEASURED_TABLES else "thalweg.analysis.tables"
    table: Table = importlib.import_module(f"{package}.{name}").TABLE
    return table


def describe(columns: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """The data dictionary: a row a column, with table, column, unit and meaning.

    Args:
        columns: For each table the names of its columns.

    Raises:
        KeyError: For a column that nobody described.
    """
    rows = []
    for table, names in columns.items():
        for name in names:
            column = find_table(table).column(name)
            if column is None:
                raise KeyError(f"{table}.{name} is described nowhere")
            rows.append((table, name, column.unit, column.meaning))
    return pd.DataFrame(rows, columns=["table", "column", "unit", "meaning"])
