"""Digests of values: equal for equal contents, on every machine."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of a value (keys sorted, no spaces, no NaN)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
