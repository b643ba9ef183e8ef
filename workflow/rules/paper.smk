# `snakemake --cores N paper` writes results/NAME/paper/: figures at the width of a paper's column, tables, numbers and a
# skeleton of an article, as the experiment's section `paper` says.

import shutil

from thalweg.reporting import paper

PAPER_FIGURES = paper.chosen_figures(EXPERIMENT)
AS_PGF = EXPERIMENT.paper.pgf and bool(shutil.which("xelatex"))
if EXPERIMENT.paper.pgf and not AS_PGF and workflow.is_main_process:
    print("There is no xelatex, so figures are not written as PGF.", file=sys.stderr)


FORMS = ["pdf", "png", "csv", "json", *(["pgf"] if AS_PGF else [])]
PAPER_FILES = {
    shown: [
        layout.paper_file(RESULTS, f"figures/{shown.place}.{form}") for form in FORMS
    ]
    for shown in PAPER_FIGURES
}


# A rule for each figure, which depends on the four numbers of its own style.
for shown, style in PAPER_FIGURES.items():

    rule:
        name:
            shown.rule
        input:
            rules.tables.output,
            experiment=ancient(EXPERIMENT_FILE),
        output:
            PAPER_FILES[shown],
            record=layout.record_file(RESULTS, f"paper/{shown.place}"),
        log:
            layout.log_file(RESULTS, f"paper/{shown.place}"),
        conda:
            "../../environment.yml"
        params:
            fingerprint=fingerprints.of_job(
                "thalweg.reporting.paper.figure",
                FIGURE_SOURCES,
                fingerprints.of_folder(HERE / "reports/figures"),
                CONFIGURATION.paper_styles[style].model_dump(),
                FINGERPRINTS["optimizers"],
                FINGERPRINTS["schedules"],
            ),
            place=shown.place,
            pgf="--pgf" if AS_PGF else "",
            tables=lambda w: str(layout.tables_folder(RESULTS)),
            figures=lambda w: str(layout.paper_file(RESULTS, "figures")),
        shell:
            "python -m thalweg.reporting.paper.figure {params.place} --experiment {input.experiment:q}"
            " --tables {params.tables} {params.pgf} --output {params.figures}"
            f"{LOG_AND_RECORD}"


rule paper:
    input:
        rules.tables.output,
        PAPER_FILES.values(),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        [layout.paper_file(RESULTS, text) for text in paper.TEXTS],
        [
            layout.paper_file(RESULTS, f"figures/{shown.place}.tex")
            for shown in PAPER_FIGURES
        ],
        [
            layout.paper_file(RESULTS, f"tables/{shown.place}.tex")
            for shown in paper.chosen_tables(EXPERIMENT)
        ],
        record=layout.record_file(RESULTS, "paper"),
    log:
        layout.log_file(RESULTS, "paper"),
    conda:
        "../../environment.yml"
    params:
        fingerprint=fingerprints.of_job(
            "thalweg.reporting.paper.text",
            fingerprints.of_folder(HERE / "reports/paper"),
            fingerprints.of_folder(HERE / "reports/figures"),
            PAGE_FINGERPRINTS,
        ),
        tables=lambda w: str(layout.tables_folder(RESULTS)),
        paper=lambda w: str(layout.paper_folder(RESULTS)),
    shell:
        "python -m thalweg.reporting.paper.text --experiment {input.experiment:q}"
        " --tables {params.tables} --output {params.paper}"
        f"{LOG_AND_RECORD}"
