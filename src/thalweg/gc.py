"""What of the store no experiment uses: `python -m thalweg.gc` lists it, and with --prune removes it.

A run is used where the results of an experiment name it: each training job leaves a shard of its runs. So results must
be complete before anything may go, and nobody may work on them meanwhile. Runs that are used are held against their
checksums; damaged ones are set aside, for the next launch to train again.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

from thalweg import launch, locks, store
from thalweg.grid.experiment import Experiment, ExperimentError, load
from thalweg.progress import Job, training_jobs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.gc", description=__doc__)
    parser.add_argument("--experiments", type=Path, default=Path("experiments"), help="the folder of experiment files")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder of all results")
    parser.add_argument("--prune", action="store_true", help="remove what is listed")
    arguments = parser.parse_args()
    folder = arguments.results / "store"
    files = sorted(arguments.experiments.glob("*.yaml"))
    try:
        begun = [load(file) for file in files if (arguments.results / file.stem).is_dir()]
    except ExperimentError as error:
        sys.exit(str(error))
    for experiment in begun:
        hold(arguments.results / experiment.name)
    unfinished = [job for experiment in begun for job in without_shard(experiment, arguments.results)]
    used = {run for experiment in begun for run in used_by(experiment, arguments.results)}
    stored = {file.stem: file for file in folder.glob("*/*.json")}
    unused = [file for run, file in sorted(stored.items()) if run not in used]
    # What was set aside, and what killed jobs had begun to write.
    aside = [*folder.glob("*/*.damaged"), *arguments.results.glob("*/damaged/**/*")]
    unused += sorted(file for file in [*aside, *arguments.results.rglob(".*.part")] if file.is_file())
    damaged = [run for run in sorted(used & stored.keys()) if store.read_run(folder, run) is None]

    for file in unused:
        print(file)
    megabytes = sum(file.stat().st_size for file in unused) / 1e6
    print(
        f"{len(unused):,} files ({megabytes:.1f} MB) are used by no experiment; of {len(used):,} runs that are used, "
        f"{len(used) - len(used & stored.keys()):,} are missing and {len(damaged):,} damaged"
    )
    for told in unfinished:
        print(f"{told}: no results yet, so that runs of it may be among these", file=sys.stderr)
    if arguments.prune:
        if unfinished:
            sys.exit("nothing was removed: finish these experiments first, or remove their results")
        for file in unused:
            file.unlink()
        print("removed")


def hold(results: Path) -> None:
    """Keep launches off the results. Exits where one works on them."""
    try:
        locks.acquire(launch.lock_file(results), launch.command(), timeout=0)
    except Timeout:
        sys.exit(f"{results} is being worked on by {locks.holder(launch.lock_file(results))}; wait until it is done")


def without_shard(experiment: Experiment, results: Path) -> Iterator[str]:
    """The training jobs of an experiment that have not finished."""
    for job in training_jobs(experiment):
        if not (_shard(experiment, results, job) / "runs.parquet").is_file():
            yield f"{experiment.name}: {job.heading}"


def used_by(experiment: Experiment, results: Path) -> Iterator[str]:
    """The digests of all runs that the results of an experiment name."""
    for job in training_jobs(experiment):
        folder = _shard(experiment, results, job)
        if (folder / "runs.parquet").is_file():
            yield from store.read_shards([folder], "runs")["run"].to_pylist()


def _shard(experiment: Experiment, results: Path, job: Job) -> Path:
    return store.shard_folder(results / experiment.name, *job)


if __name__ == "__main__":
    main()
