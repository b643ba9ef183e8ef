# Mistakes that only Keras can find stop here, before anything trains.


rule check_problem:
    input:
        experiment=ancient(EXPERIMENT_FILE),
    output:
        layout.check_file(RESULTS, "{problem}"),
        record=layout.record_file(RESULTS, "check/{problem}"),
    log:
        layout.log_file(RESULTS, "check/{problem}"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=lambda w: fingerprints.of_job(
            "thalweg.training.jobs.check",
            FINGERPRINTS["problems"][w.problem],
            FINGERPRINTS["quantities"][w.problem],
            FINGERPRINTS["reproductions"],
            FINGERPRINTS["environment"],
            FINGERPRINTS["software"],
        ),
        results=lambda w: str(RESULTS),
    shell:
        "python -m thalweg.training.jobs.check --experiment {input.experiment:q}"
        " --problem {wildcards.problem} --results {params.results}"
        f"{LOG_AND_RECORD}"


rule check:
    input:
        expand(rules.check_problem.output, problem=EXPERIMENT.problems),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        layout.checked_file(RESULTS),
        record=layout.record_file(RESULTS, "check"),
    log:
        layout.log_file(RESULTS, "check"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=fingerprints.of_job(
            "thalweg.training.jobs.check",
            FINGERPRINTS["optimizers"],
            FINGERPRINTS["schedules"],
            FINGERPRINTS["software"],
        ),
        results=lambda w: str(RESULTS),
    shell:
        "python -m thalweg.training.jobs.check --experiment {input.experiment:q} --results {params.results}"
        f"{LOG_AND_RECORD}"
