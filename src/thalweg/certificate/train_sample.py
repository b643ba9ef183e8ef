"""Train a sample of an experiment's published runs again from nothing: `python -m thalweg.certificate.train_sample`.

It reads nothing but the published file and the code. The runs go into a folder of their own, as the shards that jobs
leave for analysis.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from thalweg.certificate.published import parse_share, read_published, sample, with_published_records
from thalweg.certificate.train_again import reporter_for, train_again
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.hashing import digest
from thalweg.results import layout, shards
from thalweg.results.progress import format_duration
from thalweg.training.engine import settings
from thalweg.training.jobs import train


def main() -> None:
    arguments = _parser().parse_args()
    experiment, pair = load(arguments.experiment), (arguments.problem, arguments.optimizer)
    published = read_published(experiment)
    experiment = with_published_records(published, experiment)
    drawn = sample(published, parse_share(arguments.share), arguments.seed)
    requested = [run for setting in drawn if setting.cell[:2] == pair for run in setting.runs]
    runs = list(dict.fromkeys(run for _, _, run in requested))
    check = json.loads(layout.check_file(arguments.results, arguments.problem).read_bytes())
    if check["mistakes"]:
        sys.exit("\n".join(check["mistakes"]))
    reporter = reporter_for("verify", *pair, len(runs))
    records = dict(train_again(experiment, check, runs, arguments.locks, reporter))
    digests = {run: digest(record["identity"]) for run, record in records.items()}
    by_digest = {digests[run]: record for run, record in records.items()}
    rows = [(stage, reproduction or None, run, digests[run]) for stage, reproduction, run in requested]
    shards.write_shard(
        layout.shard_folder(arguments.results, "evaluation", *pair),
        {
            "runs": train.runs_table(rows, by_digest),
            "histories": train.histories_table(by_digest, experiment.problems[pair[0]].record),
            "measured": pa.Table.from_pylist([{"run": run, **one["measured"]} for run, one in by_digest.items()]),
        },
    )
    done = sum(pq.read_metadata(file).num_rows for file in layout.finished_shards(arguments.results))
    total = sum(len(setting.seeds) for setting in drawn)
    print(f"[verify] {sample_line(experiment, done, total, arguments.results)}", flush=True)


def sample_line(experiment: Experiment, done: int, total: int, results: Path) -> str:
    """How far the whole sample is, and the time left if the rest takes as long on average.

    Training began when the last check was done.
    """
    seconds = time.time() - layout.checks_folder(results).stat().st_mtime
    left = f", about {format_duration(seconds * (total - done) / done)} to go" if done < total else ""
    return f"{experiment.name}: {done:,} of {total:,} sampled runs trained again{left}"


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
    settings.exit_process()
