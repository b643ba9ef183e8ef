"""Locks of the operating system. They are freed when their process ends, however it ends, so none is ever stale."""

import json
import os
import time
from pathlib import Path

from filelock import FileLock

_HELD: list[FileLock] = []
"""The locks that this process holds. A lock that nothing refers to would be released."""


def acquire(file: Path, command: str, timeout: float = -1) -> None:
    """Hold the lock `file` until this process ends, and write beside it who holds it.

    Args:
        file: The lock. Its folder is made where it is missing.
        command: The command that others are told is holding the lock.
        timeout: How many seconds to wait for the lock; −1 to wait for as long as it takes.

    Raises:
        filelock.Timeout: Another process still holds the lock after that time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    lock.acquire(timeout=timeout)
    _HELD.append(lock)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    _holder_file(file).write_text(json.dumps({"process": os.getpid(), "command": command, "since": since}))


def holder(file: Path) -> str:
    """Who holds the lock, in words: a process with its command and since when, as far as that is known."""
    try:
        return "process {process} ({command}), since {since}".format(**json.loads(_holder_file(file).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _holder_file(file: Path) -> Path:
    return file.with_suffix(".json")
