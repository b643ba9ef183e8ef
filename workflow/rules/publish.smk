# `snakemake --cores 1 publish` writes what the results come to into experiments/NAME.published.json, to be committed;
# `snakemake --cores N verify --config sample=5%` trains that much of it again from nothing, and compares.

import shlex

from thalweg.certificate import published as certificate

SAMPLED = ", ".join(name for name in ("sample", "seed") if name in config)
SAMPLE, SEED = str(config.get("sample", "100%")), config.get("seed", 1)
try:
    SHARE = certificate.share_of(SAMPLE)
    if type(SEED) is not int:
        raise ExperimentError(f"seed={SEED}: must be a whole number")
except ExperimentError as error:
    sys.exit(str(error))
try:
    PUBLISHED, UNPUBLISHED = certificate.read(EXPERIMENT), ""
except ExperimentError as error:
    PUBLISHED, UNPUBLISHED = {}, str(error)


# None where the experiment is another one by its file alone.
DRAWN = (
    certificate.pairs(PUBLISHED, SHARE, SEED)
    if PUBLISHED and not certificate.changed(PUBLISHED, EXPERIMENT)
    else []
)


# Without input it publishes what is there, and trains nothing.
rule publish:
    log:
        f"{RESULTS}/logs/publish.log",
    conda:
        "../../environment.yml"
    params:
        experiment=EXPERIMENT_FILE,
        results=RESULTS,
    shell:
        "python -m thalweg.certificate.publish --experiment {params.experiment:q} --results {params.results}"
        + TO_LOG


# One job, for the reasons of `retrain`. What it trains lies in a folder of its own, which goes when the job ends. The
# page of an earlier one goes first, since it would be taken for the page of one that fails.
rule verify:
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1
    params:
        problems=sorted({problem for problem, _ in DRAWN}),
        pairs=[" ".join(pair) for pair in DRAWN],
        sample=f"--experiment {shlex.quote(EXPERIMENT_FILE)} --share '{SAMPLE}' --seed {SEED}",
        experiment=EXPERIMENT_FILE,
        locks=f"{STORE}/locks",
        output=f"{RESULTS}/verification",
        at_once=lambda w, threads: max(
            1, threads // max(grid.threads for grid in EXPERIMENT.problems.values())
        ),
    shell:
        "rm -rf {params.output:q}; again=$(mktemp -d); trap 'rm -rf $again' EXIT;"
        " (printf '%s\\n' {params.problems:q} | xargs -r -P {params.at_once} -I PROBLEM"
        " python -m thalweg.training.jobs.check --experiment {params.experiment:q} --problem PROBLEM --results $again"
        " && printf '%s\\n' {params.pairs:q} | xargs -r -P {params.at_once} -L 1"
        " python -m thalweg.certificate.train_sample {params.sample} --results $again --locks {params.locks})"
        f"{TO_LOG}"
        " && python -m thalweg.certificate.verify {params.sample} --results $again --output {params.output}"
