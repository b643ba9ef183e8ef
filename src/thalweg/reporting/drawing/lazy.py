"""Modules that draw, imported when one of their names is first used, and not before.

Every launch asks the modules of `figures` which figures an experiment has, and must not load matplotlib or pandas for
that. So they import from here what does. Each name stands for its module, as after the lazy imports of PEP 810.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "choose",
    "comparisons",
    "data",
    "factors",
    "findings",
    "histories",
    "legends",
    "lines",
    "matrix",
    "mpl",
    "np",
    "panels",
    "pd",
    "scales",
    "sns",
    "style",
]

if TYPE_CHECKING:
    import matplotlib as mpl
    import numpy as np
    import pandas as pd
    import seaborn as sns

    from thalweg.analysis import choose, histories
    from thalweg.analysis.tables import comparisons, factors
    from thalweg.reporting import style
    from thalweg.reporting.drawing import data, legends, lines, matrix, panels, scales
    from thalweg.reporting.html import findings
else:

    class LazyModule:
        """Stands for a module until one of its names, or one of its submodules, is asked for."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            module = import_module(self._name)
            return (
                getattr(module, attribute) if hasattr(module, attribute) else import_module(f"{self._name}.{attribute}")
            )

    mpl, np, pd, sns = map(LazyModule, ("matplotlib", "numpy", "pandas", "seaborn"))
    choose, histories = (LazyModule(f"thalweg.analysis.{name}") for name in ("choose", "histories"))
    comparisons, factors = (LazyModule(f"thalweg.analysis.tables.{name}") for name in ("comparisons", "factors"))
    style, findings = LazyModule("thalweg.reporting.style"), LazyModule("thalweg.reporting.html.findings")
    data, legends, lines, matrix, panels, scales = (
        LazyModule(f"thalweg.reporting.drawing.{name}")
        for name in ("data", "legends", "lines", "matrix", "panels", "scales")
    )
