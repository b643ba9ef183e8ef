"""Write the report around its figures and the pages of its cells: `python -m thalweg.reporting.html.pages`. Pages are
templates of reports/ filled from the tables."""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg import templates
from thalweg.analysis import MEASURED, OF_THE_CLOCK, TABLES, dictionary, histories
from thalweg.analysis.tables import comparisons
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

FOLDERS = ("problems", "source")
"""Those with a page for each problem, and with what the report was made from."""
CLOCK = tuple(f"{MEASURED}/{name}" for name in OF_THE_CLOCK)


def read(results: Path) -> dict[str, pd.DataFrame]:
    """The tables, by name."""
    return {name: pd.read_parquet(layout.table_file(results, name, "parquet")) for name in (*TABLES, *CLOCK)}


def context(experiment: Experiment, tables: dict[str, pd.DataFrame], results: Path, report: Path) -> dict[str, Any]:
    """All that the pages speak of but those of cells, as plain data."""
    counts = tables["counts"]
    problems = [_problem(experiment, name, tables, results, report) for name in experiment.problems]
    return {
        "experiment": experiment,
        "counts": records(counts),
        "totals": counts.select_dtypes("number").sum().to_dict(),
        "environments": records(tables["provenance"]),
        "published": compare_report(experiment, tables, results),
        "caution": findings.caution(counts, tables["cells"], tables["provenance"]),
        "problems": problems,
        "figures": _figures(experiment, report, None),
        "conclusions": conclusions.of_experiment(experiment, tables),
        "claims": claims_of(experiment, tables["claims"]),
        "factors": _factors(experiment, tables["factors"]),
        "reproductions": _reproductions(experiment, tables["reproductions"]),
        "cells": cells.ranked(tables["cells"]),
        "top": cells.TOP,
        "metrics": list(dict.fromkeys(metric for problem in problems for metric in problem["metrics"][1:])),
        "batch_sizes": sorted({size for problem in experiment.problems.values() for size in problem.batch_sizes}),
        "tables": _described({name: tables[name] for name in TABLES}),
        "seconds": records(tables[f"{MEASURED}/seconds"]),
        "timings": records(tables[f"{MEASURED}/timings"]),
        "claims_in_seconds": claims_of(experiment, tables[f"{MEASURED}/claims_in_seconds"]),
        "resolution": templates.number(histories.RESOLUTION, 2),
        "shares": _shares(experiment),
        "trials": {name: len(trials(one)) for name, one in experiment.optimizers.items()},
        "tuned": _tuned(experiment),
        "searches": any(one.search for one in experiment.optimizers.values()),
        "bibliography": crate.bibliography(experiment),
        "dataset": crate.dataset(experiment),
    }


def _problem(
    experiment: Experiment, name: str, tables: dict[str, pd.DataFrame], results: Path, report: Path
) -> dict[str, Any]:
    check = json.loads(layout.check_file(results, name).read_text(encoding="utf-8"))
    splits = check["splits"]
    finding = findings.of_problem(name, tables["comparisons"], tables["cells"], tables["sensitivity"])
    if finding:
        finding["code"] = recommendation.code(experiment, finding["best"], splits["train"]["examples"])
    return {
        "name": name,
        "check": check,
        "grid": experiment.problems[name],
        "measure": comparisons.measures(experiment)[name],
        "paragraphs": [" ".join(paragraph.split()) for paragraph in check["description"].strip().split("\n\n")],
        **{
            f"{split}_is_train": splits[split]["digest"] == splits["train"]["digest"]
            for split in ("validation", "test")
        },
        "finding": finding,
        "unresolved": _unresolved(tables["runs"], name),
        "not_run": findings.not_run(name, tables["comparisons"], tables["cells"]),
        "metrics": ["loss", *check["metrics"]],
        "matrix": findings.matrix(tables["cells"], name, list(experiment.optimizers), list(experiment.schedules)),
        "figures": _figures(experiment, report, name),
    }


def _unresolved(runs: pd.DataFrame, problem: str) -> bool:
    """Whether a run of the problem ended at a loss, of those that choose or compare, that counts as equal to others."""
    losses = runs.loc[runs["problem"] == problem, ["final_validation_loss", "final_test_loss"]]
    return bool(histories.unresolved(losses.stack()).any())


