"""Train evaluation runs again from nothing and compare them, bit for bit, with those that the results hold.

The store is read only for the comparison, and nothing is written to it. The results get a small file with the outcome.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pyarrow import ArrowInvalid

from thalweg import templates
from thalweg.certificate.comparison import Comparison
from thalweg.certificate.differences import (
    SURROUNDINGS_OF_RECORDS,
    Difference,
    is_software,
    record_differences,
    record_surroundings,
    surroundings_differences,
)
from thalweg.certificate.published import StagedRun
from thalweg.certificate.train_again import reporter_for, train_again
from thalweg.experiment.loading import load
from thalweg.grid import Cell, Run, cells
from thalweg.results import layout, shards, store
from thalweg.results.files import write_json
from thalweg.training.engine import settings


def main() -> None:
    arguments = _parser().parse_args()
    experiment, results = load(arguments.experiment), arguments.results
    problem, optimizer = arguments.problem, arguments.optimizer
    requested = {
        (cell, seed)
        for cell in cells(experiment, problem, optimizer)
        if arguments.schedule in (None, cell.schedule) and arguments.batch_size in (None, cell.batch_size)
        for seed in experiment.seeds.evaluation
    }
    try:
        digests = stored_digests(results, problem, optimizer)
        check = json.loads(layout.check_file(results, problem).read_bytes())
    except (FileNotFoundError, ArrowInvalid, json.JSONDecodeError):
        sys.exit(
            f"{results} has no evaluation runs of {problem} × {optimizer} to compare with; make them by "
            f"snakemake --cores N --config experiment={experiment.name}"
        )
    records = {
        run: record
        for run in digests
        if (run.cell, run.seed) in requested and (record := store.read_run(arguments.store, digests[run])) is not None
    }

    reporter = reporter_for("retrain", problem, optimizer, len(records))
    different: dict[StagedRun, list[Difference]] = {}
    surroundings: list[Difference] = []
    for run, again in train_again(experiment, check, list(records), layout.gpu_locks_folder(arguments.store), reporter):
        stored = records[run]
        there, here = map(record_surroundings, (stored, again))
        surroundings += surroundings_differences([there], [here], SURROUNDINGS_OF_RECORDS)
        differences = record_differences(stored, again)
        if not all(map(is_software, differences)):
            different[StagedRun("evaluation", "", run)] = differences
            reporter.print_line(f"{_name(run.cell, run.seed)}, run {digests[run]}: {describe(differences)}")
    missing = sorted(requested - {(run.cell, run.seed) for run in records})
    comparison = Comparison(len(requested), missing, different, surroundings)
    summary = templates.render(
        "retraining.txt", comparison=comparison, surroundings=Counter(surroundings), software=comparison.other_software
    )
    for line in summary.splitlines():
        reporter.print_line(line)

    limits = {"schedule": arguments.schedule, "batch_size": arguments.batch_size}
    write_json(
        layout.retrained_file(results, problem, optimizer), {**limits, **comparison_to_json(comparison, digests)}
    )
    if comparison.identical < comparison.runs:
        sys.exit(
            f"{problem} × {optimizer}: of {comparison.runs} runs, different from those in {results}: "
            f"{len(comparison.different)}; missing there: {len(comparison.missing)}"
        )


def describe(differences: list[Difference]) -> str:
    """A run's differences in a line: its values, then how many columns differ, the first of them, and by how much."""
    columns = [difference for difference in differences if difference.step is not None]
    texts = [
        f"{one.name} {one.reference!r:.60} there, {one.here!r:.60} here" for one in differences if one.step is None
    ]
    if columns:
        first = columns[0]
        largest = max((one.relative for one in columns if one.relative is not None), default=None)
        by = "" if largest is None else f", by up to {largest:.1e} (relative)"
        texts.append(
            f"{first.name} at step {first.step} {first.reference!r} there, {first.here!r} here; "
            f"{len(columns)} column{'s' if len(columns) > 1 else ''} differ{'' if len(columns) > 1 else 's'}{by}"
        )
    return "; ".join(texts)


def comparison_to_json(comparison: Comparison, digests: dict[Run, str]) -> dict[str, Any]:
    """A comparison with stored records as JSON; `digests` are those by which the store has the runs."""
    return {
        "asked": comparison.runs,
        "identical": comparison.identical,
        "different": [
            {"run": digests[run], **run.row(), "differences": [_values(difference) for difference in differences]}
            for (_, _, run), differences in comparison.different.items()
        ],
        "missing": [{**cell._asdict(), "seed": seed} for cell, seed in comparison.missing],
        "elsewhere": [
            {"name": one.name, "stored": one.reference, "again": one.here, "runs": runs}
            for one, runs in Counter(comparison.surroundings).items()
        ],
    }


def stored_digests(results: Path, problem: str, optimizer: str) -> dict[Run, str]:
    """The evaluation runs that the results hold, with the digests by which the store has them.

    The digests are those of when the runs were trained, so a comparison names what has changed since. Raises
    FileNotFoundError if there are no such results.
    """
    rows = shards.read_shards([layout.shard_folder(results, "evaluation", problem, optimizer)], "runs").to_pylist()
    return {_parse_run(row): row["run"] for row in rows if row["stage"] == "evaluation"}


def _parse_run(row: dict[str, Any]) -> Run:
    *values, hyperparameters = (row[name] for name in Run._fields)
    return Run._make([*values, tuple(json.loads(hyperparameters).items())])


def _name(cell: Cell, seed: int) -> str:
    return f"{cell.schedule}/{cell.batch_size}, seed {seed}"


def _values(difference: Difference) -> dict[str, Any]:
    return {
        "name": difference.name,
        "step": difference.step,
        "stored": difference.reference,
        "again": difference.here,
        "relative": difference.relative,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m thalweg.certificate.retrain", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--problem", required=True)
    parser.add_argument("--optimizer", required=True)
    parser.add_argument("--schedule", help="this one alone")
    parser.add_argument("--batch-size", type=int, help="this one alone")
    parser.add_argument("--store", type=Path, required=True, help="the folder of finished runs")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    return parser


if __name__ == "__main__":
    main()
    settings.exit_process()
