# The front door: `snakemake --cores N` trains what is missing of an experiment and renders its report.
# `--config experiment=NAME` takes experiments/NAME.yaml; the default is the article's.

import os
import sys
import time
from pathlib import Path

from thalweg import launch
from thalweg.grid.experiment import ExperimentError, load
from thalweg.grid.identity import digest, job_digest

HERE = Path(os.path.relpath(workflow.basedir))
NAME = str(config.get("experiment", "article"))
EXPERIMENT_FILE = str(HERE / "experiments" / f"{NAME}.yaml")
try:
    EXPERIMENT = load(Path(EXPERIMENT_FILE))
except ExperimentError as error:
    sys.exit(str(error))
PARTS = launch.parts(EXPERIMENT)
RESULTS = f"results/{NAME}"
STORE = "results/store"
BEGAN = time.time()


wildcard_constraints:
    problem="|".join(EXPERIMENT.problems),
    optimizer="|".join(EXPERIMENT.optimizers),


onstart:
    global held
    held = launch.begin(Path(RESULTS), workflow.cores or workflow.nodes or 1)


onsuccess:
    print(launch.summary(EXPERIMENT, Path(RESULTS), BEGAN))


onerror:
    print(launch.summary(EXPERIMENT, Path(RESULTS), BEGAN))


rule all:
    input:
        f"{RESULTS}/report/index.html",


include: "workflow/rules/common.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"
