# Tables, figures and pages: nothing here trains, or knows TensorFlow.

from thalweg.analysis import MEASURED, OF_THE_CLOCK, TABLES
from thalweg.certificate import published as certificate
from thalweg.reporting import FILES, PAGES, PROVENANCE, SUMMARY

# All that training leaves. A report of what is there cannot name it as inputs, for what is not there would be made.
TRAINED = (
    []
    if INCOMPLETE
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
        *expand(rules.surface.output, problem=OF_TWO_WEIGHTS),
        *expand(rules.time.output, problem=PARTS["timing"]),
    ]
)
WHAT_IS_THERE = [
    launch.folder_digest(Path(RESULTS) / part)
    for part in ("checks", "runs", "surfaces", "timings")
    if INCOMPLETE
]

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
        record=record("tables"),
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
                WHAT_IS_THERE,
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.analysis.tables --experiment {input.experiment:q} --results {params.results}"
        " --output {params.results}/tables"
        f"{RECORDED}"


for problem, files in FIGURES.items():

    rule:
        name:
            f"figures_{problem}" if problem else "figures"
        input:
            rules.tables.output,
            experiment=ancient(EXPERIMENT_FILE),
        output:
            [
                shown_by_snakemake(file, "figure") if file.endswith(".svg") else file
                for file in files
            ],
            record=record(f"figures/{problem}" if problem else "figures"),
        log:
            f"{RESULTS}/logs/figures/{problem}.log"
            if problem
            else f"{RESULTS}/logs/figures.log",
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
            problem=f"--problem {problem}" if problem else "",
            results=lambda w: RESULTS,
        shell:
            "python -m thalweg.reporting.figures {params.problem} --experiment {input.experiment:q}"
            " --tables {params.results}/tables --output {params.results}/report/figures"
            + RECORDED


# What pages show of the experiment: all of it.
SHOWN = {name: part for name, part in PARTS.items() if name != "software"}


# Beside the figures, which these pages do not need.
rule cells:
    input:
        rules.tables.output,
        TRAINED,
        experiment=ancient(EXPERIMENT_FILE),
    output:
        # One folder and not its pages: a thousand files would slow every launch, and those of old cells would stay.
        directory(f"{RESULTS}/report/cells"),
        record=record("cells"),
    log:
        f"{RESULTS}/logs/cells.log",
    conda:
        "../../environment.yml"
    params:
        made_from=digest(
            [
                job_digest("thalweg.reporting.html.cells"),
                launch.folder_digest(HERE / "reports"),
                SHOWN,
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.reporting.html.cells --experiment {input.experiment:q} --results {params.results}"
        " --output {params.results}/report"
        f"{RECORDED}"


rule report:
    input:
        rules.tables.output,
        FIGURES.values(),
        rules.cells.output,
        TRAINED,
        HERE / "CITATION.cff",
        HERE / "Snakefile",
        [file for file in [certificate.file_of(EXPERIMENT)] if file.is_file()],
        experiment=ancient(EXPERIMENT_FILE),
    output:
        expand(f"{RESULTS}/report/{{page}}.html", page=PAGES),
        expand(
            f"{RESULTS}/report/problems/{{problem}}.html",
            problem=EXPERIMENT.problems,
        ),
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
        record=record("report"),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        made_from=digest(
            [
                job_digest("thalweg.reporting.html.pages"),
                launch.folder_digest(HERE / "reports"),
                launch.folder_digest(HERE / "workflow"),
                SHOWN,
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.reporting.html.pages --experiment {input.experiment:q} --results {params.results}"
        " --output {params.results}/report"
        f"{RECORDED}"
