"""Locks of the operating system, which the end of a process frees however it ends, so that none is ever stale."""

import json
import os
import time
from pathlib import Path

from filelock import FileLock

_HELD: list[FileLock] = []
"""A lock that nobody refers to would be let go."""


def acquire(file: Path, command: str, timeout: float = -1) -> None:
    """Hold the lock `file` until this process ends, waiting so many seconds for it, or for as long as it takes.

    Beside it stands who holds it. Raises filelock.Timeout.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    lock.acquire(timeout=timeout)
    _HELD.append(lock)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    _card(file).write_text(json.dumps({"process": os.getpid(), "command": command, "since": since}))


def holder(file: Path) -> str:
    """Who holds the lock, in words."""
    try:
        return "process {process} ({command}), since {since}".format(**json.loads(_card(file).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _card(file: Path) -> Path:
    return file.with_suffix(".json")
