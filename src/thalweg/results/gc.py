"""What in the store no experiment uses: `python -m thalweg.results.gc` lists it, and with --prune removes it.

An experiment uses the runs that its results name: each training job leaves a shard of its runs. So results must be
complete before anything may be removed, and nobody may work on them meanwhile. The runs that are used are checked, and
damaged ones set aside. Where runs are damaged or missing, the records of their jobs are removed, so that the next
launch trains them again.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout
from pyarrow import ArrowInvalid

from thalweg.experiment.errors import ExperimentError
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.results import layout, locks, provenance, shards, store
from thalweg.results.progress import Job, training_jobs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.results.gc", description=__doc__)
    parser.add_argument("--experiments", type=Path, default=Path("experiments"), help="the folder of experiment files")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder of all results")
    parser.add_argument("--prune", action="store_true", help="remove what is listed")
    arguments = parser.parse_args()
    all_results = arguments.results
    folder = layout.store_folder(all_results)
    experiment_files = sorted(arguments.experiments.glob("*.yaml"))
    try:
        experiments = [load(file) for file in experiment_files if (all_results / file.stem).is_dir()]
    except ExperimentError as error:
        sys.exit(str(error))
    for experiment in experiments:
        lock_results(all_results / experiment.name)
    reasons_to_keep = [
        *results_without_experiment({file.stem for file in experiment_files}, all_results),
        *(line for experiment in experiments for line in unfinished_jobs(experiment, all_results)),
    ]
    runs_by_job = {
        (experiment.name, job): used_runs(experiment, all_results, job)
        for experiment in experiments
        for job in training_jobs(experiment)
    }
    used = {run for runs in runs_by_job.values() for run in runs}
    stored = {file.stem: file for file in folder.glob("*/*.json")}
    unused = [*(file for run, file in sorted(stored.items()) if run not in used), *leftovers(all_results)]
    damaged = [run for run in sorted(used & stored.keys()) if store.read_run(folder, run) is None]
    lost = used - stored.keys() | {*damaged}
    for (name, job), runs in runs_by_job.items():
        if lost & runs:
            layout.record_file(all_results / name, job.name).unlink(missing_ok=True)

    for file in unused:
        print(file)
    megabytes = sum(file.stat().st_size for file in unused) / 1e6
    print(
        f"{len(unused):,} files ({megabytes:.1f} MB) are used by no experiment; of {len(used):,} runs that are used, "
        f"{len(used) - len(used & stored.keys()):,} are missing and {len(damaged):,} damaged"
    )
    for reason in reasons_to_keep:
        print(f"{reason}, so that runs of it may be among these", file=sys.stderr)
    if arguments.prune:
        if reasons_to_keep:
            sys.exit("nothing was removed: finish these experiments first, or remove their results")
        for file in unused:
            file.unlink()
        print("removed")


def lock_results(results: Path) -> None:
    """Keep launches off an experiment's results until this process ends. Exits where a launch works on them."""
    lock = layout.launch_lock(results)
    try:
        locks.acquire(lock, provenance.command_line(), timeout=0)
    except Timeout:
        sys.exit(f"{results} is being worked on by {locks.holder(lock)}; wait until it is done")


def leftovers(all_results: Path) -> list[Path]:
    """The damaged files that were set aside, and the temporary files of killed jobs; sorted."""
    files = [
        *layout.store_folder(all_results).glob("*/*.damaged"),
        *(file for results in all_results.glob("*") for file in layout.damaged_folder(results).rglob("*")),
        *all_results.rglob(".*.part"),
    ]
    return sorted(file for file in files if file.is_file())


def results_without_experiment(experiments: set[str], all_results: Path) -> Iterator[str]:
    """Name results with runs whose experiment file is not there, being renamed, elsewhere, or on another branch."""
    for results in sorted(all_results.glob("*")):
        if layout.runs_folder(results).exists() and results.name not in experiments:
            yield f"{results}: its experiment file is not there"


def unfinished_jobs(experiment: Experiment, all_results: Path) -> Iterator[str]:
    """Name the training jobs of an experiment that have not finished."""
    for job in training_jobs(experiment):
        if not _runs_file(experiment, all_results, job).is_file():
            yield f"{experiment.name}: {job.heading}: no results yet"


def used_runs(experiment: Experiment, all_results: Path, job: Job) -> set[str]:
    """The digests of the runs that a job's shard names. Exits where the shard is damaged."""
    file = _runs_file(experiment, all_results, job)
    if not file.is_file():
        return set()
    try:
        return set(shards.read_shards([file.parent], "runs")["run"].to_pylist())
    except (ArrowInvalid, OSError):
        sys.exit(
            f"{file} is damaged, so that nobody knows which runs it names; make it again by "
            f"snakemake --cores N --config experiment={experiment.name}"
        )


def _runs_file(experiment: Experiment, all_results: Path, job: Job) -> Path:
    return layout.shard_file(layout.shard_folder(all_results / experiment.name, *job), "runs")


if __name__ == "__main__":
    main()
