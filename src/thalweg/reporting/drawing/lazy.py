"""Modules that draw, imported when one of their names is first used, and not before.

Every launch asks the modules of `figures` which figures an experiment has, and must not load matplotlib or pandas for
that. So they import from here what does. Each name stands for its module, as after the lazy imports of PEP 810.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "choose",
    "comparing",
    "data",
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
    "variance",
]

if TYPE_CHECKING:
    import matplotlib as mpl
    import numpy as np
    import pandas as pd
    import seaborn as sns

    from thalweg.analysis import choose, comparing, histories
    from thalweg.analysis.statistics import variance
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
    choose, comparing, histories = (
        LazyModule(f"thalweg.analysis.{name}") for name in ("choose", "comparing", "histories")
    )
    variance = LazyModule("thalweg.analysis.statistics.variance")
    style, findings = LazyModule("thalweg.reporting.style"), LazyModule("thalweg.reporting.html.findings")
    data, legends, lines, matrix, panels, scales = (
        LazyModule(f"thalweg.reporting.drawing.{name}")
        for name in ("data", "legends", "lines", "matrix", "panels", "scales")
    )
