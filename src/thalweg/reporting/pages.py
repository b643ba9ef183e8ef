"""Write the report: `python -m thalweg.reporting.pages`. Pages are templates of reports/ filled from the tables."""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from thalweg.analysis import MEASURED, OF_THE_CLOCK, TABLES, histories
from thalweg.grid.experiment import Experiment, load
from thalweg.grid.runs import trials
from thalweg.reporting import findings, templates
from thalweg.reporting.figures import figures_of
from thalweg.reporting.findings import records
from thalweg.store import write_whole


def context(experiment: Experiment, results: Path, report: Path) -> dict[str, Any]:
    """All that the report's pages speak of, as plain data."""
    tables = {name: pd.read_parquet(results / "tables" / f"{name}.parquet") for name in TABLES}
    clock = {name: pd.read_parquet(results / "tables" / MEASURED / f"{name}.parquet") for name in OF_THE_CLOCK}
    cells, counts = tables["cells"], tables["counts"]
    problems = [_problem(experiment, name, tables, results, report) for name in experiment.problems]
    return {
        "experiment": experiment,
        "counts": records(counts),
        "totals": counts.select_dtypes("number").sum().to_dict(),
        "environments": records(tables["provenance"]),
        "caution": findings.caution(counts, cells, tables["provenance"]),
        "problems": problems,
        "claims": _claims(experiment, tables["claims"]),
        "factors": _factors(experiment, tables["factors"]),
        "reproductions": _reproductions(experiment, tables["reproductions"]),
        "tables": [{"name": name, "rows": len(table), "columns": len(table.columns)} for name, table in tables.items()],
        "seconds": records(clock["seconds"]),
        "timings": records(clock["timings"]),
        "claims_in_seconds": _claims(experiment, clock["claims_in_seconds"]),
        "resolution": templates.number(histories.RESOLUTION, 2),
        "shares": _shares(experiment),
        "trials": {name: len(trials(one)) for name, one in experiment.optimizers.items()},
        "searches": any(one.search for one in experiment.optimizers.values()),
    }


def _problem(
    experiment: Experiment, name: str, tables: dict[str, pd.DataFrame], results: Path, report: Path
) -> dict[str, Any]:
    check = json.loads((results / "checks" / f"{name}.json").read_text(encoding="utf-8"))
    splits = check["splits"]
    return {
        "name": name,
        "check": check,
        "grid": experiment.problems[name],
        "paragraphs": [" ".join(paragraph.split()) for paragraph in check["description"].strip().split("\n\n")],
        **{
            f"{split}_is_train": splits[split]["digest"] == splits["train"]["digest"]
            for split in ("validation", "test")
        },
        "finding": findings.of_problem(name, tables["comparisons"], tables["cells"]),
        "metrics": ["loss", *check["metrics"]],
        "matrix": findings.matrix(tables["cells"], name, list(experiment.optimizers), list(experiment.schedules)),
        "figures": {figure: _figure(report, name, figure) for figure in figures_of(experiment, name)},
    }


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


def _figure(report: Path, problem: str, name: str) -> dict[str, Any]:
    path = f"figures/{problem}/{name}"
    described: dict[str, Any] = json.loads((report / f"{path}.json").read_text(encoding="utf-8"))
    return {**described, "path": path, "id": f"{problem}-{name}"}


def _claims(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Each claim as it stands in the experiment file, beside what it came to."""
    rows = records(table.drop(columns="runs"))
    return [{**row, "name": row["claim"], "claim": experiment.claims[row["claim"]]} for row in rows]


def _factors(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The shares of variance, where a claim speaks of one."""
    asked = any(claim.of and claim.of.factor for claim in experiment.claims.values())
    return records(table) if asked else []


def _reproductions(experiment: Experiment, table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"name": name, "setting": one, "quantities": records(table[table["reproduction"] == name])}
        for name, one in experiment.reproductions.items()
    ]


def write(experiment: Experiment, results: Path, report: Path) -> None:
    """Write the pages, the stylesheet and the tables into `report`, where the figures are already."""
    values = context(experiment, results, report)
    for page in ("index", "cost"):
        write_whole(report / f"{page}.html", templates.render(f"{page}.html", **values).encode())
    write_whole(report / "style.css", (templates.FOLDER / "style.css").read_bytes())
    for name in (*TABLES, "dictionary", *(f"{MEASURED}/{name}" for name in OF_THE_CLOCK)):
        write_whole(report / "tables" / f"{name}.csv", (results / "tables" / f"{name}.csv").read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write(load(arguments.experiment), arguments.results, arguments.output)


if __name__ == "__main__":
    main()
