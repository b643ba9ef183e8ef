# The front door: `snakemake --cores N` trains what is missing of an experiment and renders its report.
# `--config experiment=NAME` takes experiments/NAME.yaml; the default is the article's. `retrain` also takes a `cell`,
# `judge` a file of `claims`, `verify` the size of a `sample` and the `seed` that it is drawn by. With `incomplete=yes`
# nothing is trained, and the report is of the runs that are there.

import os
import sys
import time
from pathlib import Path

from thalweg.certificate.published import published_path
from thalweg.experiment.errors import ExperimentError
from thalweg.reporting.html import overview
from thalweg.results import layout
from thalweg.workflow import launch
from thalweg.workflow.configuration import check_rules, read_configuration
from thalweg.workflow.recovery import recover

HERE = Path(os.path.relpath(workflow.basedir))
try:
    CONFIGURATION = read_configuration(config, HERE / "experiments")
except ExperimentError as error:
    sys.exit(str(error))
EXPERIMENT, FINGERPRINTS = CONFIGURATION.experiment, CONFIGURATION.fingerprints
EXPERIMENT_FILE = str(CONFIGURATION.experiment_file)
ALL_RESULTS = Path("results")
RESULTS = ALL_RESULTS / EXPERIMENT.name
STORE = layout.store_folder(ALL_RESULTS)
START = time.monotonic()

# Rules that leave nothing in the results, so that a summary of these would not show what they did.
RULES_WITHOUT_RESULTS = {"retrain", "judge", "publish", "verify"}


report: "reports/captions/workflow.rst"


wildcard_constraints:
    problem="|".join(EXPERIMENT.problems),
    optimizer="|".join(EXPERIMENT.optimizers),


onstart:
    global rules_to_run, training_jobs
    jobs = list(workflow.dag.needrun_jobs())
    rules_to_run = {job.rule.name for job in jobs}
    training_jobs = launch.training_jobs(jobs)
    try:
        check_rules(CONFIGURATION, rules_to_run)
        launch.begin(RESULTS, workflow.cores or workflow.nodes or 1, training_jobs)
    except (ExperimentError, RuntimeError) as error:
        sys.exit(str(error))


# No rule could write the index over all experiments: it would be out of date whenever another one ends.
onsuccess:
    if not rules_to_run <= RULES_WITHOUT_RESULTS:
        overview.write(ALL_RESULTS)
        print(summary())


onerror:
    if not rules_to_run <= RULES_WITHOUT_RESULTS:
        print(summary())
        if not CONFIGURATION.incomplete:
            advice = launch.failure_advice(EXPERIMENT, RESULTS, workflow.cores)
            print(advice, end="")


if workflow.is_main_process and not workflow.dryrun:
    sources = [EXPERIMENT_FILE, HERE / "Snakefile", HERE / "CITATION.cff"]
    try:
        damage = recover(RESULTS, [*map(Path, sources), published_path(EXPERIMENT)])
    except RuntimeError as error:
        sys.exit(str(error))
    for message in damage:
        print(message, file=sys.stderr)


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
