"""Write a page for each cell, which needs no figure: `python -m thalweg.reporting.html.cells`.

The rows of every table are grouped by cell once. To filter a table for each of 1,500 cells would be slow.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg import templates
from thalweg.analysis import histories, targets
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.comparing import preference
from thalweg.analysis.histories import FAILURES, Metric
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html import plots, recommendation
from thalweg.reporting.html.findings import records
from thalweg.results import layout
from thalweg.results.files import write_atomically

MAX_PRINTED_CELLS = 30
"""How many cells of each problem are shown when the page of all cells is printed on paper."""

TABLES = ("cells", "rates", "runs", "targets", "curves")
"""The tables that the pages of cells show."""

Key = tuple[Any, ...]
"""A cell: problem, optimizer, schedule and batch size, as CELL names them."""


def address(cell: dict[str, Any]) -> str:
    """Return the path of a cell's page in the report. Names contain no hyphen, so that no two cells share a page."""
    return f"cells/{cell['problem']}/{cell['optimizer']}-{cell['schedule']}-{cell['batch_size']}.html"


def rank_cells(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Sort the cells of each problem by `comparisons.preference`, the recommended one first.

    Returns:
        The rows of the table `cells` with four more values: the `rank`, the number of `others` that share it, the
        number of the problem's cells as `of`, and `beyond`, whether the cell is left out on paper.
    """
    ranks = preference(cells).groupby(["examples_to_target", "loss"]).ngroup().groupby(cells["problem"], sort=False)
    ranked = cells.assign(rank=ranks.rank(method="min").astype(int), of=ranks.transform("size"))
    ranked["others"] = ranked.groupby(["problem", "rank"])["rank"].transform("size") - 1
    order = {name: number for number, name in enumerate(dict.fromkeys(cells["problem"]))}
    ranked = ranked.sort_values(["problem", "rank"], key=lambda column: column.replace(order), kind="stable")
    ranked["beyond"] = ranked.groupby("problem", sort=False).cumcount() >= MAX_PRINTED_CELLS
    return records(ranked)


def page_values(cells: list[dict[str, Any]], tables: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """Gather what the page of each cell shows.

    Args:
        cells: The cells in the order of their pages, from `rank_cells`.
        tables: The tables named by TABLES.

    Yields:
        The values of a page. A trial is marked `unresolved` if its median is too small to be told from others.
    """
    rates = tables["rates"]
    trials = _group_by_cell(rates.assign(unresolved=histories.unresolved(rates["median"])))
    targets = _group_by_cell(tables["targets"])
    runs = tables["runs"]
    chosen_trials = pd.DataFrame(cells)[[*CELL, *TRIAL]]
    evaluation = _group_by_cell(runs[runs["stage"] == "evaluation"].merge(chosen_trials))
    curves_by_cell = _curves(tables["curves"])
    for cell in cells:
        key = tuple(cell[name] for name in CELL)
        curves = curves_by_cell.get(key, {})
        yield {
            "cell": cell,
            "trials": trials.get(key, []),
            "runs": evaluation.get(key, []),
            "targets": targets.get(key, []),
            "metrics": list(curves) or [Metric(split, "loss") for split in histories.SPLITS],
            "history": _history(list(curves.values())),
            "drawn": plots.lay_out({metric: curve for metric, curve in curves.items() if _is_drawn(metric)}),
        }


def _group_by_cell(frame: pd.DataFrame) -> dict[Key, list[dict[str, Any]]]:
    """Group a table's rows, as dictionaries, by cell."""
    groups: dict[Key, list[dict[str, Any]]] = {}
    for row in records(frame):
        groups.setdefault(tuple(row[name] for name in CELL), []).append(row)
    return groups


def _curves(table: pd.DataFrame) -> dict[Key, dict[Metric, list[plots.Point]]]:
    """Read the curves of each cell by metric: the loss on every split, other metrics on the test split alone."""
    shown = table[(table["metric"] == "loss") | (table["split"] == "test")]
    shown = shown.assign(lost=shown[list(FAILURES)].sum(axis=1))
    points = map(plots.Point._make, _rows(shown[list(plots.Point._fields)]))
    curves: dict[Key, dict[Metric, list[plots.Point]]] = {}
    for (*key, split, name), point in zip(_rows(shown[[*CELL, "split", "metric"]]), points, strict=True):
        curves.setdefault(tuple(key), {}).setdefault(Metric(split, name), []).append(point)
    return curves


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Iterate over a table's rows as tuples of plain Python values."""
    rows: Iterator[tuple[Any, ...]] = frame.astype(object).itertuples(index=False, name=None)
    return rows


def _history(curves: list[list[plots.Point]]) -> list[dict[str, Any]]:
    """Join the curves of a cell's metrics: one row for each evaluation point, with the values of all metrics."""
    return [
        {"step": points[0].step, "epoch": points[0].epoch, "lost": points[0].lost, "points": points}
        for points in zip(*curves, strict=True)
    ]


def _is_drawn(metric: Metric) -> bool:
    """Tell whether a metric has a plot: the train and the test loss have."""
    return metric.name == "loss" and metric.split in ("train", "test")


def render_pages(
    experiment: Experiment, tables: dict[str, pd.DataFrame], examples: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Render the pages of all cells, each with its path in the report.

    Args:
        experiment: The experiment that is reported.
        tables: The tables named by TABLES.
        examples: The number of training examples of each problem.
    """
    for values in page_values(rank_cells(tables["cells"]), tables):
        cell = values["cell"]
        values |= {"experiment": experiment, "resolution": templates.number(histories.LOSS_RESOLUTION, 2)}
        values |= {"ends_at_target": experiment.problems[cell["problem"]].end_at_target}
        values |= {"code": recommendation.keras_code(experiment, cell, examples[cell["problem"]])}
        yield templates.render_page("cell.html", address(cell), values)


def write(experiment: Experiment, results: Path, report: Path) -> None:
    """Write the pages of all cells into a report, and remove those of cells that are no longer in the experiment."""
    tables = {name: pd.read_parquet(layout.table_file(results, name, "parquet")) for name in TABLES}
    shutil.rmtree(report / "cells", ignore_errors=True)
    for place, text in render_pages(experiment, tables, targets.examples_of(experiment, results)):
        write_atomically(report / place, text.encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.reporting.html.cells", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the folder of the report")
    arguments = parser.parse_args()
    write(load(arguments.experiment), arguments.results, arguments.output)


if __name__ == "__main__":
    main()
