# The front door: `snakemake --cores N` trains what is missing of an experiment and renders its report.
# `--config experiment=NAME` takes experiments/NAME.yaml; the default is the article's. `retrain` also takes a `cell`,
# `judge` a file of `claims`, `verify` the size of a `sample` and the `seed` that it is drawn by. With `incomplete=yes`
# nothing is trained, and the report is of the runs that are there.

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from thalweg.workflow import launch
from thalweg.certificate import published as certificate
from thalweg.experiment.schema import ExperimentError, find, load, with_claims
from thalweg.identity import job_digest
from thalweg.hashing import digest
from thalweg.results.progress import Job
from thalweg.reporting.html import overview

HERE = Path(os.path.relpath(workflow.basedir))
NAME = str(config.get("experiment", "article") or "")
try:
    launch.check_settings(config)
    EXPERIMENT_FILE = str(find(HERE / "experiments", NAME))
    EXPERIMENT = load(Path(EXPERIMENT_FILE))
    PARTS = launch.parts(EXPERIMENT)
except ExperimentError as error:
    sys.exit(str(error))
RESULTS = f"results/{NAME}"
STORE = "results/store"
INCOMPLETE = config.get("incomplete") == "yes"
BEGAN = time.monotonic()

# Rules that make no part of the results, so that a summary of these would tell nothing of what they did.
APART = {"retrain", "judge", "publish", "verify"}


report: "reports/captions/workflow.rst"


wildcard_constraints:
    problem="|".join(EXPERIMENT.problems),
    optimizer="|".join(EXPERIMENT.optimizers),


onstart:
    global starting, asked
    stages = {"tune": "tuning", "evaluate": "evaluation"}
    jobs = list(workflow.dag.needrun_jobs())
    asked = {job.rule.name for job in jobs}
    if "retrain" in asked and not RETRAINED:
        sys.exit(f"retrain: of which cell? Write {launch.CELL_FORM}")
    if "judge" in asked and not CLAIMS:
        sys.exit(
            "judge: which claims? Write --config claims=FILE, a YAML file with claims"
        )
    if "paper" in asked:
        try:
            paper.check(EXPERIMENT)
        except ExperimentError as error:
            sys.exit(str(error))
    if RETRAINED and "retrain" not in asked:
        sys.exit(
            f"cell={CELL}: is of retrain alone; write snakemake … retrain --config …"
        )
    if CLAIMS and "judge" not in asked:
        sys.exit(
            f"claims={CLAIMS}: is of judge alone; write snakemake … judge --config …"
        )
    if (
        "report" in asked
        and UNPUBLISHED
        and certificate.file_of(EXPERIMENT).exists()
    ):
        sys.exit(f"report: {UNPUBLISHED}")
    if "verify" in asked and UNPUBLISHED:
        sys.exit(f"verify: {UNPUBLISHED}")
    if SAMPLED and "verify" not in asked:
        sys.exit(
            f"{SAMPLED}=: is of verify alone; write snakemake … verify --config …"
        )
    starting = [
        Job(stages[job.rule.name], job.wildcards.problem, job.wildcards.optimizer)
        for job in jobs
        if job.rule.name in stages
    ]
    try:
        launch.begin(Path(RESULTS), workflow.cores or workflow.nodes or 1, starting)
    except RuntimeError as error:
        sys.exit(str(error))


# No rule could write the index over all experiments: it would be out of date whenever another one ends.
onsuccess:
    if not asked <= APART:
        overview.write(Path(RESULTS).parent)
        print(summary())


onerror:
    if not asked <= APART:
        print(summary())
        if launch.has_runs(Path(RESULTS)) and not INCOMPLETE:
            print(
                "Some jobs failed. The same command tries them again; of the runs that are there, a report is made by\n"
                f"snakemake --cores {workflow.cores} --config experiment={NAME} incomplete=yes"
            )


if workflow.is_main_process and not workflow.dryrun:
    try:
        for told in launch.set_aside_damaged(Path(RESULTS)):
            print(told, file=sys.stderr)
        with suppress(OSError):
            launch.bring_from_the_future(
                [
                    Path(EXPERIMENT_FILE),
                    HERE / "Snakefile",
                    HERE / "CITATION.cff",
                    certificate.file_of(EXPERIMENT),
                ]
            )
    except RuntimeError as error:
        sys.exit(str(error))


include: "workflow/rules/common.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/time.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/retrain.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/publish.smk"


# Every file is asked for, since Snakemake does not miss what lies on the way to a report that is there.
rule all:
    default_target: True
    input:
        TRAINED,
        rules.tables.output,
        FIGURES.values(),
        rules.cells.output,
        rules.report.output,
