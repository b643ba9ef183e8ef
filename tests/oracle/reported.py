"""Reports of made-up results: figures as the workflow draws them, pages by its command lines."""

import gc
import subprocess
import sys
from pathlib import Path

import pandas as pd

from thalweg.certificate import comparison, publish, verify
from thalweg.certificate.published import published_path
from thalweg.experiment.loading import load
from thalweg.reporting import style
from thalweg.reporting.drawing.output import write
from thalweg.reporting.figures import BY_NAME, figures_of
from thalweg.reporting.html import overview


def write_published(made) -> None:
    """Publish made-up results, and write the page of a verification elsewhere, in which much came out otherwise."""
    experiment, results = load(made[0]), made[1]
    runs, environments = (pd.read_parquet(results / "tables" / f"{name}.parquet") for name in ("runs", "provenance"))
    content = publish.published_content(experiment, results, runs, environments)
    published_path(experiment).write_text(publish.format_published(content))
    runs["bits"] = runs["bits"].where(runs["seed"] % 2 == 0, "00000000")
    runs["final_test_loss"] *= 1.01
    elsewhere = environments.assign(numpy="2.9", cpu_model="Other")
    compared = comparison.compare_with_published(content, experiment, results, runs, elsewhere)
    page = {"experiment": experiment.name, "title": experiment.title, "share": "100%", "seed": 1}
    verify.write_page({**page, **comparison.comparison_to_json(content, compared)}, results / "verification")


def drawn(made):
    """Every figure, by its name and problem (None for those of the experiment as a whole)."""
    experiment = load(made[0])
    with style.applied():
        figures = {
            (name, problem): BY_NAME[name].draw(made[1] / "tables", experiment, problem)
            for problem in (None, *experiment.problems)
            for name in figures_of(experiment, problem)
        }
    # They are kept to the end. Or whatever collects garbage later, as statsmodels does, looks through them every time.
    gc.freeze()
    return figures


def write_report(made, drawings) -> Path:
    file, results = made
    folder = results / "report"
    with style.applied():
        for (name, problem), drawing in drawings.items():
            write(name, problem, drawing, folder / "figures")
    for pages in ("cells", "pages"):
        command = [sys.executable, "-m", f"thalweg.reporting.html.{pages}", "--experiment", file]
        subprocess.run([*command, "--results", results, "--output", folder], check=True)
    overview.write(results.parent)
    return folder
