"""Judge the claims of another file on finished results, training nothing: `python -m thalweg.reporting.html.judge`."""

import argparse
import sys
from pathlib import Path

import pandas as pd
from pyarrow import ArrowInvalid

from thalweg import templates
from thalweg.analysis.claims.runs import find_unknown_metrics
from thalweg.analysis.inputs import Inputs
from thalweg.analysis.tables import claims
from thalweg.analysis.tables.measured import claims_in_seconds
from thalweg.experiment.errors import format_mistakes
from thalweg.experiment.loading import load_with_claims
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html.pages import claim_verdicts
from thalweg.results import layout
from thalweg.results.files import write_atomically


def judge_claims(experiment: Experiment, results: Path) -> pd.DataFrame:
    """Judge the experiment's claims: rows as in the tables of claims, those of claims in seconds last.

    Raises FileNotFoundError where nothing of the experiment was trained.
    """
    inputs = Inputs(experiment, results)
    verdict_tables = [claims.build(inputs), claims_in_seconds.build(inputs)]
    return pd.concat([table for table in verdict_tables if len(table)], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.reporting.html.judge", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--claims", type=Path, required=True, help="a YAML file with claims, and nothing else")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    arguments = parser.parse_args()
    experiment = load_with_claims(arguments.experiment, arguments.claims)
    if mistakes := find_unknown_metrics(experiment, arguments.results):
        sys.exit(format_mistakes(arguments.claims, mistakes))
    try:
        table = judge_claims(experiment, arguments.results)
    except (FileNotFoundError, ArrowInvalid) as error:
        sys.exit(f"{error}; train it by snakemake --cores N --config experiment={experiment.name}")
    output = layout.judged_file(arguments.results, arguments.claims)
    write_atomically(output, table.to_csv(index=False, lineterminator="\n").encode())
    print(templates.render("verdicts.txt", claims=claim_verdicts(experiment, table), output=output), end="", flush=True)


if __name__ == "__main__":
    main()
