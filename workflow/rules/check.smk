# Mistakes that only Keras can find stop here, before anything trains.


rule check_problem:
    output:
        f"{RESULTS}/checks/{{problem}}.json",
    log:
        f"{RESULTS}/logs/check/{{problem}}.log",
    params:
        made_from=lambda w: digest(
            [
                job_digest("thalweg.training.check"),
                PARTS["problems"][w.problem],
                PARTS["software"],
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.training.check --experiment {EXPERIMENT_FILE:q} --results {RESULTS}"
        " --problem {wildcards.problem} 2> {log:q}"


rule check:
    input:
        expand(rules.check_problem.output, problem=EXPERIMENT.problems),
    output:
        f"{RESULTS}/checked.json",
    log:
        f"{RESULTS}/logs/check.log",
    params:
        made_from=digest(
            [
                job_digest("thalweg.training.check"),
                PARTS["optimizers"],
                PARTS["schedules"],
                PARTS["software"],
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.training.check --experiment {EXPERIMENT_FILE:q} --results {RESULTS} 2> {log:q}"