def _tuned(experiment: Experiment) -> list[dict[str, Any]]:
    """How many tuning runs a cell has, the fewest first, with the optimizers that have so many."""
    runs = {name: len(trials(one)) * len(experiment.seeds.tuning) for name, one in experiment.optimizers.items()}
    return [
        {"runs": count, "optimizers": [name for name, own in runs.items() if own == count]}
        for count in sorted(set(runs.values()))
    ]


def _shares(experiment: Experiment) -> list[dict[str, Any]]:
    """The lengths of schedules that the experiment file gives as shares of the horizon, those in lists too."""
    return [
        {"schedule": name, "argument": argument, "value": value}
        for name, schedule in experiment.schedules.items()
        for argument, value in {"warmup": schedule.warmup, **schedule.arguments}.items()
        if any(isinstance(one, str) and one.rstrip().endswith("%") for one in _as_list(value))
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _figures(experiment: Experiment, report: Path, problem: str | None) -> dict[str, dict[str, Any]]:
    """The figures of a problem, or of the experiment as a whole, by name, each with its place and digest."""
    found = {}
    for name in figures_of(experiment, problem):
        path = f"figures/{problem}/{name}" if problem else f"figures/{name}"
        described: dict[str, Any] = json.loads((report / f"{path}.json").read_text(encoding="utf-8"))
        place = {"path": path, "id": f"{problem or 'over-all'}-{name}"}
        figure = BY_NAME[name]
        shown = {"section": figure.section, "folded": figure.folded, "texts": figure.texts}
        found[name] = {**described, **place, **shown, "sha256": digests.file_digest(report / f"{path}.svg")}
    return found


def claims_of(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Each claim as it stands in the experiment file, beside what it came to, as a whole and by `problems`."""
    rows = [
        {**row, "name": row["claim"], "claim": experiment.claims[row["claim"]], "problems": []}
        for row in records(table.drop(columns="runs"))
    ]
    return [
        {**whole, "problems": [row for row in rows if row["problem"] and row["name"] == whole["name"]]}
        for whole in rows
        if whole["problem"] is None
    ]


def _factors(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The shares of variance, where a claim speaks of one."""
    asked = any(claim.of and claim.of.factor for claim in experiment.claims.values())
    return records(table) if asked else []


def _reproductions(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"name": name, "setting": one, "quantities": records(table[table["reproduction"] == name])}
        for name, one in experiment.reproductions.items()
    ]


def _described(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Each table with its columns, their units and meanings."""
    columns = dictionary.describe(tables).groupby("table")
    return [
        {"name": name, "rows": len(table), "columns": records(columns.get_group(name))}
        for name, table in tables.items()
    ]


def summary(values: dict[str, Any]) -> dict[str, Any]:
    """What the index over all experiments shows of this one."""
    verdicts = [claim["verdict"] for claim in values["claims"]]
    return {
        "name": values["experiment"].name,
        "title": values["experiment"].title,
        "problems": len(values["problems"]),
        "cells": len(values["cells"]),
        "claims": {verdict: verdicts.count(verdict) for verdict in ("holds", "fails", "undecided")},
        "runs": {name: int(values["totals"][name]) for name in ("declared", "diverged", "out_of_time", "missing")},
    }


def rendered(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every page but those of cells, with its place in the report."""
    for name in PAGES:
        yield templates.page(f"{name}.html", f"{name}.html", values)
    for problem in values["problems"]:
        yield templates.page("problem.html", f"problems/{problem['name']}.html", {**values, "problem": problem})


def write(experiment: Experiment, results: Path, report: Path) -> None:
    """Write the pages, what they use and the tables into `report`, where figures and pages of cells are already.

    Pages of problems that are no longer in the experiment vanish. Checksums come last, and the description for other
    programs before them, since they speak of all other files.
    """
    tables = read(results)
    values = context(experiment, tables, results, report)
    for folder in FOLDERS:
        shutil.rmtree(report / folder, ignore_errors=True)
    for place, text in rendered(values):
        write_atomically(report / place, text.encode())
    write_json(report / SUMMARY, summary(values))
    for name in FILES:
        write_atomically(report / name, (TEMPLATES / name).read_bytes())
    for name in (*TABLES, "dictionary", *CLOCK):
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
