"""Where every file of the results lies. Jobs, analysis and Snakemake's rules all take their paths from here.

Each experiment has a folder of its own, called `results` below; the folder above it is `all_results`. The names of
problems, optimizers and so on may be wildcards of Snakemake, such as `{problem}`. Nothing here needs a package.
"""

from collections.abc import Iterator
from pathlib import Path

SHARD_TABLES = ("runs", "histories", "measured")
"""The tables of a shard: a row a run, a row an evaluation point, and what was measured (which is not deterministic)."""


def store_folder(all_results: Path) -> Path:
    """The store of finished runs, which all experiments share."""
    return all_results / "store"


def gpu_locks_folder(store: Path) -> Path:
    """The locks by which jobs share GPUs."""
    return store / "locks"


def checks_folder(results: Path) -> Path:
    return results / "checks"


def check_file(results: Path, problem: str) -> Path:
    """What the check of a problem found out about it."""
    return checks_folder(results) / f"{problem}.json"


def checked_file(results: Path) -> Path:
    """The file whose presence says that the whole experiment has passed its checks."""
    return results / "checked.json"


def runs_folder(results: Path) -> Path:
    """The shards of all training jobs."""
    return results / "runs"


def shard_folder(results: Path, stage: str, problem: str, optimizer: str) -> Path:
    """Where a training job leaves the shard of its runs."""
    return runs_folder(results) / stage / problem / optimizer


def shard_file(folder: Path, table: str) -> Path:
    """The file of one of SHARD_TABLES in a shard's folder."""
    return folder / f"{table}.parquet"


def finished_shards(results: Path) -> Iterator[Path]:
    """The tables of runs that training jobs have left so far."""
    return runs_folder(results).glob("*/*/*/runs.parquet")


def chosen_file(results: Path, problem: str, optimizer: str) -> Path:
    """The trials that tuning chose for the cells of a problem and optimizer."""
    return results / "chosen" / problem / f"{optimizer}.json"


def surface_file(results: Path, problem: str) -> Path:
    """The loss surface of a problem of two weights."""
    return results / "surfaces" / f"{problem}.parquet"


def timings_file(results: Path, problem: str) -> Path:
    """What the optimizers of a problem took, timed in turn."""
    return results / "timings" / f"{problem}.parquet"


def table_inputs(results: Path) -> list[Path]:
    """The folders that tables are made from."""
    return [checks_folder(results), runs_folder(results), results / "surfaces", results / "timings"]


def tables_folder(results: Path) -> Path:
    return results / "tables"


def table_file(results: Path, table: str, form: str) -> Path:
    """A table as `parquet` or `csv`; those in which a clock had a part are called `measured/NAME`."""
    return tables_folder(results) / f"{table}.{form}"


def report_folder(results: Path) -> Path:
    return results / "report"


def report_file(results: Path, name: str) -> Path:
    """A file or folder of the report, such as `index.html`."""
    return report_folder(results) / name


def figures_folder(results: Path) -> Path:
    return report_folder(results) / "figures"


def figure_file(results: Path, problem: str | None, figure: str, form: str) -> Path:
    """A figure of a problem, or with None of the whole experiment, as `svg`, `pdf`, `csv` or `json`."""
    return figures_folder(results) / (problem or "") / f"{figure}.{form}"


def paper_folder(results: Path) -> Path:
    return results / "paper"


def paper_file(results: Path, name: str) -> Path:
    """A file or folder of the paper, such as `numbers.tex`."""
    return paper_folder(results) / name


def retrained_file(results: Path, problem: str, optimizer: str) -> Path:
    """What came of the latest retraining of a problem and optimizer."""
    return results / "retrained" / problem / f"{optimizer}.json"


def judged_file(results: Path, claims: Path) -> Path:
    """The verdicts on the claims of another file."""
    return results / "judged" / f"{claims.stem}.csv"


def verification_folder(results: Path) -> Path:
    """The page of the latest comparison with what the experiment has published."""
    return results / "verification"


def log_file(results: Path, job: str) -> Path:
    """What a job wrote to its standard error. Jobs have names such as `tuning/PROBLEM/OPTIMIZER`."""
    return results / "logs" / f"{job}.log"


def record_file(results: Path, job: str) -> Path:
    """The digests of a job's outputs. Without this file, the next launch starts the job again."""
    return results / "digests" / f"{job}.sha256"


def record_files(results: Path) -> list[Path]:
    """The records of all finished jobs, sorted."""
    return sorted((results / "digests").rglob("*.sha256"))


def damaged_folder(results: Path) -> Path:
    """Where damaged files are set aside, each by its place in the results."""
    return results / "damaged"


def progress_file(results: Path, job: str) -> Path:
    """How far a training job is."""
    return results / "progress" / f"{job.replace('/', '.')}.json"


def job_lock(results: Path, job: str) -> Path:
    """What a training job holds while it trains."""
    return results / "locks" / f"{job.replace('/', '.')}.lock"


def launch_lock(results: Path) -> Path:
    """What a launch holds for as long as it works on the results."""
    return results / "launch.lock"
