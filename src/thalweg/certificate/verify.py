"""Compare a sample that was trained again with what was published: `python -m thalweg.certificate.verify`.

Writes a page and the same as JSON, tells the terminal the verdict, and fails unless the results were reproduced.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from thalweg import templates
from thalweg.analysis import histories
from thalweg.analysis.tables import __main__ as tables
from thalweg.certificate import comparison
from thalweg.certificate.published import Certificate, Setting, changed, read, sample, share_of
from thalweg.certificate.standing import described
from thalweg.experiment.schema import Experiment, load
from thalweg.paths import TEMPLATES
from thalweg.results.store import write_json, write_whole


def main() -> None:
    arguments = _parser().parse_args()
    experiment = load(arguments.experiment)
    published = read(experiment)
    drawn = sample(published, share_of(arguments.share), arguments.seed)
    found = compared(experiment, published, arguments.results, drawn)
    page = {
        "experiment": experiment.name,
        "title": experiment.title,
        "share": arguments.share,
        "seed": arguments.seed,
        **described(published, found),
    }
    write(page, arguments.output)
    place = arguments.output / "index.html"
    print(templates.render("verification.txt", **page, place=place), end="", flush=True)
    if not found.reproduced:
        sys.exit(1)


def write(page: dict[str, Any], output: Path) -> None:
    """Write the page, its stylesheet and the same as JSON into `output`."""
    write_json(output / "verification.json", page)
    write_whole(output / "index.html", templates.render("verification.html", **page).encode())
    write_whole(output / "style.css", (TEMPLATES / "style.css").read_bytes())


def compared(
    experiment: Experiment, published: Certificate, results: Path, drawn: list[Setting]
) -> comparison.Comparison:
    """A comparison with what was trained again into `results`. Of an experiment that was changed that is nothing."""
    differences = changed(published, experiment)
    if differences:
        return comparison.Comparison(0, 0, differences, [], [], [], [])
    runs, _ = histories.trained(experiment, results)
    environments = tables.provenance(histories.read(experiment, results, "measured"))
    return comparison.compare(published, experiment, results, runs, environments, drawn)


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
