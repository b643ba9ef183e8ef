# Tuning runs, the learning rates that they choose, and the evaluation runs at those rates: one job each for a problem
# and an optimizer. Finished runs lie in the store, which is no rule's output, so that no rerun can lose them.
#
# `checked` holds back all training until the whole experiment has passed its checks. A new optimizer is a new check, and
# so all jobs start again: those that miss nothing leave within a second. (As `ancient` input, `checked` would spare them
# that, but Snakemake 9.27 then overlooks every other change below a check that runs.)
#
# The experiment file is `ancient`: of that, a job's parts are in its digest.


rule tune:
    input:
        experiment=ancient(EXPERIMENT_FILE),
        checked=rules.check.output,
        problem=rules.check_problem.output,
    output:
        **shard_files("tuning"),
        record=layout.record_file(RESULTS, "tuning/{problem}/{optimizer}"),
    log:
        layout.log_file(RESULTS, "tuning/{problem}/{optimizer}"),
    conda:
        "../../environment.yml"
    threads: lambda w: EXPERIMENT.problems[w.problem].threads
    params:
        fingerprint=lambda w: training_fingerprint(w, FINGERPRINTS["seeds"]["tuning"]),
        results=lambda w: str(RESULTS),
        store=lambda w: str(STORE),
    shell:
        "python -m thalweg.training.jobs.train tuning --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --optimizer {wildcards.optimizer} --results {params.results} --store {params.store}"
        f"{LOG_AND_RECORD}"


rule choose:
    input:
        experiment=ancient(EXPERIMENT_FILE),
        runs=rules.tune.output.runs,
        histories=rules.tune.output.histories,
    output:
        chosen=layout.chosen_file(RESULTS, "{problem}", "{optimizer}"),
        record=layout.record_file(RESULTS, "choose/{problem}/{optimizer}"),
    log:
        layout.log_file(RESULTS, "choose/{problem}/{optimizer}"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=lambda w: fingerprints.of_job(
            "thalweg.analysis.choose", FINGERPRINTS["optimizers"][w.optimizer]
        ),
    shell:
        "python -m thalweg.analysis.choose --experiment {input.experiment:q} --runs {input.runs:q}"
        " --histories {input.histories:q} --output {output.chosen:q}"
        f"{LOG_AND_RECORD}"


rule evaluate:
    input:
        experiment=ancient(EXPERIMENT_FILE),
        checked=rules.check.output,
        problem=rules.check_problem.output,
        chosen=rules.choose.output.chosen,
    output:
        **shard_files("evaluation"),
        record=layout.record_file(RESULTS, "evaluation/{problem}/{optimizer}"),
    log:
        layout.log_file(RESULTS, "evaluation/{problem}/{optimizer}"),
    conda:
        "../../environment.yml"
    threads: lambda w: EXPERIMENT.problems[w.problem].threads
    params:
        fingerprint=lambda w: training_fingerprint(
            w, FINGERPRINTS["seeds"]["evaluation"], FINGERPRINTS["reproductions"]
        ),
        results=lambda w: str(RESULTS),
        store=lambda w: str(STORE),
    shell:
        "python -m thalweg.training.jobs.train evaluation --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --optimizer {wildcards.optimizer} --chosen {input.chosen:q} --results {params.results}"
        " --store {params.store}"
        f"{LOG_AND_RECORD}"


# Of problems that record their weights.
rule surface:
    input:
        expand(
            rules.evaluate.output,
            optimizer=EXPERIMENT.optimizers,
            allow_missing=True,
        ),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        layout.surface_file(RESULTS, "{problem}"),
        record=layout.record_file(RESULTS, "surfaces/{problem}"),
    log:
        layout.log_file(RESULTS, "surfaces/{problem}"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=lambda w: fingerprints.of_job(
            "thalweg.training.jobs.surface",
            FINGERPRINTS["problems"][w.problem],
            FINGERPRINTS["software"],
        ),
        results=lambda w: str(RESULTS),
    shell:
        "python -m thalweg.training.jobs.surface --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --results {params.results}"
        f"{LOG_AND_RECORD}"
