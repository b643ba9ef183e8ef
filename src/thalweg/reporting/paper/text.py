"""Write what a paper is made of beside its figures: captions, tables, numbers, style and the skeleton of an article."""

import argparse
import json
from collections.abc import Collection
from functools import partial
from pathlib import Path

import pandas as pd

from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.paths import PAPER_TEMPLATES
from thalweg.reporting import paper, sizes
from thalweg.reporting.figures import BY_NAME
from thalweg.reporting.paper import Shown, numbers, results, tables, tex
from thalweg.reporting.paper.tex import Tex
from thalweg.results import digests
from thalweg.results.files import write_atomically

TABLES_READ = ("cells", "claims", "comparisons", "counts", "improvements", "ranks", "reproductions")
MIN_WIDE_COLUMN = 5.0
"""Inches. A narrower column is one of two. There intervals have no columns of their own in a table, and metrics beside
the loss are left out."""

FLOWING_TABLES = ("claims",)
"""Tables that stand in the text and break over pages, since they may be longer than one. They come first, or those that
float would come between their pages."""


def texts(experiment: Experiment, folder: Path, output: Path) -> dict[str, Tex]:
    """Every text by its place in the paper, from the `folder` of tables and the figures that are in `output`."""
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES_READ}
    figures, chosen = paper.chosen_figures(experiment), paper.chosen_tables(experiment)
    known, named = sizes.read_styles(), numbers.numbers(experiment, frames)
    style = known[experiment.paper.style]
    widest = max(known[name].width for name in (experiment.paper.style, *figures.values()))
    wide = style.width >= MIN_WIDE_COLUMN
    return {
        "article.tex": Tex((PAPER_TEMPLATES / "article.tex").read_text(encoding="utf-8")),
        "style.tex": tex.render("style.tex", width=style.width, widest=widest, wide=wide, name=experiment.paper.style),
        "numbers.tex": tex.render("numbers.tex", numbers=named),
        "numbers_list.tex": tex.render("numbers_list.tex", names=[tex.breakable_command(name) for name in named]),
        "results.tex": tex.render(
            "results.tex",
            **results.results(experiment, frames),
            command=partial(_command, named),
            labels={shown.place: _label(shown) for shown in chosen},
        ),
        "figures.tex": tex.render(
            "figures.tex",
            figures=[(Tex(shown.place), not wide and known[of].width > style.width) for shown, of in figures.items()],
        ),
        "tables.tex": tex.render(
            "tables.tex",
            flowing=[Tex(shown.place) for shown in chosen if shown.name in FLOWING_TABLES],
            floating=[Tex(shown.place) for shown in chosen if shown.name not in FLOWING_TABLES],
        ),
        **{f"figures/{shown.place}.tex": figure(experiment, shown, output) for shown in figures},
        **{
            f"tables/{shown.place}.tex": tex.render(
                f"tables/{'levels' if shown.name in tables.FACTORS else shown.name}.tex",
                problem=shown.problem,
                label=_label(shown),
                wide=wide and len(numbers.metrics(frames["cells"])) < 2,
                **tables.table(experiment, frames, shown),
            )
            for shown in chosen
        },
    }


def figure(experiment: Experiment, shown: Shown, output: Path) -> Tex:
    """A figure with its caption: how it is read, what it shows, and links to its data, its rule and its digest."""
    base = output / "figures" / shown.place
    described = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
    return tex.render(
        "figure.tex",
        texts=BY_NAME[shown.name].texts,
        name=shown.name,
        problem=shown.problem,
        experiment=experiment,
        place=Tex(shown.place),
        label=_label(shown),
        rule=shown.rule,
        sha256=digests.file_digest(base.with_suffix(".pdf")),
        alt=described["alt"],
        facts=described["facts"],
    )


def _command(named: Collection[str], *names: str) -> Tex:
    """The command for a number. Raises KeyError if there is none."""
    if (name := paper.command(*names)) not in named:
        raise KeyError(name)
    return Tex(rf"\{name}{{}}")


def _label(shown: Shown) -> Tex:
    return Tex(shown.place.replace("/", "-").replace("_", "-"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the folder of the paper, with its figures")
    arguments = parser.parse_args()
    experiment = load(arguments.experiment)
    written = texts(experiment, arguments.tables, arguments.output)
    for place, text in written.items():
        write_atomically(arguments.output / place, text.encode())
    figures = [
        f"figures/{shown.place}{end}" for shown in paper.chosen_figures(experiment) for end in (".pdf", ".png", ".csv")
    ]
    sums = [f"{digests.file_digest(arguments.output / place)}  {place}\n" for place in sorted([*written, *figures])]
    write_atomically(arguments.output / "SHA256SUMS", "".join(sums).encode())


if __name__ == "__main__":
    main()
