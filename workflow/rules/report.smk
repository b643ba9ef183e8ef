# Tables, figures and pages: nothing here trains, or knows TensorFlow.

from thalweg.analysis import MEASURED, OF_THE_CLOCK, TABLES
from thalweg.reporting import FILES, PAGES, PROVENANCE, SUMMARY
from thalweg.reporting.figures import NAMES

FIGURES = {figure: files for figure in NAMES if (files := figure_files(figure))}


rule tables:
    input:
        expand(
            [*rules.tune.output, *rules.evaluate.output],
            problem=EXPERIMENT.problems,
            optimizer=EXPERIMENT.optimizers,
        ),
        expand(rules.check_problem.output, problem=EXPERIMENT.problems),
        expand(rules.surface.output, problem=OF_TWO_WEIGHTS),
        expand(rules.time.output, problem=PARTS["timing"]),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        expand(
            f"{RESULTS}/tables/{{table}}.parquet",
            table=[*TABLES, *(f"{MEASURED}/{name}" for name in OF_THE_CLOCK)],
        ),
        [
            shown_by_snakemake(f"{RESULTS}/tables/{table}.csv", "table")
            for table in (
                *TABLES,
                *(f"{MEASURED}/{name}" for name in OF_THE_CLOCK),
                "dictionary",
            )
        ],
    log:
        f"{RESULTS}/logs/tables.log",
    conda:
        "../../environment.yml"
    params:
        made_from=digest(
            [
                job_digest("thalweg.analysis.tables"),
                PARTS["problems"],
                PARTS["timing"],
                PARTS["optimizers"],
                PARTS["schedules"],
                PARTS["seeds"],
                PARTS["reproductions"],
                PARTS["claims"],
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.analysis.tables --experiment {input.experiment:q} --results {params.results}"
        " --output {params.results}/tables"
        f"{TO_LOG}"


for figure, files in FIGURES.items():

    rule:
        name:
            f"figure_{figure}"
        input:
            rules.tables.output,
            experiment=ancient(EXPERIMENT_FILE),
        output:
            [
                shown_by_snakemake(file, "figure") if file.endswith(".svg") else file
                for file in files
            ],
        log:
            f"{RESULTS}/logs/figures/{figure}.log",
        conda:
            "../../environment.yml"
        params:
            made_from=digest(
                [
                    job_digest("thalweg.reporting.figures"),
                    launch.folder_digest(HERE / "reports/alt"),
                    PARTS["optimizers"],
                    PARTS["schedules"],
                ]
            ),
            figure=figure,
            results=lambda w: RESULTS,
        shell:
            "python -m thalweg.reporting.figures {params.figure} --experiment {input.experiment:q}"
            " --tables {params.results}/tables --output {params.results}/report/figures"
            + TO_LOG


rule report:
    input:
        rules.tables.output,
        FIGURES.values(),
        expand(rules.check_problem.output, problem=EXPERIMENT.problems),
        HERE / "CITATION.cff",
        HERE / "Snakefile",
        experiment=ancient(EXPERIMENT_FILE),
    output:
        expand(f"{RESULTS}/report/{{page}}.html", page=PAGES),
        expand(
            f"{RESULTS}/report/problems/{{problem}}.html",
            problem=EXPERIMENT.problems,
        ),
        # One folder and not its pages: a thousand files would slow every launch, and those of old cells would stay.
        directory(f"{RESULTS}/report/cells"),
        directory(f"{RESULTS}/report/source"),
        expand(f"{RESULTS}/report/{{file}}", file=[*FILES, SUMMARY, *PROVENANCE]),
        expand(
            f"{RESULTS}/report/tables/{{table}}.csv",
            table=[
                *TABLES,
                *(f"{MEASURED}/{name}" for name in OF_THE_CLOCK),
                "dictionary",
            ],
        ),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        made_from=digest(
            [
                job_digest("thalweg.reporting.pages"),
                launch.folder_digest(HERE / "reports"),
                launch.folder_digest(HERE / "workflow"),
                {name: part for name, part in PARTS.items() if name != "software"},
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.reporting.pages --experiment {input.experiment:q} --results {params.results}"
        " --output {params.results}/report"
        f"{TO_LOG}"
