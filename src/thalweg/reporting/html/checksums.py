"""Write the SHA-256 checksums of a report's files, in the form that `sha256sum --check` reads in the report's folder.

Files with measured times have a list of their own. The first list is therefore the same whenever the same results are
reported.
"""

from pathlib import Path

from thalweg.analysis import MEASURED_FOLDER
from thalweg.reporting import SUMS
from thalweg.results import digests
from thalweg.results.files import write_atomically


def list_files(report: Path) -> list[str]:
    """List the paths of a report's files, sorted, without the checksums and the hidden files of Snakemake."""
    places = (file.relative_to(report) for file in report.rglob("*") if file.is_file())
    shown = (place.as_posix() for place in places if not any(part.startswith(".") for part in place.parts))
    return sorted(place for place in shown if place not in SUMS)


def contains_times(place: str) -> bool:
    """Tell whether a file of a report contains measured times, which differ from one launch to the next."""
    return place == "cost.html" or place.startswith(f"tables/{MEASURED_FOLDER}/")


def write(report: Path) -> None:
    """Write the two lists of checksums, named by SUMS, into a report whose other files are all written."""
    lines_by_list: dict[bool, list[str]] = {False: [], True: []}
    for place in list_files(report):
        lines_by_list[contains_times(place)].append(f"{digests.file_digest(report / place)}  {place}\n")
    for name, lines in zip(SUMS, lines_by_list.values(), strict=True):
        write_atomically(report / name, "".join(lines).encode())
