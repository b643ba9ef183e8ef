# Tuning runs, the learning rates that they choose, and the evaluation runs at those rates: one job each for a problem
# and an optimizer. Finished runs lie in the store, which is no rule's output, so that no rerun can lose them.
#
# `checked` holds back all training until the whole experiment has passed its checks. It is `ancient`: a job trains
# again when its own parts change, and not because another optimizer was checked.

TRAINING = job_digest("thalweg.training.job")


rule tune:
    input:
        check=rules.check_problem.output,
        checked=ancient(rules.check.output),
    output:
        multiext(
            f"{RESULTS}/runs/tuning/{{problem}}/{{optimizer}}/",
            runs="runs.parquet",
            histories="histories.parquet",
            measured="measured.parquet",
        ),
    log:
        f"{RESULTS}/logs/tuning/{{problem}}/{{optimizer}}.log",
    threads: lambda w: EXPERIMENT.problems[w.problem].threads
    params:
        made_from=lambda w: digest(
            [
                TRAINING,
                PARTS["problems"][w.problem],
                PARTS["optimizers"][w.optimizer],
                PARTS["schedules"],
                PARTS["seeds"]["tuning"],
                PARTS["software"],
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.training.job tuning --experiment {EXPERIMENT_FILE:q} --results {RESULTS}"
        " --store {STORE} --problem {wildcards.problem} --optimizer {wildcards.optimizer}"
        " --workers {workflow.cores} 2> {log:q}"


rule choose:
    input:
        runs=rules.tune.output.runs,
        histories=rules.tune.output.histories,
    output:
        f"{RESULTS}/chosen/{{problem}}/{{optimizer}}.json",
    log:
        f"{RESULTS}/logs/choose/{{problem}}/{{optimizer}}.log",
    params:
        made_from=lambda w: digest(
            [
                job_digest("thalweg.analysis.choose"),
                PARTS["optimizers"][w.optimizer],
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.analysis.choose --experiment {EXPERIMENT_FILE:q} --runs {input.runs:q}"
        " --histories {input.histories:q} --output {output:q} 2> {log:q}"


rule evaluate:
    input:
        check=rules.check_problem.output,
        checked=ancient(rules.check.output),
        chosen=rules.choose.output,
    output:
        multiext(
            f"{RESULTS}/runs/evaluation/{{problem}}/{{optimizer}}/",
            runs="runs.parquet",
            histories="histories.parquet",
            measured="measured.parquet",
        ),
    log:
        f"{RESULTS}/logs/evaluation/{{problem}}/{{optimizer}}.log",
    threads: lambda w: EXPERIMENT.problems[w.problem].threads
    params:
        made_from=lambda w: digest(
            [
                TRAINING,
                PARTS["problems"][w.problem],
                PARTS["optimizers"][w.optimizer],
                PARTS["schedules"],
                PARTS["seeds"]["evaluation"],
                PARTS["reproductions"],
                PARTS["software"],
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.training.job evaluation --experiment {EXPERIMENT_FILE:q} --results {RESULTS}"
        " --store {STORE} --problem {wildcards.problem} --optimizer {wildcards.optimizer}"
        " --chosen {input.chosen:q} --workers {workflow.cores} 2> {log:q}"


EVALUATED = expand(
    rules.evaluate.output, problem=EXPERIMENT.problems, optimizer=EXPERIMENT.optimizers
)
TUNED = expand(
    rules.tune.output, problem=EXPERIMENT.problems, optimizer=EXPERIMENT.optimizers
)
