# The optimizers of a problem timed in turn, in one process, where the experiment asks for it. Such a job takes all cores,
# so that nothing else of the launch runs beside it, and comes after the problem's training.


rule time:
    input:
        expand(rules.choose.output, optimizer=EXPERIMENT.optimizers, allow_missing=True),
        expand(
            rules.evaluate.output.runs,
            optimizer=EXPERIMENT.optimizers,
            allow_missing=True,
        ),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        layout.timings_file(RESULTS, "{problem}"),
        record=layout.record_file(RESULTS, "timings/{problem}"),
    log:
        layout.log_file(RESULTS, "timings/{problem}"),
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1
    params:
        fingerprint=lambda w: fingerprints.of_job(
            "thalweg.training.jobs.timing",
            FINGERPRINTS["problems"][w.problem],
            FINGERPRINTS["optimizers"],
            FINGERPRINTS["software"],
        ),
        results=lambda w: str(RESULTS),
        store=lambda w: str(STORE),
    shell:
        "python -m thalweg.training.jobs.timing --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --results {params.results} --store {params.store}"
        f"{LOG_AND_RECORD}"
