"""Files written so that nobody ever reads half of one."""

import json
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder, which is made where it is missing, and rename it into place.

    Ends the process, saying why, where that cannot be done.
    """
    temporary = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Made by open(), so that it has the mode that the umask gives; a file of tempfile is for its owner alone.
        with temporary.open("xb") as opened:
            opened.write(content)
        temporary.replace(file)
    except OSError as error:
        sys.exit(
            f"{file} cannot be written: {error.strerror}. What was finished is kept; mend that, and give the same "
            "command again"
        )
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_json(file: Path, content: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(file, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
