"""Write the index over all experiments that have a report: `python -m thalweg.reporting.html.overview`.

It lists the reports that exist when it is written, so that no rule can have it as its output: it would be out of date
whenever another experiment ends. The Snakefile writes it at the end of each launch that ran a job.
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
    """Read the summary of a report. Return None, and say so on standard error, if the file is damaged."""
    try:
        summary: dict[str, Any] = json.loads(file.read_bytes())
        return summary
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
