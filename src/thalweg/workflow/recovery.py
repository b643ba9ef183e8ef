"""What a launch mends before Snakemake looks at the results: damaged files, and files dated ahead of the clock."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from thalweg.results import digests, layout, store


def recover(results: Path, sources: Iterable[Path]) -> list[str]:
    """Mend an experiment's results and the dates of the files that they are made from.

    Args:
        results: The experiment's folder of results.
        sources: The files outside of it that Snakemake compares dates with.

    Returns:
        A message for each damaged file, and one if the store holds runs of an older version.

    Raises:
        RuntimeError: The results cannot be written.
    """
    messages = set_aside_damaged(results)
    folder = layout.store_folder(results.parent)
    if store.has_older_runs(folder):
        messages.append(
            f"{folder} holds runs of an older version of Thalweg, which are not used: what the experiment needs is "
            "trained again; `python -m thalweg.results.gc` lists them, and with --prune removes them"
        )
    with suppress(OSError):
        clamp_future_mtimes(sources)
    return messages


def set_aside_damaged(results: Path) -> list[str]:
    """Move files aside that are not what their jobs left, and return a message for each.

    Snakemake would never notice such a file. Its job's record is removed too, so that the job runs again. Files that
    are whole but dated ahead of the clock are dated back. Nothing is done where there are no results, or where another
    launch works on them. Raises RuntimeError where the results cannot be written.
    """
    messages: list[str] = []
    whole: set[Path] = set()
    if not results.is_dir():
        return messages
    with explained_write_errors(results), suppress(Timeout), FileLock(layout.launch_lock(results), timeout=0):
        for record in layout.record_files(results):
            expected = _expected_digests(record, results)
            missing = [file for file in expected if not file.is_file()]
            damaged = [
                file for file, digest in expected.items() if file not in missing and digests.file_digest(file) != digest
            ]
            for file in damaged:
                # Into a folder of its own: whatever lies in the report's folder is part of the report.
                aside = layout.damaged_folder(results) / file.relative_to(results)
                aside.parent.mkdir(parents=True, exist_ok=True)
                file.replace(aside)
                messages.append(f"{file} is damaged; set aside as {aside}, and made again")
            if missing or damaged:
                record.unlink(missing_ok=True)
            else:
                whole |= {record, *expected}
        clamp_future_mtimes(whole)
    return messages


def _expected_digests(record: Path, results: Path) -> dict[Path, str]:
    """The digest that each file of a record should have. A record that is damaged stands for itself alone."""
    recorded = digests.read(record)
    return {record: ""} if recorded is None else {results / path: digest for path, digest in recorded.items()}


def clamp_future_mtimes(files: Iterable[Path]) -> None:
    """Date files back to now, in their order, that were written before the clock was set back.

    Snakemake would fail every job that has one of them as its input, and take it for newer than what replaces it.
    """
    now = time.time_ns()
    mtimes = {file: file.stat().st_mtime_ns for file in files if file.is_file()}
    ahead = sorted({mtime for mtime in mtimes.values() if mtime > now}, reverse=True)
    clamped = {mtime: now - rank * 1_000_000 for rank, mtime in enumerate(ahead)}
    for file, mtime in mtimes.items():
        if mtime in clamped:
            os.utime(file, ns=(now, clamped[mtime]))


@contextmanager
def explained_write_errors(results: Path) -> Iterator[None]:
    """Turn an OSError into a RuntimeError that says what a user can do. A Timeout, though an OSError, passes."""
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        raise RuntimeError(
            f"{results} cannot be written ({error.strerror}: {error.filename}). Nothing is lost: mend that, and give "
            "the same command again"
        ) from None
