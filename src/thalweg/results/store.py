"""Where training and analysis meet: a content-addressed store of finished runs, and Parquet shards of them.

A run is one file, named by its identity's digest: a line with the checksum of the rest, then the record as JSON. It is
written whole and renamed into place, so a killed job leaves nothing half written under a run's name; whatever else
happens to a file is found by its checksum when it is read.
"""

import hashlib
import json
import secrets
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Record = dict[str, Any]

SHARDS = ("runs", "histories", "measured")
"""What a job leaves of its runs: a row a run, a row an evaluation point, and what was measured (not deterministic)."""


def run_file(store: Path, digest: str) -> Path:
    return store / digest[:2] / f"{digest}.json"


def write_run(store: Path, digest: str, record: Record) -> None:
    body = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    write_whole(run_file(store, digest), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read_run(store: Path, digest: str) -> Record | None:
    """The record of a run, or None where there is none. A damaged file is named, set aside and counts as none."""
    file = run_file(store, digest)
    try:
        checksum, _, body = file.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if hashlib.sha256(body).hexdigest().encode() == checksum:
        record: Record = json.loads(body)
        return record
    set_aside(store, digest, "its checksum is wrong")
    return None


def set_aside(store: Path, digest: str, why: str) -> None:
    """Name a file of the store that cannot be what it should be, and leave it under another name."""
    file = run_file(store, digest)
    aside = file.with_suffix(".damaged")
    file.replace(aside)
    print(f"thalweg: {file} is damaged ({why}); set aside as {aside.name}", file=sys.stderr)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it into place, so that nobody ever reads half of it.

    Ends the process, saying why, where that cannot be done.
    """
    part = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Made by open(), so that it has the mode that the umask gives; a file of tempfile is for its owner alone.
        with part.open("xb") as opened:
            opened.write(content)
        part.replace(file)
    except OSError as error:
        sys.exit(
            f"{file} cannot be written: {error.strerror}. What was finished is kept; mend that, and give the same "
            "command again"
        )
    finally:
        with suppress(OSError):
            part.unlink()


def write_json(file: Path, content: Any) -> None:
    write_whole(file, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def check_file(results: Path, problem: str) -> Path:
    """What the check rule found out about a problem."""
    return results / "checks" / f"{problem}.json"


def checked_file(results: Path) -> Path:
    """The file that says that the whole experiment has passed its checks."""
    return results / "checked.json"


def chosen_file(results: Path, problem: str, optimizer: str) -> Path:
    """The trials that tuning chose for the cells of a problem and optimizer."""
    return results / "chosen" / problem / f"{optimizer}.json"


def timings_file(results: Path, problem: str) -> Path:
    """What the time rule measured on a problem."""
    return results / "timings" / f"{problem}.parquet"


def shard_folder(results: Path, stage: str, problem: str, optimizer: str) -> Path:
    """Where a job of a stage leaves the shard of its runs."""
    return results / "runs" / stage / problem / optimizer


def surface_file(results: Path, problem: str) -> Path:
    """Where the loss surface of a problem of two weights lies."""
    return results / "surfaces" / f"{problem}.parquet"


def write_shard(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the tables of SHARDS, each whole, into a job's folder."""
    for name in SHARDS:
        write_table(folder / f"{name}.parquet", tables[name])


def write_table(file: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_whole(file, sink.getvalue().to_pybytes())


def read_shards(folders: Iterable[Path], name: str, categories: Iterable[str] = ()) -> pa.Table:
    """One of SHARDS over all jobs' folders; a column that only some have is null in the others.

    Of the columns named as `categories` each text is read once, and its rows refer to it.
    """
    tables = [_read_table(folder / f"{name}.parquet", list(categories)) for folder in folders]
    return pa.concat_tables(tables, promote_options="default")


def _read_table(file: Path, categories: list[str]) -> pa.Table:
    # Files of a few thousand rows: what Arrow's data sets and threads take to start is longer than to read one.
    with pq.ParquetFile(file, read_dictionary=categories) as opened:
        return opened.read(use_threads=False)
