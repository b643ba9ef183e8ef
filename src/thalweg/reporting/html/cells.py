"""Write the pages of cells, which need no figure: `python -m thalweg.reporting.html.cells`.

Every table is grouped by cell once, as plain data.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg import templates
from thalweg.analysis import histories
from thalweg.analysis.choose import CELL, TRIAL
from thalweg.analysis.histories import LOST, Metric
from thalweg.analysis.tables import targets
from thalweg.analysis.tables.comparisons import preference
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html import plots, recommendation
from thalweg.reporting.html.findings import records
from thalweg.results import layout
from thalweg.results.files import write_atomically

TOP = 30
"""How many cells of each problem are printed."""

SHOWN = ("cells", "rates", "runs", "targets", "curves")
"""The tables that the pages show."""

Key = tuple[Any, ...]
"""A cell's values of CELL."""


def address(cell: dict[str, Any]) -> str:
    """Where a cell's page lies in the report. Names hold no hyphen, so no two cells share a page."""
    return f"cells/{cell['problem']}/{cell['optimizer']}-{cell['schedule']}-{cell['batch_size']}.html"


def ranked(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells of each problem as tuning prefers them (comparisons.preference), the one that is recommended first.

    With `rank`, the number of `others` that are equal and share it, `of` how many cells, and `beyond`, true for those
    that are not printed.
    """
    places = preference(cells).groupby(["examples_to_target", "loss"]).ngroup().groupby(cells["problem"], sort=False)
    placed = cells.assign(rank=places.rank(method="min").astype(int), of=places.transform("size"))
    placed["others"] = placed.groupby(["problem", "rank"])["rank"].transform("size") - 1
    place = {name: number for number, name in enumerate(dict.fromkeys(cells["problem"]))}
    placed = placed.sort_values(["problem", "rank"], key=lambda column: column.replace(place), kind="stable")
    placed["beyond"] = placed.groupby("problem", sort=False).cumcount() >= TOP
    return records(placed)


def details(cells: list[dict[str, Any]], tables: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """For each cell what its page shows, in the order of `cells`. A trial is `unresolved` where its median counts as
    equal to others."""
    rates = tables["rates"]
    trials = _grouped(rates.assign(unresolved=histories.unresolved(rates["median"])))
    targets = _grouped(tables["targets"])
    runs = tables["runs"]
    at_the_trial = pd.DataFrame(cells)[[*CELL, *TRIAL]]
    evaluation = _grouped(runs[runs["stage"] == "evaluation"].merge(at_the_trial))
    curves = _curves(tables["curves"])
    for cell in cells:
        key = tuple(cell[name] for name in CELL)
        of_cell = curves.get(key, {})
        yield {
            "cell": cell,
            "trials": trials.get(key, []),
            "runs": evaluation.get(key, []),
            "targets": targets.get(key, []),
            "metrics": list(of_cell) or [Metric(split, "loss") for split in histories.SPLITS],
            "history": _history(list(of_cell.values())),
            "drawn": plots.drawn({metric: of_cell[metric] for metric in of_cell if _is_drawn(metric)}),
        }


def _grouped(frame: pd.DataFrame) -> dict[Key, list[dict[str, Any]]]:
    groups: dict[Key, list[dict[str, Any]]] = {}
    for row in records(frame):
        groups.setdefault(tuple(row[name] for name in CELL), []).append(row)
    return groups


def _curves(table: pd.DataFrame) -> dict[Key, dict[Metric, list[plots.Point]]]:
    """By cell and metric the points of its curve: the loss on every split, any other metric on the test split."""
    wanted = table[(table["metric"] == "loss") | (table["split"] == "test")]
    wanted = wanted.assign(lost=wanted[list(LOST)].sum(axis=1))
    points = map(plots.Point._make, _rows(wanted[list(plots.Point._fields)]))
    curves: dict[Key, dict[Metric, list[plots.Point]]] = {}
    for (*key, split, name), point in zip(_rows(wanted[[*CELL, "split", "metric"]]), points, strict=True):
        curves.setdefault(tuple(key), {}).setdefault(Metric(split, name), []).append(point)
    return curves


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """A frame's rows as tuples of plain Python values."""
    rows: Iterator[tuple[Any, ...]] = frame.astype(object).itertuples(index=False, name=None)
    return rows


def _history(curves: list[list[plots.Point]]) -> list[dict[str, Any]]:
    """A row an evaluation point, with what each metric came to there."""
    return [
        {"step": measured[0].step, "epoch": measured[0].epoch, "lost": measured[0].lost, "measured": measured}
        for measured in zip(*curves, strict=True)
    ]


def _is_drawn(metric: Metric) -> bool:
    return metric.name == "loss" and metric.split in ("train", "test")


def rendered(
    experiment: Experiment, tables: dict[str, pd.DataFrame], examples: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """The page of every cell with its place in the report. `examples` are those of the training split, by problem."""
    for one in details(ranked(tables["cells"]), tables):
        cell = one["cell"]
        one |= {"experiment": experiment, "resolution": templates.number(histories.RESOLUTION, 2)}
        one |= {"ends_at_target": experiment.problems[cell["problem"]].end_at_target}
        one |= {"code": recommendation.code(experiment, cell, examples[cell["problem"]])}
        yield templates.page("cell.html", address(cell), one)


def write(experiment: Experiment, results: Path, report: Path) -> None:
    """Write the pages into `report`; those of cells that are no longer in the experiment vanish."""
    tables = {name: pd.read_parquet(layout.table_file(results, name, "parquet")) for name in SHOWN}
    shutil.rmtree(report / "cells", ignore_errors=True)
    for place, text in rendered(experiment, tables, targets.examples_of(experiment, results)):
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
