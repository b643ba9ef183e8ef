# `snakemake --cores 1 judge --config experiment=NAME claims=FILE` judges the claims of another file on finished results.


# Without output it runs whenever it is asked for, and without input it trains nothing.
rule judge:
    log:
        layout.log_file(RESULTS, "judge"),
    conda:
        "../../environment.yml"
    params:
        experiment=EXPERIMENT_FILE,
        claims=CONFIGURATION.claims,
        results=str(RESULTS),
    shell:
        "python -m thalweg.reporting.html.judge --experiment {params.experiment:q} --claims {params.claims:q}"
        " --results {params.results}"
        f"{LOG_STDERR}"
