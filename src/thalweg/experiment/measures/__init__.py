"""What a claim can measure: one module a kind of measure, found by its place in this folder.

A module here defines a class (or several that belong together) with its name, its grammar, what it fits, its unit, and
how its values are read from runs and compared; `base` says what such a class has. Nothing else names a measure.
"""

import importlib
import inspect
import pkgutil
import re
from typing import Any

from thalweg.experiment.measures.base import Measure


def _discover() -> tuple[type[Measure], ...]:
    """Every kind of measure that a module of this package defines, in the order of their examples."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    kinds = {kind for module in modules for kind in vars(module).values() if _is_kind(kind)}
    return tuple(sorted(kinds, key=lambda kind: (kind.place, kind.__name__)))


def _is_kind(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Measure) and hasattr(value, "grammar")


KINDS = _discover()


def read_measure(value: Any) -> Measure:
    """Read a measure as the experiment file writes it. Raises ValueError for what is none."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    for kind in KINDS:
        if match := re.fullmatch(kind.grammar, text):
            return kind.parse(text, match)
    *examples, last = [example for kind in KINDS for example in kind.examples]
    raise ValueError(f"{value!r} is no measure; write {', '.join(examples)}, or {last}")
