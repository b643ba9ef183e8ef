"""Write a report's pages from its tables, by the templates of reports/: `python -m thalweg.reporting.html.pages`.

Figures and pages of cells are written before, by thalweg.reporting.figures and thalweg.reporting.html.cells.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg import templates
from thalweg.analysis import MEASURED_FOLDER, MEASURED_TABLES, TABLES, comparing, histories
from thalweg.certificate.comparison import compare_report
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.grid import trials
from thalweg.paths import TEMPLATES
from thalweg.reporting import FILES, PAGES, SUMMARY
from thalweg.reporting.figures import BY_NAME, figures_of
from thalweg.reporting.html import cells, checksums, conclusions, crate, findings, recommendation
from thalweg.reporting.html.findings import records
from thalweg.results import digests, layout
from thalweg.results.files import write_atomically, write_json

REWRITTEN_FOLDERS = ("problems", "source")
"""The folders that are emptied first: the pages of problems, and copies of what the report was made from."""

TIMING_TABLES = tuple(f"{MEASURED_FOLDER}/{name}" for name in MEASURED_TABLES)


def read_tables(results: Path) -> dict[str, pd.DataFrame]:
    """Read all tables, by name."""
    return {name: pd.read_parquet(layout.table_file(results, name, "parquet")) for name in (*TABLES, *TIMING_TABLES)}


def context(experiment: Experiment, tables: dict[str, pd.DataFrame], results: Path, report: Path) -> dict[str, Any]:
    """Gather what the templates of all pages but those of cells use, as plain data.

    Args:
        experiment: The experiment that is reported.
        tables: All tables, from `read_tables`.
        results: The experiment's folder of results.
        report: The report's folder, with the figures.
    """
    counts = tables["counts"]
    problems = [_problem(experiment, name, tables, results, report) for name in experiment.problems]
    return {
        "experiment": experiment,
        "counts": records(counts),
        "totals": counts.select_dtypes("number").sum().to_dict(),
        "environments": records(tables["provenance"]),
        "published": compare_report(experiment, tables, results),
        "caution": findings.count_cautions(counts, tables["cells"], tables["provenance"]),
        "problems": problems,
        "figures": _figures(experiment, report, None),
        "conclusions": conclusions.draw_conclusions(experiment, tables),
        "claims": claim_verdicts(experiment, tables["claims"]),
        "factors": _claimed_factors(experiment, tables["factors"]),
        "reproductions": _reproductions(experiment, tables["reproductions"]),
        "cells": cells.rank_cells(tables["cells"]),
        "top": cells.MAX_PRINTED_CELLS,
        "metrics": list(dict.fromkeys(metric for problem in problems for metric in problem["metrics"][1:])),
        "batch_sizes": sorted({size for problem in experiment.problems.values() for size in problem.batch_sizes}),
        "tables": _describe_tables(results, tables),
        "seconds": records(tables[f"{MEASURED_FOLDER}/seconds"]),
        "timings": records(tables[f"{MEASURED_FOLDER}/timings"]),
        "claims_in_seconds": claim_verdicts(experiment, tables[f"{MEASURED_FOLDER}/claims_in_seconds"]),
        "resolution": templates.number(histories.LOSS_RESOLUTION, 2),
        "shares": _relative_lengths(experiment),
        "trials": {name: len(trials(optimizer)) for name, optimizer in experiment.optimizers.items()},
        "tuned": _tuning_runs(experiment),
        "searches": any(optimizer.search for optimizer in experiment.optimizers.values()),
        "bibliography": crate.bibliography(experiment),
        "dataset": crate.dataset(experiment),
    }


def _problem(
    experiment: Experiment, name: str, tables: dict[str, pd.DataFrame], results: Path, report: Path
) -> dict[str, Any]:
    """Gather what the page of a problem uses."""
    check = json.loads(layout.check_file(results, name).read_text(encoding="utf-8"))
    splits = check["splits"]
    finding = findings.summarize_problem(name, tables["comparisons"], tables["cells"], tables["sensitivity"])
    if finding:
        finding["code"] = recommendation.keras_code(experiment, finding["best"], splits["train"]["examples"])
    return {
        "name": name,
        "check": check,
        "grid": experiment.problems[name],
        "measure": comparing.measures(experiment)[name],
        "paragraphs": [" ".join(paragraph.split()) for paragraph in check["description"].strip().split("\n\n")],
        **{
            f"{split}_is_train": splits[split]["digest"] == splits["train"]["digest"]
            for split in ("validation", "test")
        },
        "finding": finding,
        "unresolved": _has_unresolved_losses(tables["runs"], name),
        "not_run": findings.find_unevaluated_choice(name, tables["comparisons"], tables["cells"]),
        "metrics": ["loss", *check["metrics"]],
        "matrix": findings.matrix(tables["cells"], name, list(experiment.optimizers), list(experiment.schedules)),
        "figures": _figures(experiment, report, name),
    }


def _has_unresolved_losses(runs: pd.DataFrame, problem: str) -> bool:
    """Tell whether a run of the problem ended at a validation or test loss too small to be told from others."""
    losses = runs.loc[runs["problem"] == problem, ["final_validation_loss", "final_test_loss"]]
    return bool(histories.unresolved(losses.stack()).any())


def _tuning_runs(experiment: Experiment) -> list[dict[str, Any]]:
    """Group the optimizers by the number of tuning runs that a cell of theirs has, the fewest first."""
    runs = {
        name: len(trials(optimizer)) * len(experiment.seeds.tuning) for name, optimizer in experiment.optimizers.items()
    }
    return [
        {"runs": count, "optimizers": [name for name, number in runs.items() if number == count]}
        for count in sorted(set(runs.values()))
    ]


def _relative_lengths(experiment: Experiment) -> list[dict[str, Any]]:
    """List the arguments of schedules that the experiment file gives in percent of the horizon, alone or in a list."""
    return [
        {"schedule": name, "argument": argument, "value": value}
        for name, schedule in experiment.schedules.items()
        for argument, value in {"warmup": schedule.warmup, **schedule.arguments}.items()
        if any(isinstance(length, str) and length.rstrip().endswith("%") for length in _as_list(value))
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _figures(experiment: Experiment, report: Path, problem: str | None) -> dict[str, dict[str, Any]]:
    """Describe the figures of a problem, or for None those of the whole experiment, by name."""
    figures = {}
    for name in figures_of(experiment, problem):
        path = f"figures/{problem}/{name}" if problem else f"figures/{name}"
        facts: dict[str, Any] = json.loads((report / f"{path}.json").read_text(encoding="utf-8"))
        place = {"path": path, "id": f"{problem or 'over-all'}-{name}"}
        figure = BY_NAME[name]
        shown = {"section": figure.section, "folded": figure.folded, "texts": figure.texts}
        figures[name] = {**facts, **place, **shown, "sha256": digests.file_digest(report / f"{path}.svg")}
    return figures


def claim_verdicts(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Join each claim of the experiment file to its verdict over all problems, and to its verdicts by `problems`."""
    rows = [
        {**row, "name": row["claim"], "claim": experiment.claims[row["claim"]], "problems": []}
        for row in records(table.drop(columns="runs"))
    ]
    return [
        {**whole, "problems": [row for row in rows if row["problem"] and row["name"] == whole["name"]]}
        for whole in rows
        if whole["problem"] is None
    ]


