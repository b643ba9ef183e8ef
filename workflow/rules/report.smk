# Tables, figures and pages: nothing here trains, or knows TensorFlow.

from thalweg.analysis import TABLES
from thalweg.reporting.figures import NAMES as FIGURES


rule tables:
    input:
        EVALUATED,
        TUNED,
        expand(rules.check_problem.output, problem=EXPERIMENT.problems),
    output:
        expand(
            f"{RESULTS}/tables/{{table}}.{{form}}",
            table=TABLES,
            form=["parquet", "csv"],
        ),
        expand(f"{RESULTS}/tables/measured/seconds.{{form}}", form=["parquet", "csv"]),
        f"{RESULTS}/tables/dictionary.csv",
    log:
        f"{RESULTS}/logs/tables.log",
    params:
        made_from=digest(
            [
                job_digest("thalweg.analysis.tables"),
                *(
                    PARTS[section]
                    for section in ("problems", "optimizers", "schedules")
                ),
                PARTS["seeds"],
                PARTS["reproductions"],
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.analysis.tables --experiment {EXPERIMENT_FILE:q} --results {RESULTS}"
        " --output {RESULTS}/tables 2> {log:q}"


rule figure:
    input:
        rules.tables.output,
    output:
        expand(
            f"{RESULTS}/report/figures/{{{{figure}}}}_{{problem}}.{{form}}",
            problem=EXPERIMENT.problems,
            form=["svg", "pdf", "csv", "json"],
        ),
    log:
        f"{RESULTS}/logs/figures/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(FIGURES),
    params:
        made_from=lambda w: digest(
            [
                job_digest("thalweg.reporting.figures"),
                PARTS["optimizers"],
                PARTS["schedules"],
                templates("alt"),
            ]
        ),
    shell:
        "{PYTHON:q} -m thalweg.reporting.figures {wildcards.figure} --experiment {EXPERIMENT_FILE:q}"
        " --tables {RESULTS}/tables --output {RESULTS}/report/figures 2> {log:q}"
