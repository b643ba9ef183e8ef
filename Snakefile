# The front door: `snakemake --cores N` trains what is missing of an experiment and renders its report.
# `--config experiment=NAME` takes experiments/NAME.yaml; the default is the article's.

import sys
import time
from pathlib import Path

from thalweg import launch
from thalweg.grid.experiment import ExperimentError, load
from thalweg.grid.identity import digest, job_digest

HERE = Path(workflow.basedir)
NAME = str(config.get("experiment", "article"))
EXPERIMENT_FILE = HERE / "experiments" / f"{NAME}.yaml"
try:
    EXPERIMENT = load(EXPERIMENT_FILE)
except ExperimentError as error:
    sys.exit(str(error))
PARTS = launch.parts(EXPERIMENT)
RESULTS = f"results/{NAME}"
STORE = "results/store"
PYTHON = sys.executable
BEGAN = time.time()


wildcard_constraints:
    problem="|".join(EXPERIMENT.problems),
    optimizer="|".join(EXPERIMENT.optimizers),


onstart:
    global held
    held = launch.lock(Path(RESULTS))


onsuccess:
    print(launch.summary(EXPERIMENT, Path(RESULTS), BEGAN))
    print(f"report: {RESULTS}/report/index.html")


onerror:
    print(launch.summary(EXPERIMENT, Path(RESULTS), BEGAN))


rule all:
    input:
        f"{RESULTS}/report/index.html",


include: "workflow/rules/check.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"
