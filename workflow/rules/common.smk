# What the rules share.

from thalweg.identity import module_digest
from thalweg.reporting.figures import MODULES, figures_of
from thalweg.workflow import fingerprints

# What a job writes to its standard error goes to its log; if it fails, the end of that goes to the terminal.
LOG_STDERR = (
    " 2> {log:q} || (status=$?; tail --lines=15 {log:q};"
    " if [ $status = 137 ]; then echo 'This job was killed: by someone, or by the system, for want of memory'; fi;"
    " echo 'This job failed; its whole log is {log}'; exit 1)"
)

# A job ends with a record of its outputs' digests, by which every launch sees whether they still are what they were.
LOG_AND_RECORD = f"{LOG_STDERR} && python -m thalweg.results.digests --results {RESULTS} --record {{output.record:q}} {{output:q}}"

PROBLEMS_WITH_SURFACE = [
    name for name, grid in EXPERIMENT.problems.items() if "weights" in grid.record
]


def summary():
    """What this launch trained and cost."""
    seconds = time.monotonic() - START
    return launch.summary(EXPERIMENT, RESULTS, training_jobs, seconds)


def training_fingerprint(w, *inputs):
    """The fingerprint of a training job: of what every such job uses, and of inputs of its own."""
    return fingerprints.of_job(
        "thalweg.training.jobs.train",
        FINGERPRINTS["problems"][w.problem],
        FINGERPRINTS["quantities"][w.problem],
        FINGERPRINTS["optimizers"][w.optimizer],
        FINGERPRINTS["schedules"],
        FINGERPRINTS["software"],
        *inputs,
    )


def shard_files(stage):
    """The files that a training job leaves of its runs, by table."""
    folder = layout.shard_folder(RESULTS, stage, "{problem}", "{optimizer}")
    return {name: layout.shard_file(folder, name) for name in layout.SHARD_TABLES}


# Figures are found by their place, so that no job imports them by name.
FIGURE_SOURCES = [module_digest(module) for module in MODULES]


def figure_files(problem):
    """The files of a problem's figures, or with None of those of the whole experiment: one job draws them all."""
    return expand(
        layout.figure_file(RESULTS, problem, "{figure}", "{form}"),
        figure=figures_of(EXPERIMENT, problem),
        form=["svg", "pdf", "csv", "json"],
    )


def in_snakemake_report(file, kind):
    """A file that `snakemake --report` shows: a figure or a table."""
    return report(
        str(file),
        caption=f"../../reports/captions/{kind}.rst",
        category=f"{kind.capitalize()}s",
        subcategory=Path(file).parent.name,
        labels={kind: Path(file).stem},
    )
