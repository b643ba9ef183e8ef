"""What a user reads where an experiment cannot be run: the error, and how its texts are written."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class ExperimentError(Exception):
    """The experiment cannot be run as it is written. The message lists every mistake, with file, key and remedy."""


MAX_SHOWN_MISTAKES = 20
"""How many mistakes a message lists. With the heading they fill a screen."""

MAX_MISTAKE_LENGTH = 600
"""How many characters of one mistake a message shows."""


def format_mistakes(path: Path, mistakes: list[str]) -> str:
    """Write the mistakes of an experiment file as one message for the terminal, as many as a screen holds."""
    heading = f"{path} has {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}; nothing was trained:"
    hidden = len(mistakes) - MAX_SHOWN_MISTAKES
    rest = [f"and {hidden:,} more"] if hidden > 0 else []
    return "\n".join([heading, *(f"  {_shorten(mistake)}" for mistake in [*mistakes[:MAX_SHOWN_MISTAKES], *rest])])


def _shorten(text: str) -> str:
    """Put a text on one line, and cut the middle out of a long one: the mistake is named first, the remedy last."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_MISTAKE_LENGTH else f"{line[:250]} … {line[-340:]}"


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean adam?)` for a misspelt name, and an empty text where no known name is close."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line, or its class where it has no message."""
    return " ".join(str(error).split())[:500] or type(error).__name__
