# `snakemake --cores N paper` writes results/NAME/paper/: figures at the width of a paper's column, tables, numbers and a
# skeleton of an article, as the experiment's section `paper` says.

import shutil

from thalweg.reporting import paper, sizes

try:
    STYLES = sizes.styles()
    # Who has not written the section is told of its mistakes only when a paper is asked for.
    if "paper" in EXPERIMENT.model_fields_set:
        paper.check(EXPERIMENT)
except ExperimentError as error:
    sys.exit(str(error))

PAPER_FIGURES = paper.chosen_figures(EXPERIMENT)
AS_PGF = EXPERIMENT.paper.pgf and bool(shutil.which("xelatex"))
if EXPERIMENT.paper.pgf and not AS_PGF and workflow.is_main_process:
    print("There is no xelatex, so figures are not written as PGF.", file=sys.stderr)


FORMS = ["pdf", "png", "csv", "json", *(["pgf"] if AS_PGF else [])]
PAPER_FILES = {
    shown: expand(f"{RESULTS}/paper/figures/{shown.place}.{{form}}", form=FORMS)
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
            record=record(f"paper/{shown.place}"),
        log:
            f"{RESULTS}/logs/paper/{shown.place}.log",
        conda:
            "../../environment.yml"
        params:
            made_from=digest(
                [
                    job_digest("thalweg.reporting.paper.figure"),
                    launch.folder_digest(HERE / "reports/alt"),
                    STYLES[style].model_dump(),
                    PARTS["optimizers"],
                    PARTS["schedules"],
                ]
            ),
            place=shown.place,
            pgf="--pgf" if AS_PGF else "",
            results=lambda w: RESULTS,
        shell:
            "python -m thalweg.reporting.paper.figure {params.place} --experiment {input.experiment:q}"
            " --tables {params.results}/tables {params.pgf} --output {params.results}/paper/figures"
            + RECORDED


rule paper:
    input:
        rules.tables.output,
        PAPER_FILES.values(),
        experiment=ancient(EXPERIMENT_FILE),
    output:
        expand(f"{RESULTS}/paper/{{text}}", text=paper.TEXTS),
        expand(
            f"{RESULTS}/paper/figures/{{place}}.tex",
            place=[shown.place for shown in PAPER_FIGURES],
        ),
        expand(
            f"{RESULTS}/paper/tables/{{place}}.tex",
            place=[shown.place for shown in paper.chosen_tables(EXPERIMENT)],
        ),
        record=record("paper"),
    log:
        f"{RESULTS}/logs/paper.log",
    conda:
        "../../environment.yml"
    params:
        made_from=digest(
            [
                job_digest("thalweg.reporting.paper.text"),
                launch.folder_digest(HERE / "reports/paper"),
                {name: part for name, part in PARTS.items() if name != "software"},
            ]
        ),
        results=lambda w: RESULTS,
    shell:
        "python -m thalweg.reporting.paper.text --experiment {input.experiment:q}"
        " --tables {params.results}/tables --output {params.results}/paper"
        f"{RECORDED}"
