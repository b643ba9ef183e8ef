# Mistakes that only Keras can find stop here, before anything trains.


rule check_problem:
    input:
        experiment=ancient(EXPERIMENT_FILE),
    output:
        f"{RESULTS}/checks/{{problem}}.json",
        record=record("check/{problem}"),
    log:
        f"{RESULTS}/logs/check/{{problem}}.log",
    conda:
        "../../environment.yml"
    params:
        made_from=lambda w: digest(
            [
                job_digest("thalweg.training.jobs.check"),
                PARTS["problems"][w.problem],
                PARTS["reproductions"],
                PARTS["surroundings"],
                PARTS["software"],
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.training.jobs.check --experiment {input.experiment:q}"
        " --problem {wildcards.problem} --results {params.results}"
        f"{RECORDED}"


rule check:
    input:
        expand(rules.check_problem.output, problem=EXPERIMENT.problems),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        f"{RESULTS}/checked.json",
        record=record("check"),
    log:
        f"{RESULTS}/logs/check.log",
    conda:
        "../../environment.yml"
    params:
        made_from=digest(
            [
                job_digest("thalweg.training.jobs.check"),
                PARTS["optimizers"],
                PARTS["schedules"],
                PARTS["software"],
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.training.jobs.check --experiment {input.experiment:q} --results {params.results}"
        + RECORDED
