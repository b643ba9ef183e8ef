"""Publish what an experiment came to: `python -m thalweg.certificate.publish` writes it beside the experiment file."""

import argparse
import sys
from json import JSONDecodeError
from pathlib import Path

import pandas as pd
from pyarrow import ArrowInvalid

from thalweg.certificate import comparison
from thalweg.certificate.published import file_of
from thalweg.experiment.schema import load
from thalweg.results.store import write_whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.certificate.publish", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    arguments = parser.parse_args()
    experiment, tables = load(arguments.experiment), arguments.results / "tables"
    try:
        runs, environments = (pd.read_parquet(tables / f"{name}.parquet") for name in ("runs", "provenance"))
        comparison.refuse(experiment, arguments.results, runs, environments)
        content = comparison.certify(experiment, arguments.results, runs, environments)
    except (FileNotFoundError, ArrowInvalid, JSONDecodeError) as error:
        why = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        sys.exit(
            f"{arguments.results} has no tables to publish{why}; make them by snakemake --cores N --config "
            f"experiment={experiment.name}"
        )
    except comparison.UnpublishableError as error:
        sys.exit(f"{arguments.results} is not published: {error}")
    file = file_of(experiment)
    write_whole(file, comparison.written(content).encode())
    print(f"[publish] {len(runs):,} runs are published in {file}; commit it with the experiment", flush=True)


if __name__ == "__main__":
    main()
