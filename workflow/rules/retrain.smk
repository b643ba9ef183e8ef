# `snakemake --cores N retrain --config cell=PROBLEM/OPTIMIZER/SCHEDULE/BATCH_SIZE` trains a cell's evaluation runs again
# from nothing and compares them with those that the results hold.

CELL = CONFIGURATION.cell


# It has no output, so that it runs whenever it is asked for, and no input, so that it compares with results as they are
# and never with such as it had made first. One job starts a process for each optimizer, as many at once as there are
# cores: jobs of their own would need outputs, which Snakemake deletes where a job fails.
rule retrain:
    log:
        layout.log_file(RESULTS, "retrain"),
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1
    params:
        experiment=EXPERIMENT_FILE,
        results=str(RESULTS),
        store=str(STORE),
        problem=CELL.get("problem"),
        optimizers=(
            [CELL["optimizer"]] if "optimizer" in CELL else list(EXPERIMENT.optimizers)
        ),
        options=" ".join(
            f"--{axis.replace('_', '-')} {CELL[axis]}"
            for axis in ("schedule", "batch_size")
            if axis in CELL
        ),
        processes=lambda w, threads: (
            max(1, threads // EXPERIMENT.problems[CELL["problem"]].threads)
            if CELL
            else 1
        ),
    shell:
        "printf '%s\\n' {params.optimizers} | xargs -P {params.processes} -I OPTIMIZER"
        " python -m thalweg.certificate.retrain --experiment {params.experiment:q} --problem {params.problem}"
        " --optimizer OPTIMIZER {params.options} --results {params.results} --store {params.store}"
        f"{LOG_STDERR}"
