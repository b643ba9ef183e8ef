"""Write the index over all experiments that have a report: `python -m thalweg.reporting.html.overview`.

It speaks of the reports that lie beside each other when it is written, so it is no rule's output: it would be out of
date whenever another experiment ends. The Snakefile writes it at the end of each launch that did something.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from thalweg import templates
from thalweg.paths import TEMPLATES
from thalweg.reporting import SUMMARY
from thalweg.results import layout
from thalweg.results.files import write_atomically


def write(folder: Path) -> None:
    """Write index.html and its stylesheet into `folder` (results/), from results/*/report/summary.json."""
    files = sorted(file for results in folder.glob("*") if (file := layout.report_file(results, SUMMARY)).is_file())
    reports = [report for file in files if (report := _summary(file))]
    write_atomically(folder / "index.html", templates.render("overview.html", reports=reports).encode())
    write_atomically(folder / "style.css", (TEMPLATES / "style.css").read_bytes())


def _summary(file: Path) -> dict[str, Any] | None:
    """What a report says of itself. One that is damaged is named and left out: its own experiment makes it again."""
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        return found
    except ValueError:
        name = file.parent.parent.name
        print(
            f"{file} is damaged, so that the index leaves {name} out; make it again by "
            f"snakemake --cores N --config experiment={name}",
            file=sys.stderr,
        )
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the folder of all experiments' results")
    write(parser.parse_args().results)


if __name__ == "__main__":
    main()
