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
        **shard("tuning"),
        record=record("tuning/{problem}/{optimizer}"),
    log:
        f"{RESULTS}/logs/tuning/{{problem}}/{{optimizer}}.log",
    conda:
        "../../environment.yml"
    threads: lambda w: EXPERIMENT.problems[w.problem].threads
    params:
        made_from=lambda w: trained_from(w, PARTS["seeds"]["tuning"]),
        results=lambda w: RESULTS,
        store=lambda w: STORE,
    shell:
        "python -m thalweg.training.jobs.train tuning --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --optimizer {wildcards.optimizer} --results {params.results} --store {params.store}"
        + RECORDED


rule choose:
    input:
        experiment=ancient(EXPERIMENT_FILE),
        runs=rules.tune.output.runs,
        histories=rules.tune.output.histories,
    output:
        chosen=f"{RESULTS}/chosen/{{problem}}/{{optimizer}}.json",
        record=record("choose/{problem}/{optimizer}"),
    log:
        f"{RESULTS}/logs/choose/{{problem}}/{{optimizer}}.log",
    conda:
        "../../environment.yml"
    params:
        made_from=lambda w: digest(
            [job_digest("thalweg.analysis.choose"), PARTS["optimizers"][w.optimizer]]
        ),
    shell:
        "python -m thalweg.analysis.choose --experiment {input.experiment:q} --runs {input.runs:q}"
        " --histories {input.histories:q} --output {output.chosen:q}"
        f"{RECORDED}"


rule evaluate:
    input:
        experiment=ancient(EXPERIMENT_FILE),
        checked=rules.check.output,
        problem=rules.check_problem.output,
        chosen=rules.choose.output.chosen,
    output:
        **shard("evaluation"),
        record=record("evaluation/{problem}/{optimizer}"),
    log:
        f"{RESULTS}/logs/evaluation/{{problem}}/{{optimizer}}.log",
    conda:
        "../../environment.yml"
    threads: lambda w: EXPERIMENT.problems[w.problem].threads
    params:
        made_from=lambda w: trained_from(
            w, PARTS["seeds"]["evaluation"], PARTS["reproductions"]
        ),
        results=lambda w: RESULTS,
        store=lambda w: STORE,
    shell:
        "python -m thalweg.training.jobs.train evaluation --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --optimizer {wildcards.optimizer} --chosen {input.chosen:q} --results {params.results}"
        " --store {params.store}"
        f"{RECORDED}"


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
        f"{RESULTS}/surfaces/{{problem}}.parquet",
        record=record("surfaces/{problem}"),
    log:
        f"{RESULTS}/logs/surfaces/{{problem}}.log",
    conda:
        "../../environment.yml"
    params:
        made_from=lambda w: digest(
            [
                job_digest("thalweg.training.jobs.surface"),
                PARTS["problems"][w.problem],
                PARTS["software"],
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.training.jobs.surface --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --results {params.results}"
        f"{RECORDED}"
