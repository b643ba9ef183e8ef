"""Train evaluation runs again from nothing and compare them, bit for bit, with those that the results hold.

Nothing is read from the store but what is compared with, and nothing is written to it or into the results but a small
account of what came of it.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow import ArrowInvalid

from thalweg.certificate.published import ABSENT, differing, same
from thalweg.experiment.schema import Experiment, load
from thalweg.grid import Cell, Run, cells
from thalweg.identity import COMPUTING_PACKAGES, identity
from thalweg.results import store
from thalweg.results.progress import Progress, Teller
from thalweg.training.engine import settings
from thalweg.training.jobs import devices

NOT_COMPARED = ("history", "measured", "time_limit")
"""The keys of a record that are not compared as they are: the history is compared point by point, and what was measured
of a run and how long it might have taken are no part of what it came to."""

SURROUNDINGS = ("instruction_set", *COMPUTING_PACKAGES)
"""What is measured of a run and can change its bits."""


class Difference(NamedTuple):
    """What differs between two records of a run: a column of their histories, or another value of theirs by its path.

    Of a column, `step` is the first at which it differs, `stored` and `again` are the values there, and `relative` is
    the largest |stored - again| / max(|stored|, |again|) over the points where both are numbers.
    """

    name: str
    step: int | None
    stored: Any
    again: Any
    relative: float | None = None


class Outcome(NamedTuple):
    """What came of retraining: of the runs that were `asked` for, by cell and seed, those that differ from what the
    results hold, those that these lack, and in what surroundings the others were trained, with how many of them."""

    asked: int
    different: dict[Run, list[Difference]]
    missing: list[tuple[Cell, int]]
    elsewhere: Counter[Difference]

    @property
    def identical(self) -> int:
        return self.asked - len(self.different) - len(self.missing)


def main() -> None:
    arguments = _parser().parse_args()
    experiment, results = load(arguments.experiment), arguments.results
    problem, optimizer = arguments.problem, arguments.optimizer
    asked = {
        (cell, seed)
        for cell in cells(experiment, problem, optimizer)
        if arguments.schedule in (None, cell.schedule) and arguments.batch_size in (None, cell.batch_size)
        for seed in experiment.seeds.evaluation
    }
    try:
        digests = held(results, problem, optimizer)
        check = json.loads(store.check_file(results, problem).read_bytes())
    except (FileNotFoundError, ArrowInvalid, json.JSONDecodeError):
        sys.exit(
            f"{results} has no evaluation runs of {problem} × {optimizer} to compare with; make them by "
            f"snakemake --cores N --config experiment={experiment.name}"
        )
    found = {run: store.read_run(arguments.store, digests[run]) for run in digests if (run.cell, run.seed) in asked}
    stored = {run: record for run, record in found.items() if record is not None}

    device, why = devices.resolve(experiment.problems[problem].device)
    teller = Teller(f"retrain {problem} × {optimizer}", Progress(problem, total=len(stored), done=0, found=0))
    teller.tell(f"{len(stored)} runs to train again, on {why}")
    outcome = Outcome(len(asked), {}, sorted(asked - {(run.cell, run.seed) for run in stored}), Counter())
    for run, again in train(experiment, check, list(stored), device, arguments.store / "locks", teller):
        outcome.elsewhere.update(surroundings(stored[run], again))
        if differing := differences(stored[run], again):
            outcome.different[run] = differing
            teller.tell(f"{_place(run.cell, run.seed)}, run {digests[run]}: {_told(differing)}")
    for cell, seed in outcome.missing:
        teller.tell(f"{_place(cell, seed)} is missing from the results")
    for one, runs in outcome.elsewhere.items():
        are = "run is" if runs == 1 else "runs are"
        teller.tell(f"{runs} {are} from other surroundings: {one.name} {one.stored!r} there, {one.again!r} here")
    teller.tell(f"{outcome.identical} of {outcome.asked} runs are identical, bit for bit")

    limits = {"schedule": arguments.schedule, "batch_size": arguments.batch_size}
    store.write_json(outcome_file(results, problem, optimizer), {**limits, **as_json(outcome, digests)})
    if outcome.identical < outcome.asked:
        sys.exit(
            f"{problem} × {optimizer}: of {outcome.asked} runs, different from those in {results}: "
            f"{len(outcome.different)}; missing there: {len(outcome.missing)}"
        )


def as_json(outcome: Outcome, digests: dict[Run, str]) -> dict[str, Any]:
    return {
        "asked": outcome.asked,
        "identical": outcome.identical,
        "different": [
            {"run": digests[run], **run.row(), "differences": [one._asdict() for one in differing]}
            for run, differing in outcome.different.items()
        ],
        "missing": [{**cell._asdict(), "seed": seed} for cell, seed in outcome.missing],
        "elsewhere": [
            {"name": one.name, "stored": one.stored, "again": one.again, "runs": runs}
            for one, runs in outcome.elsewhere.items()
        ],
    }


def outcome_file(results: Path, problem: str, optimizer: str) -> Path:
    """What came of the latest retraining of a problem and optimizer. Nothing is made from it."""
    return results / "retrained" / problem / f"{optimizer}.json"


def held(results: Path, problem: str, optimizer: str) -> dict[Run, str]:
    """The evaluation runs that the results hold, with the digests by which the store knows them.

    The digests are those of when the runs were trained: what has changed since is then found by its name. Raises
    FileNotFoundError where there are no such results.
    """
    rows = store.read_shards([store.shard_folder(results, "evaluation", problem, optimizer)], "runs").to_pylist()
    return {_run(row): row["run"] for row in rows if row["stage"] == "evaluation"}


def _run(row: dict[str, Any]) -> Run:
    *values, hyperparameters = (row[name] for name in Run._fields)
    return Run._make([*values, tuple(json.loads(hyperparameters).items())])


def train(
    experiment: Experiment, check: dict[str, Any], runs: list[Run], device: str, locks: Path, teller: Teller
) -> Iterator[tuple[Run, store.Record]]:
    """Train runs of one problem and optimizer as their job does, each with its record as the store would have it."""
    if not runs:
        return
    grid = experiment.problems[runs[0].problem]
    with devices.leased(device, locks, grid.jobs_per_gpu):
        settings.start_tensorflow(device, grid.threads, grid.precision)
        from thalweg.training.jobs import trainer

        identities = {run: identity(experiment, run, check, device) for run in runs}
        for done, (run, record) in enumerate(trainer.train(experiment, identities, teller), 1):
            yield run, json.loads(json.dumps(record, allow_nan=False))
            teller.update(done)


def differences(stored: store.Record, again: store.Record) -> list[Difference]:
    """In what two records of a run differ, by a bit or more: columns of the histories last, by their first such step.

    Time is measured, so a run that was out of it is compared as far as it came, unless the other ended before.
    """
    first = min(stored, again, key=lambda record: int(record["ended_at"]))
    cut = first["ended_at"] if first["outcome"] == "out of time" else math.inf
    apart = NOT_COMPARED if cut == math.inf else (*NOT_COMPARED, "outcome", "ended_at")
    one, other = ({key: record[key] for key in record if key not in apart} for record in (stored, again))
    values = [Difference(name, None, *both) for name, *both in differing(one, other)]
    columns = [
        found
        for name in {**stored["history"], **again["history"]}
        if (found := _in_column(name, *(_points(record, name, cut) for record in (stored, again))))
    ]
    return [*values, *sorted(columns, key=lambda found: found.step or 0)]


def surroundings(stored: store.Record, again: store.Record) -> list[Difference]:
    """What was another processor or version where the stored run was trained: it may account for other bits."""
    one, other = stored["measured"], again["measured"]
    return [Difference(name, None, one[name], other[name]) for name in SURROUNDINGS if one[name] != other[name]]


def _points(record: store.Record, column: str, cut: float) -> dict[int, Any]:
    """A column of a record's history by step, as far as the step `cut`."""
    steps, values = record["history"]["step"], record["history"].get(column, [])
    return {step: value for step, value in zip(steps, values, strict=False) if step <= cut}


