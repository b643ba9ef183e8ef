"""What the rules of Snakemake start: checks, training, timing."""
