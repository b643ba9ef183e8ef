# What the rules share.

from thalweg.reporting.figures import figures_of
from thalweg.results.store import SHARDS

# What a job writes to its standard error goes to its log; if it fails, the end of that goes to the terminal.
TO_LOG = (
    " 2> {log:q} || (status=$?; tail --lines=15 {log:q};"
    " if [ $status = 137 ]; then echo 'This job was killed: by someone, or by the system, for want of memory'; fi;"
    " echo 'This job failed; its whole log is {log}'; exit 1)"
)

# A job ends with a record of its outputs' digests, by which every launch finds out whether they still are what they were.
RECORDED = f"{TO_LOG} && python -m thalweg.results.digests --results {RESULTS} --record {{output.record:q}} {{output:q}}"

# The problems whose loss surface is drawn, with the paths over it.
OF_TWO_WEIGHTS = [
    name for name, grid in EXPERIMENT.problems.items() if "weights" in grid.record
]


def summary():
    """What this launch did and cost, of the jobs that it found to be starting."""
    return launch.summary(EXPERIMENT, Path(RESULTS), starting, time.monotonic() - BEGAN)


def trained_from(w, *parts):
    """Digest of what a training job is made from: its own parts, and those that every job shares."""
    own = [PARTS["problems"][w.problem], PARTS["optimizers"][w.optimizer]]
    shared = [PARTS["schedules"], PARTS["software"], job_digest("thalweg.training.jobs.train")]
    return digest([own, shared, parts])


def record(job):
    """The file of a job's record."""
    return f"{RESULTS}/digests/{job}.sha256"


def shard(stage):
    """The files that a training job leaves of its runs."""
    folder = f"{RESULTS}/runs/{stage}/{{problem}}/{{optimizer}}"
    return {name: f"{folder}/{name}.parquet" for name in SHARDS}


def figure_files(problem):
    """The files of a problem's figures, or with None of those of the whole experiment: one job draws them all."""
    return expand(
        str(Path(RESULTS, "report", "figures", problem or "", "{figure}.{form}")),
        figure=figures_of(EXPERIMENT, problem),
        form=["svg", "pdf", "csv", "json"],
    )


def shown_by_snakemake(file, kind):
    """A file that `snakemake --report` is to show: a figure or a table."""
    return report(
        file,
        caption=f"../../reports/captions/{kind}.rst",
        category=f"{kind.capitalize()}s",
        subcategory=Path(file).parent.name,
        labels={kind: Path(file).stem},
    )
