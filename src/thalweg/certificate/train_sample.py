"""Train a sample of what an experiment published again, from nothing: `python -m thalweg.certificate.train_sample`.

The published file and the code are all that is read. What is trained goes into a folder of its own, in the form in
which jobs leave it for analysis, which compares it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from thalweg.certificate import published as published_file
from thalweg.certificate.retrain import train as train_runs
from thalweg.experiment.schema import Experiment, load
from thalweg.grid import Run
from thalweg.hashing import digest
from thalweg.results import store
from thalweg.results.progress import Progress, Teller, duration
from thalweg.training.engine import settings
from thalweg.training.jobs import devices, train


def main() -> None:
    arguments = _parser().parse_args()
    experiment, pair = load(arguments.experiment), (arguments.problem, arguments.optimizer)
    share = published_file.share_of(arguments.share)
    drawn = published_file.sample(published_file.read(experiment), share, arguments.seed)
    asked = [(one.stage, one.reproduction or None, run) for one in drawn if one.cell[:2] == pair for run in one.runs]
    records = trained(experiment, list(dict.fromkeys(run for *_, run in asked)), arguments.results, arguments.locks)
    digests = {run: digest(record["identity"]) for run, record in records.items()}
    by_digest = {digests[run]: record for run, record in records.items()}
    store.write_shard(
        store.shard_folder(arguments.results, "evaluation", *pair),
        {
            "runs": train.runs_table([(*one, digests[one[-1]]) for one in asked], by_digest),
            "histories": train.histories_table(by_digest),
            "measured": pa.Table.from_pylist([{"run": run, **one["measured"]} for run, one in by_digest.items()]),
        },
    )
    done = sum(pq.read_metadata(file).num_rows for file in arguments.results.glob("runs/*/*/*/runs.parquet"))
    print(f"[verify] {overall(experiment, done, sum(len(one.seeds) for one in drawn), arguments.results)}", flush=True)


def overall(experiment: Experiment, done: int, total: int, results: Path) -> str:
    """How far the whole sample is, and the time left if the rest takes what was done took on average.

    Training began when the last check was done.
    """
    seconds = time.time() - store.check_file(results, "").parent.stat().st_mtime
    left = f", about {duration(seconds * (total - done) / done)} to go" if done < total else ""
    return f"{experiment.name}: {done:,} of {total:,} sampled runs trained again{left}"


def trained(experiment: Experiment, runs: list[Run], results: Path, locks: Path) -> dict[Run, store.Record]:
    """The records of runs of one problem and optimizer, all of them trained now."""
    problem, optimizer = runs[0][:2]
    check = json.loads(store.check_file(results, problem).read_bytes())
    if check["mistakes"]:
        sys.exit("\n".join(check["mistakes"]))
    device, why = devices.resolve(experiment.problems[problem].device)
    teller = Teller(f"verify {problem} × {optimizer}", Progress(problem, total=len(runs), done=0, found=0))
    teller.tell(f"{len(runs)} runs to train again, on {why}")
    return dict(train_runs(experiment, check, runs, device, locks, teller))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m thalweg.certificate.train_sample", description=__doc__)
    parser.add_argument("problem")
    parser.add_argument("optimizer")
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--share", required=True, help="how much is trained again, as in 5%%")
    parser.add_argument("--seed", type=int, required=True, help="by which the sample is drawn")
    parser.add_argument("--results", type=Path, required=True, help="the folder for what is trained, with the checks")
    parser.add_argument("--locks", type=Path, required=True, help="the folder by which jobs share GPUs")
    return parser


if __name__ == "__main__":
    main()
    settings.leave()
