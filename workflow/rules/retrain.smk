# `snakemake --cores N retrain --config cell=PROBLEM/OPTIMIZER/SCHEDULE/BATCH_SIZE` trains a cell's evaluation runs again
# from nothing and compares them with those that the results hold.

CELL = str(config.get("cell") or "")
try:
    RETRAINED = launch.part_of_grid(EXPERIMENT, CELL) if CELL else {}
except ExperimentError as error:
    sys.exit(str(error))


# It has no output, so that it runs whenever it is asked for, and no input, so that it compares with results as they are
# and never with such as it had made first. One job starts a process for each optimizer, as many at once as there are
# cores: jobs of their own would need outputs, which Snakemake deletes where a job fails.
rule retrain:
    log:
        f"{RESULTS}/logs/retrain.log",
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1
    params:
        experiment=EXPERIMENT_FILE,
        results=RESULTS,
        store=STORE,
        problem=RETRAINED.get("problem"),
        optimizers=(
            [RETRAINED["optimizer"]]
            if "optimizer" in RETRAINED
            else list(EXPERIMENT.optimizers)
        ),
        of_these=" ".join(
            f"--{axis.replace('_', '-')} {RETRAINED[axis]}"
            for axis in ("schedule", "batch_size")
            if axis in RETRAINED
        ),
        at_once=lambda w, threads: (
            max(1, threads // EXPERIMENT.problems[RETRAINED["problem"]].threads)
            if RETRAINED
            else 1
        ),
    shell:
        "printf '%s\\n' {params.optimizers} | xargs -P {params.at_once} -I OPTIMIZER"
        " python -m thalweg.certificate.retrain --experiment {params.experiment:q} --problem {params.problem}"
        " --optimizer OPTIMIZER {params.of_these} --results {params.results} --store {params.store}"
        + TO_LOG
