"""Publish an experiment's results: `python -m thalweg.certificate.publish` writes its published file."""

import argparse
import json
import sys
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import ArrowInvalid

from thalweg.analysis import histories
from thalweg.certificate.comparison import data_digests, read_checks, surroundings_of
from thalweg.certificate.published import Published, configuration_of, published_path
from thalweg.certificate.published_numbers import (
    chosen_trials,
    headline_numbers,
    headline_to_json,
    published_numbers,
    trial_to_json,
)
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.grid import Run, declared
from thalweg.hashing import digest
from thalweg.identity import identity
from thalweg.results import layout
from thalweg.results.files import write_atomically


class UnpublishableError(Exception):
    """The results may not be published. The message says why, and what to do."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.certificate.publish", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    arguments = parser.parse_args()
    experiment, tables = load(arguments.experiment), layout.tables_folder(arguments.results)
    try:
        runs, environments = (pd.read_parquet(tables / f"{name}.parquet") for name in ("runs", "provenance"))
        require_publishable(experiment, arguments.results, runs, environments)
        content = published_content(experiment, arguments.results, runs, environments)
    except (FileNotFoundError, ArrowInvalid, JSONDecodeError) as error:
        why = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        sys.exit(
            f"{arguments.results} has no tables to publish{why}; make them by snakemake --cores N --config "
            f"experiment={experiment.name}"
        )
    except UnpublishableError as error:
        sys.exit(f"{arguments.results} is not published: {error}")
    file = published_path(experiment)
    write_atomically(file, format_published(content).encode())
    print(f"[publish] {len(runs):,} runs are published in {file}; commit it with the experiment", flush=True)


def require_publishable(experiment: Experiment, results: Path, runs: pd.DataFrame, environments: pd.DataFrame) -> None:
    """Raise UnpublishableError unless results are complete, of the experiment as it stands, and decided by no clock."""
    again = f"run snakemake --cores N --config experiment={experiment.name} first"
    counts, trained = declared(experiment), runs.groupby(["problem", "stage"]).size()
    missing = sum(max(0, count - trained.get(key, 0)) for key, count in counts.items())
    if missing:
        raise UnpublishableError(f"{missing:,} of {sum(counts.values()):,} runs are missing; {again}")
    outdated = _outdated_runs(experiment, results, runs, set(environments["device"]))
    if outdated or len(runs) != sum(counts.values()):
        raise UnpublishableError(
            f"the results are of another state of the experiment or of the code ({outdated or len(runs):,} runs); "
            f"{again}"
        )
    stopped = int((runs["outcome"] == histories.FAILURES["out_of_time"]).sum())
    if stopped:
        raise UnpublishableError(
            f"{stopped:,} runs were stopped because time was out, and what a clock decided cannot be published; give "
            f"them a longer time_limit, or none"
        )


def published_content(
    experiment: Experiment, results: Path, runs: pd.DataFrame, environments: pd.DataFrame
) -> Published:
    """The content of an experiment's published file.

    Args:
        experiment: The experiment.
        results: Its folder of results, for the checks of its problems.
        runs: The table of runs.
        environments: The table of provenance.
    """
    numbers = published_numbers(experiment, runs)
    headlines = headline_numbers(numbers)
    commits = environments.loc[~environments["dirty"].astype(bool), "commit"]
    cells: dict[str, Any] = {}
    reproductions: dict[str, Any] = {}
    for setting, by_name in numbers.items():
        of_runs = {**by_name, "bits": " ".join(by_name["bits"])}
        of_setting = {name: headline_to_json(values) for name, values in headlines.get(setting, {}).items()}
        if setting.stage == "reproduction":
            reproductions[setting.path] = {**of_setting, "evaluation": of_runs}
            continue
        cell = cells.setdefault(setting.path, {"tuning": {}})
        if setting.stage == "evaluation":
            cell |= {"chosen": trial_to_json(setting.trial), **of_setting, "evaluation": of_runs}
        else:
            for name, values in of_runs.items():
                cell["tuning"].setdefault(name, []).append(values)
    return {
        "experiment": experiment.name,
        "commits": sorted({commit for commit in commits if commit}),
        "surroundings": surroundings_of(environments),
        "data": data_digests(experiment, results),
        "configuration": configuration_of(experiment),
        "cells": cells,
        "reproductions": reproductions,
    }


def format_published(content: Any, depth: int = 3) -> str:
    """A published file's text: JSON with each setting on a line, so that a diff of two files can be read."""
    if not (depth and content and isinstance(content, dict)):
        return json.dumps(content, ensure_ascii=False, allow_nan=False)
    margin = " " * (4 - depth)
    lines = (f"{margin}{json.dumps(key)}: {format_published(value, depth - 1)}" for key, value in content.items())
    return "{\n" + ",\n".join(lines) + f"\n{margin[1:]}}}"


def _outdated_runs(experiment: Experiment, results: Path, runs: pd.DataFrame, devices: set[str]) -> int:
    """How many runs have another identity than the experiment and the code give them now, or another trial than the
    tuning runs choose."""
    checks = read_checks(experiment, results)
    outdated = 0
    for *values, drawn, stored in zip(*(runs[name] for name in (*Run._fields, "run")), strict=True):
        run = Run._make([*values, tuple(json.loads(drawn).items())])
        outdated += stored not in {digest(identity(experiment, run, checks[run.problem], one)) for one in devices}
    numbers = published_numbers(experiment, runs)
    chosen = chosen_trials(experiment, numbers)
    return outdated + sum(
        len(setting.seeds)
        for setting in numbers
        if setting.stage == "evaluation" and setting.trial != chosen[setting.cell]
    )


if __name__ == "__main__":
    main()
