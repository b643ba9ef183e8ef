# Tables, figures and pages: nothing here trains, or knows TensorFlow.

from thalweg.analysis import TABLE_FILES, TABLE_MODULES
from thalweg.certificate.published import published_path
from thalweg.reporting import FILES, PAGES, PROVENANCE, SUMMARY

# All that training leaves. A report of the runs that are there cannot name it as inputs, for the rest would be made.
TRAINED = (
    []
    if CONFIGURATION.incomplete
    else [
        *expand(
            [
                *rules.check.output,
                *rules.check_problem.output,
                *rules.tune.output,
                *rules.choose.output,
                *rules.evaluate.output,
            ],
            problem=EXPERIMENT.problems,
            optimizer=EXPERIMENT.optimizers,
        ),
        *expand(rules.surface.output, problem=PROBLEMS_WITH_SURFACE),
        *expand(rules.time.output, problem=FINGERPRINTS["timing"]),
    ]
)
# Instead, the tables of such a report depend on what those files hold.
FINGERPRINTS_OF_INCOMPLETE = [
    fingerprints.of_folder(folder)
    for folder in layout.table_inputs(RESULTS)
    if CONFIGURATION.incomplete
]

# Tables are found by their place, so that no job imports them by name.
TABLE_SOURCES = [module_digest(module) for module in TABLE_MODULES]

FIGURES = {
    problem: files
    for problem in (None, *EXPERIMENT.problems)
    if (files := figure_files(problem))
}


rule tables:
    input:
        TRAINED,
        experiment=ancient(EXPERIMENT_FILE),
    output:
        [layout.table_file(RESULTS, table, "parquet") for table in TABLE_FILES],
        [
            in_snakemake_report(layout.table_file(RESULTS, table, "csv"), "table")
            for table in (*TABLE_FILES, "dictionary")
        ],
        record=layout.record_file(RESULTS, "tables"),
    log:
        layout.log_file(RESULTS, "tables"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=fingerprints.of_job(
            "thalweg.analysis.tables",
            TABLE_SOURCES,
            FINGERPRINTS["problems"],
            FINGERPRINTS["quantities"],
            FINGERPRINTS["timing"],
            FINGERPRINTS["optimizers"],
            FINGERPRINTS["schedules"],
            FINGERPRINTS["seeds"],
            FINGERPRINTS["reproductions"],
            FINGERPRINTS["claims"],
            FINGERPRINTS_OF_INCOMPLETE,
        ),
        results=lambda w: str(RESULTS),
        tables=lambda w: str(layout.tables_folder(RESULTS)),
    shell:
        "python -m thalweg.analysis.tables --experiment {input.experiment:q} --results {params.results}"
        " --output {params.tables}"
        f"{LOG_AND_RECORD}"


for problem, files in FIGURES.items():

    rule:
        name:
            f"figures_{problem}" if problem else "figures"
        input:
            rules.tables.output,
            experiment=ancient(EXPERIMENT_FILE),
        output:
            [
                in_snakemake_report(file, "figure") if file.endswith(".svg") else file
                for file in files
            ],
            record=layout.record_file(
                RESULTS, f"figures/{problem}" if problem else "figures"
            ),
        log:
            layout.log_file(RESULTS, f"figures/{problem}" if problem else "figures"),
        conda:
            "../../environment.yml"
        params:
            fingerprint=fingerprints.of_job(
                "thalweg.reporting.figures",
                FIGURE_SOURCES,
                fingerprints.of_folder(HERE / "reports/figures"),
                FINGERPRINTS["optimizers"],
                FINGERPRINTS["schedules"],
            ),
            problem=f"--problem {problem}" if problem else "",
            tables=lambda w: str(layout.tables_folder(RESULTS)),
            figures=lambda w: str(layout.figures_folder(RESULTS)),
        shell:
            "python -m thalweg.reporting.figures {params.problem} --experiment {input.experiment:q}"
            " --tables {params.tables} --output {params.figures}"
            f"{LOG_AND_RECORD}"


# Pages show all of the experiment.
PAGE_FINGERPRINTS = {
    section: fingerprint
    for section, fingerprint in FINGERPRINTS.items()
    if section != "software"
}


# Beside the figures, which these pages do not need.
rule cells:
    input:
        rules.tables.output,
        TRAINED,
        experiment=ancient(EXPERIMENT_FILE),
    output:
        # One folder and not its pages: a thousand files would slow every launch, and those of old cells would stay.
        directory(layout.report_file(RESULTS, "cells")),
        record=layout.record_file(RESULTS, "cells"),
    log:
        layout.log_file(RESULTS, "cells"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=fingerprints.of_job(
            "thalweg.reporting.html.cells",
            fingerprints.of_folder(HERE / "reports"),
            PAGE_FINGERPRINTS,
        ),
        results=lambda w: str(RESULTS),
        report=lambda w: str(layout.report_folder(RESULTS)),
    shell:
        "python -m thalweg.reporting.html.cells --experiment {input.experiment:q} --results {params.results}"
        " --output {params.report}"
        f"{LOG_AND_RECORD}"


rule report:
    input:
        rules.tables.output,
        FIGURES.values(),
        rules.cells.output,
        TRAINED,
        HERE / "CITATION.cff",
        HERE / "Snakefile",
        [file for file in [published_path(EXPERIMENT)] if file.is_file()],
        experiment=ancient(EXPERIMENT_FILE),
    output:
        [
            layout.report_file(RESULTS, name)
            for name in (
                *(f"{page}.html" for page in PAGES),
                *(f"problems/{problem}.html" for problem in EXPERIMENT.problems),
                *(f"tables/{table}.csv" for table in (*TABLE_FILES, "dictionary")),
                *FILES,
                SUMMARY,
                *PROVENANCE,
            )
        ],
        directory(layout.report_file(RESULTS, "source")),
        record=layout.record_file(RESULTS, "report"),
    log:
        layout.log_file(RESULTS, "report"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=fingerprints.of_job(
            "thalweg.reporting.html.pages",
            fingerprints.of_folder(HERE / "reports"),
            fingerprints.of_folder(HERE / "workflow"),
            PAGE_FINGERPRINTS,
        ),
        results=lambda w: str(RESULTS),
        report=lambda w: str(layout.report_folder(RESULTS)),
    shell:
        "python -m thalweg.reporting.html.pages --experiment {input.experiment:q} --results {params.results}"
        " --output {params.report}"
        f"{LOG_AND_RECORD}"
