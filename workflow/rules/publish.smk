# `snakemake --cores 1 publish` writes what the results come to into experiments/NAME.published.json, to be committed;
# `snakemake --cores N verify --config sample=5%` trains that much of it again from nothing, and compares.

import shlex


# Without input it publishes what is there, and trains nothing.
rule publish:
    log:
        layout.log_file(RESULTS, "publish"),
    conda:
        "../../environment.yml"
    params:
        experiment=EXPERIMENT_FILE,
        results=str(RESULTS),
    shell:
        "python -m thalweg.certificate.publish --experiment {params.experiment:q} --results {params.results}"
        f"{LOG_STDERR}"


# One job, for the reasons of `retrain`. What it trains lies in a folder of its own, which goes when the job ends. The
# page of an earlier one goes first, since it would be taken for the page of one that fails.
rule verify:
    log:
        layout.log_file(RESULTS, "verify"),
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1
    params:
        problems=sorted({problem for problem, _ in CONFIGURATION.sampled_pairs}),
        pairs=[" ".join(pair) for pair in CONFIGURATION.sampled_pairs],
        sample=f"--experiment {shlex.quote(EXPERIMENT_FILE)}"
        f" --share '{CONFIGURATION.sample}' --seed {CONFIGURATION.seed}",
        experiment=EXPERIMENT_FILE,
        locks=str(layout.gpu_locks_folder(STORE)),
        output=str(layout.verification_folder(RESULTS)),
        processes=lambda w, threads: max(
            1, threads // max(grid.threads for grid in EXPERIMENT.problems.values())
        ),
    shell:
        "rm -rf {params.output:q}; again=$(mktemp -d); trap 'rm -rf $again' EXIT;"
        " (printf '%s\\n' {params.problems:q} | xargs -r -P {params.processes} -I PROBLEM"
        " python -m thalweg.training.jobs.check --experiment {params.experiment:q} --problem PROBLEM --results $again"
        " && printf '%s\\n' {params.pairs:q} | xargs -r -P {params.processes} -L 1"
        " python -m thalweg.certificate.train_sample {params.sample} --results $again --locks {params.locks})"
        f"{LOG_STDERR}"
        " && python -m thalweg.certificate.verify {params.sample} --results $again --output {params.output}"
