"""The outputs of finished jobs, held against their digests: Snakemake never opens again what a job has left.

A job ends by `python -m thalweg.results.digests`, which writes a record of its outputs. The record is itself one of the
outputs that the rule declares: a killed job leaves none and is run again, and so is a job whose record was removed.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path


def of_file(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write(record: Path, results: Path, outputs: Iterable[Path]) -> None:
    """Write the digests of files, and of all files in folders, by their places in `results`.

    The first line is the digest of the others, so that a record that is damaged or half written is none.
    """
    files = {file for output in outputs for file in (output, *output.rglob("*")) if file.is_file()}
    lines = "".join(f"{of_file(file)}  {file.relative_to(results)}\n" for file in sorted(files))
    record.write_text(f"{hashlib.sha256(lines.encode()).hexdigest()}\n{lines}", encoding="utf-8")


def read(record: Path) -> dict[str, str] | None:
    """The digest of each file by its place in the results; None where the record is not whole."""
    checksum, _, lines = record.read_bytes().partition(b"\n")
    if hashlib.sha256(lines).hexdigest().encode() != checksum:
        return None
    entries = (line.partition("  ") for line in lines.decode().splitlines())
    return {place: digest for digest, _, place in entries}


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
