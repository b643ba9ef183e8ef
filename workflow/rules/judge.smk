# `snakemake --cores 1 judge --config experiment=NAME claims=FILE` judges the claims of another file on finished results.

CLAIMS = str(config.get("claims") or "")
if CLAIMS:
    try:
        with_claims(Path(EXPERIMENT_FILE), Path(CLAIMS))
    except ExperimentError as error:
        sys.exit(str(error))


# Without output it runs whenever it is asked for, and without input it trains nothing.
rule judge:
    log:
        f"{RESULTS}/logs/judge.log",
    conda:
        "../../environment.yml"
    params:
        experiment=EXPERIMENT_FILE,
        claims=CLAIMS,
        results=RESULTS,
    shell:
        "python -m thalweg.reporting.html.judge --experiment {params.experiment:q} --claims {params.claims:q}"
        " --results {params.results}"
        f"{TO_LOG}"
