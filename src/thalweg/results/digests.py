"""Records of what finished jobs left, so that damage to it is found: Snakemake itself never opens those files again.

Each job ends with `python -m thalweg.results.digests`, which writes the digests of the job's outputs into a record. The
rule declares the record as an output too. So a killed job, which leaves no record, is run again, and so is a job whose
record was removed.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path


def file_digest(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write(record: Path, results: Path, outputs: Iterable[Path]) -> None:
    """Write a record of the digests of files, and of all files in folders, by their paths relative to `results`.

    The first line is the digest of the others, by which a damaged or half-written record is known.
    """
    files = {file for output in outputs for file in (output, *output.rglob("*")) if file.is_file()}
    lines = "".join(f"{file_digest(file)}  {file.relative_to(results)}\n" for file in sorted(files))
    record.write_text(f"{hashlib.sha256(lines.encode()).hexdigest()}\n{lines}", encoding="utf-8")


def read(record: Path) -> dict[str, str] | None:
    """The digest of each recorded file by its path in the results; None where the record itself is damaged."""
    checksum, _, lines = record.read_bytes().partition(b"\n")
    if hashlib.sha256(lines).hexdigest().encode() != checksum:
        return None
    entries = (line.partition("  ") for line in lines.decode().splitlines())
    return {path: digest for digest, _, path in entries}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m thalweg.results.digests", description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the experiment's folder of results")
    parser.add_argument("--record", type=Path, required=True, help="the file to write")
    parser.add_argument("outputs", type=Path, nargs="+", help="files and folders; the record itself is left out")
    arguments = parser.parse_args()
    try:
        write(arguments.record, arguments.results, set(arguments.outputs) - {arguments.record})
    except OSError as error:
        sys.exit(f"{arguments.record} cannot be written: {error.strerror}; mend that, and give the same command again")


if __name__ == "__main__":
    main()
