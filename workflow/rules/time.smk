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
        f"{RESULTS}/timings/{{problem}}.parquet",
        record=record("timings/{problem}"),
    log:
        f"{RESULTS}/logs/timings/{{problem}}.log",
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1
    params:
        made_from=lambda w: digest(
            [
                job_digest("thalweg.training.jobs.timing"),
                PARTS["problems"][w.problem],
                PARTS["optimizers"],
                PARTS["software"],
            ]
        ),
        results=lambda w: RESULTS,
        store=lambda w: STORE,
    shell:
        "python -m thalweg.training.jobs.timing --experiment {input.experiment:q} --problem {wildcards.problem}"
        " --results {params.results} --store {params.store}"
        f"{RECORDED}"
