"""The content-addressed store of finished runs.

A run is one file, named by the digest of its identity: a line with the checksum of the rest, then the record as JSON.
It is written atomically, so that a killed job leaves nothing half written under a run's name. Any other damage is found
by the checksum when the file is read.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from thalweg.results.files import write_atomically

FORMAT = "2"
"""The form of identities and records. Runs of an older form lie in folders of other names, and are not used."""

Record = dict[str, Any]
"""What is stored of a run: its identity, its history with the quantities in it, its outcome, and what was measured."""


def run_file(store: Path, digest: str) -> Path:
    """The file of the run whose identity has this digest."""
    return store / f"{FORMAT}-{digest[:2]}" / f"{digest}.json"


def has_older_runs(store: Path) -> bool:
    """Return whether the store holds runs of an older form."""
    return any(not file.parent.name.startswith(f"{FORMAT}-") for file in store.glob("*/*.json"))


def write_run(store: Path, digest: str, record: Record) -> None:
    """Store a run. Raises ValueError where the record has a number that is not finite."""
    body = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    write_atomically(run_file(store, digest), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


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


def set_aside(store: Path, digest: str, reason: str) -> None:
    """Rename a file of the store that is not what it should be, and say so on standard error."""
    file = run_file(store, digest)
    aside = file.with_suffix(".damaged")
    file.replace(aside)
    print(f"thalweg: {file} is damaged ({reason}); set aside as {aside.name}", file=sys.stderr)