def _in_column(name: str, stored: dict[int, Any], again: dict[int, Any]) -> Difference | None:
    pairs = {step: (stored.get(step, ABSENT), again.get(step, ABSENT)) for step in sorted({*stored, *again})}
    unlike = {step: pair for step, pair in pairs.items() if not same(*pair)}
    if not unlike:
        return None
    step, values = next(iter(unlike.items()))
    numbers = [pair for pair in unlike.values() if all(_is_number(value) for value in pair)]
    # Zeros of different signs differ, and by nothing.
    relative = [abs(a - b) / (max(abs(a), abs(b)) or 1) for a, b in numbers]
    return Difference(name, step, *values, relative=max(relative, default=None))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _place(cell: Cell, seed: int) -> str:
    return f"{cell.schedule}/{cell.batch_size}, seed {seed}"


def _told(found: list[Difference]) -> str:
    """Differences in a line: each value that is another, the first column and step, the largest relative difference."""
    columns = [one for one in found if one.step is not None]
    texts = [f"{one.name} {one.stored!r:.60} there, {one.again!r:.60} here" for one in found if one.step is None]
    if columns:
        first = columns[0]
        largest = max((one.relative for one in columns if one.relative is not None), default=None)
        by = "" if largest is None else f", by up to {largest:.1e} (relative)"
        texts.append(
            f"{first.name} at step {first.step} {first.stored!r} there, {first.again!r} here; "
            f"{len(columns)} column{'s' if len(columns) > 1 else ''} differ{'' if len(columns) > 1 else 's'}{by}"
        )
    return "; ".join(texts)


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
    settings.leave()
