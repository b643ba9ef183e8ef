"""Compare a sample that was trained again with what was published: `python -m thalweg.certificate.verify`.

Writes a page and the same as JSON, prints the verdict, and fails unless the published results were reproduced.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from thalweg import templates
from thalweg.analysis import histories
from thalweg.analysis.tables import provenance
from thalweg.certificate.comparison import Comparison, compare_with_published, comparison_to_json
from thalweg.certificate.published import (
    Published,
    Setting,
    configuration_differences,
    parse_share,
    read_published,
    sample,
    with_published_records,
)
from thalweg.experiment.loading import load
from thalweg.experiment.schema import Experiment
from thalweg.paths import TEMPLATES
from thalweg.results.files import write_atomically, write_json


def main() -> None:
    arguments = _parser().parse_args()
    experiment = load(arguments.experiment)
    published = read_published(experiment)
    settings = sample(published, parse_share(arguments.share), arguments.seed)
    comparison = compare_sample(experiment, published, arguments.results, settings)
    page = {
        "experiment": experiment.name,
        "title": experiment.title,
        "share": arguments.share,
        "seed": arguments.seed,
        **comparison_to_json(published, comparison),
    }
    write_page(page, arguments.output)
    place = arguments.output / "index.html"
    print(templates.render("verification.txt", **page, place=place), end="", flush=True)
    if not comparison.reproduced:
        sys.exit(1)


def write_page(page: dict[str, Any], output: Path) -> None:
    """Write the page, its stylesheet and the same as JSON into `output`."""
    write_json(output / "verification.json", page)
    write_atomically(output / "index.html", templates.render("verification.html", **page).encode())
    write_atomically(output / "style.css", (TEMPLATES / "style.css").read_bytes())


def compare_sample(experiment: Experiment, published: Published, results: Path, settings: list[Setting]) -> Comparison:
    """Compare a sample, trained again into `results`, with what was published.

    If the experiment was changed, nothing was trained, and its changes are all that there is to tell.
    """
    changes = configuration_differences(published, experiment)
    if changes:
        return Comparison(runs=0, missing=[], different={}, surroundings=[], configuration=changes)
    runs, _ = histories.trained(experiment, results)
    environments = provenance.table(histories.read(experiment, results, "measured"))
    as_published = with_published_records(published, experiment)
    return compare_with_published(published, as_published, results, runs, environments, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m thalweg.certificate.verify", description=__doc__)
    parser.add_argument("--experiment", type=Path, required=True, help="the experiment file")
    parser.add_argument("--share", required=True, help="how much was trained again, as in 5%%")
    parser.add_argument("--seed", type=int, required=True, help="by which the sample was drawn")
    parser.add_argument("--results", type=Path, required=True, help="the folder of what was trained again")
    parser.add_argument("--output", type=Path, required=True, help="the folder for the page")
    return parser


if __name__ == "__main__":
    main()
