"""The experiment's results as tables, each as Parquet and CSV: `python -m thalweg.analysis.tables`.

What follows from the runs alone is the same bytes whenever it is built again. What a clock measured lies in a folder of
its own, with all that rests on it.
"""

import argparse
import gc
import io
import sys
from pathlib import Path

import pandas as pd
import pyarrow

from thalweg.analysis import ALL_TABLES, MEASURED_FOLDER, MEASURED_TABLES, histories
from thalweg.analysis.claims.runs import find_unknown_metrics
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.table import describe, find_table
from thalweg.experiment.errors import format_mistakes
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.results.files import write_atomically


def build(experiment: Experiment, results: Path) -> dict[str, pd.DataFrame]:
    """Every table by name, from what training left in `results` (results/<experiment>). Raises FileNotFoundError where
    that is nothing."""
    inputs = Inputs(experiment, results)
    return {name: build_table(name, inputs) for name in ALL_TABLES}


def build_table(name: str, inputs: Inputs) -> pd.DataFrame:
    """The table of this name, its rows in their order, and `run` as texts."""
    table = find_table(name)
    rows = table.build(inputs)
    if table.keys:
        rows = histories.in_grid_order(rows, inputs.experiment, list(table.keys))
    return rows.astype({"run": "str"}) if "run" in rows else rows


def write(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as Parquet and CSV, and the dictionary that says what their columns mean."""
    for name, table in {**tables, "dictionary": describe(tables)}.items():
        place = folder / MEASURED_FOLDER if name in MEASURED_TABLES else folder
        write_atomically(place / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode())
        if name != "dictionary":
            write_atomically(place / f"{name}.parquet", _parquet(table))


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def missing(name: str, counts: pd.DataFrame) -> str | None:
    """What is told of the declared runs that are not there, and whose they are; None where all are."""
    lost, wanted = int(counts["missing"].sum()), int(counts["declared"].sum())
    whose = [
        f"{row.problem}, {row.stage}: {row.missing:,} ({row.missing_of})"
        for row in counts[counts["missing"] > 0].itertuples()
    ]
    return f"[tables] {name}: {lost:,} of {wanted:,} runs are missing: {'; '.join(whose)}" if lost else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    if mistakes := find_unknown_metrics(experiment, arguments.results):
        sys.exit(format_mistakes(arguments.experiment, mistakes))
    # There is hardly any garbage to be looked for, and the memory of large frames that is given back to the system, as
    # Arrow's own allocator does, is soon wanted again: both together take a twelfth of the time.
    gc.disable()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    try:
        tables = build(experiment, arguments.results)
    except FileNotFoundError as error:
        sys.exit(str(error))
    write(tables, arguments.output)
    line = missing(experiment.name, tables["counts"])
    if line:
        print(line, flush=True)


if __name__ == "__main__":
    main()
