# Tables, figures and pages: nothing below here trains, or knows TensorFlow.


rule stop_here:
    input:
        EVALUATED,
        TUNED,
    output:
        f"{RESULTS}/report/index.html",
    log:
        f"{RESULTS}/logs/x.log",
    shell:
        "touch {output}"
