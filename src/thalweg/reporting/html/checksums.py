"""Checksums of a report's files, in the form that `sha256sum --check` reads in the report's folder.

What a clock measured has a list of its own, so that the first list is the same whenever the same results are reported.
"""

from pathlib import Path

from thalweg.analysis import MEASURED
from thalweg.reporting import SUMS
from thalweg.results import digests
from thalweg.results.files import write_atomically


def files(report: Path) -> list[str]:
    """The place of every file in a report but its checksums, sorted; what Snakemake hides there is none of them."""
    places = (file.relative_to(report) for file in report.rglob("*") if file.is_file())
    shown = (place.as_posix() for place in places if not any(part.startswith(".") for part in place.parts))
    return sorted(place for place in shown if place not in SUMS)


def measured(place: str) -> bool:
    """Whether a file tells what a clock measured, so that another launch gives another one."""
    return place == "cost.html" or place.startswith(f"tables/{MEASURED}/")


def write(report: Path) -> None:
    """Write the lists of SUMS into `report`, where all other files are already."""
    apart: dict[bool, list[str]] = {False: [], True: []}
    for place in files(report):
        apart[measured(place)].append(f"{digests.file_digest(report / place)}  {place}\n")
    for name, lines in zip(SUMS, apart.values(), strict=True):
        write_atomically(report / name, "".join(lines).encode())
