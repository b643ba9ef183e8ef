"""What of the store no experiment uses: `python -m thalweg.results.gc` lists it, and with --prune removes it.

A run is used where the results of an experiment name it: each training job leaves a shard of its runs. So results must
be complete before anything may go, and nobody may work on them meanwhile. Runs that are used are held against their
checksums and damaged ones set aside. For the next launch to train these again, and those that are missing, the records
of their jobs go.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout
from pyarrow import ArrowInvalid

from thalweg.experiment.schema import Experiment, ExperimentError, load
from thalweg.results import locks, store
from thalweg.results.progress import Job, training_jobs
from thalweg.workflow import launch


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.results.gc", description=__doc__)
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
    unfinished = [
        *of_no_experiment(files, arguments.results),
        *(job for experiment in begun for job in without_shard(experiment, arguments.results)),
    ]
    jobs = {
        (experiment.name, job): used_by(experiment, arguments.results, job)
        for experiment in begun
        for job in training_jobs(experiment)
    }
    used = {run for runs in jobs.values() for run in runs}
    stored = {file.stem: file for file in folder.glob("*/*.json")}
    unused = [file for run, file in sorted(stored.items()) if run not in used]
    # What was set aside, and what killed jobs had begun to write.
    aside = [*folder.glob("*/*.damaged"), *arguments.results.glob("*/damaged/**/*")]
    unused += sorted(file for file in [*aside, *arguments.results.rglob(".*.part")] if file.is_file())
    damaged = [run for run in sorted(used & stored.keys()) if store.read_run(folder, run) is None]

    lost = used - stored.keys() | {*damaged}
    for (name, job), runs in jobs.items():
        if lost & runs:
            launch.record_file(arguments.results / name, job).unlink(missing_ok=True)

    for file in unused:
        print(file)
    megabytes = sum(file.stat().st_size for file in unused) / 1e6
    print(
        f"{len(unused):,} files ({megabytes:.1f} MB) are used by no experiment; of {len(used):,} runs that are used, "
        f"{len(used) - len(used & stored.keys()):,} are missing and {len(damaged):,} damaged"
    )
    for told in unfinished:
        print(f"{told}, so that runs of it may be among these", file=sys.stderr)
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


def of_no_experiment(files: list[Path], results: Path) -> Iterator[str]:
    """Results with runs whose experiment file is not there, being renamed, elsewhere, or of another branch."""
    known = {file.stem for file in files}
    for folder in sorted(results.glob("*/runs")):
        if folder.parent.name not in known:
            yield f"{folder.parent}: its experiment file is not there"


def without_shard(experiment: Experiment, results: Path) -> Iterator[str]:
    """The training jobs of an experiment that have not finished."""
    for job in training_jobs(experiment):
        if not (_shard(experiment, results, job) / "runs.parquet").is_file():
            yield f"{experiment.name}: {job.heading}: no results yet"


def used_by(experiment: Experiment, results: Path, job: Job) -> set[str]:
    """The digests of all runs that the results of an experiment name as those of a job."""
    folder = _shard(experiment, results, job)
    if not (folder / "runs.parquet").is_file():
        return set()
    try:
        return set(store.read_shards([folder], "runs")["run"].to_pylist())
    except (ArrowInvalid, OSError):
        sys.exit(
            f"{folder / 'runs.parquet'} is damaged, so that nobody knows which runs it names; make it again by "
            f"snakemake --cores N --config experiment={experiment.name}"
        )


def _shard(experiment: Experiment, results: Path, job: Job) -> Path:
    return store.shard_folder(results / experiment.name, *job)


if __name__ == "__main__":
    main()