def _claimed_factors(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """List the rows of the table of factors if any claim is about one of them, else nothing."""
    claimed = any(claim.of and claim.of.factor for claim in experiment.claims.values())
    return records(table) if claimed else []


def _reproductions(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """List the reproductions with their settings and quantities."""
    return [
        {"name": name, "setting": setting, "quantities": records(table[table["reproduction"] == name])}
        for name, setting in experiment.reproductions.items()
    ]


def _describe_tables(results: Path, tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """List the tables in which no clock has a part, with their columns, and the units and meanings of these."""
    dictionary = pd.read_csv(layout.table_file(results, "dictionary", "csv"), keep_default_na=False).groupby("table")
    return [
        {"name": name, "rows": len(tables[name]), "columns": records(dictionary.get_group(name))} for name in TABLES
    ]


def summary(values: dict[str, Any]) -> dict[str, Any]:
    """Summarize a report for the index over all experiments. `values` is what `context` returns."""
    verdicts = [claim["verdict"] for claim in values["claims"]]
    return {
        "name": values["experiment"].name,
        "title": values["experiment"].title,
        "problems": len(values["problems"]),
        "cells": len(values["cells"]),
        "claims": {verdict: verdicts.count(verdict) for verdict in ("holds", "fails", "undecided")},
        "runs": {name: int(values["totals"][name]) for name in ("declared", "diverged", "out_of_time", "missing")},
    }


def render_pages(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Render all pages but those of cells, each with its path in the report. `values` is what `context` returns."""
    for name in PAGES:
        yield templates.render_page(f"{name}.html", f"{name}.html", values)
    for problem in values["problems"]:
        yield templates.render_page("problem.html", f"problems/{problem['name']}.html", {**values, "problem": problem})


def write(experiment: Experiment, results: Path, report: Path) -> None:
    """Write pages, style sheet, script, tables and metadata into a report that has its figures and pages of cells.

    Pages of problems that are no longer in the experiment are removed. The RO-Crate is written when all other files
    exist, and the checksums after it.
    """
    tables = read_tables(results)
    values = context(experiment, tables, results, report)
    for folder in REWRITTEN_FOLDERS:
        shutil.rmtree(report / folder, ignore_errors=True)
    for place, text in render_pages(values):
        write_atomically(report / place, text.encode())
    write_json(report / SUMMARY, summary(values))
    for name in FILES:
        write_atomically(report / name, (TEMPLATES / name).read_bytes())
    for name in (*TABLES, "dictionary", *TIMING_TABLES):
        write_atomically(report / "tables" / f"{name}.csv", layout.table_file(results, name, "csv").read_bytes())
    for place, file in crate.sources(experiment).items():
        write_atomically(report / place, file.read_bytes())
    write_atomically(report / "cite.bib", values["bibliography"].encode())
    write_json(report / "ro-crate-metadata.json", crate.metadata(experiment, report, values))
    checksums.write(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write(load(arguments.experiment), arguments.results, arguments.output)


if __name__ == "__main__":
    main()
