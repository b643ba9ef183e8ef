"""The figures, one module each; `python -m thalweg.reporting.figures` draws all of a problem, or over all problems.

A module of this package says in `FIGURES` which figures it draws. Importing it must not load a drawing library, since
every launch asks which figures there are; so it imports those from `thalweg.reporting.drawing.lazy`. The texts of a
figure stand in reports/figures/NAME.html, as Jinja2 macros:

* `caption`, of the report. It knows what the page knows, and the figure itself as `one`.
* `alternative`, for those who do not see the figure. It knows the facts of the drawing, and the problem's name.
* `tex`, the caption of a paper, with the marks of reports/paper/. It knows the facts as `facts`, that text as `alt`.
* `summary`, if the figure is folded: what is clicked to see it.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.experiment.schema import Experiment

if TYPE_CHECKING:
    from thalweg.reporting.drawing.data import Drawing


def always(experiment: Experiment, problem: str | None) -> bool:
    """Tell that every experiment has a figure."""
    return True


@dataclass(frozen=True)
class Figure:
    """A figure of a report.

    Attributes:
        name: Its name, and that of its files.
        draw: Draws it from the folder of tables, the experiment, and a problem or None.
        order: Its place among all figures: reports show those with lower numbers first.
        section: The heading under which the page of a problem shows it; None if it is of all problems alone.
        over_all: Whether it is drawn over all problems.
        applies: Whether it has anything to show of an experiment, and of a problem or with None of all.
        template: The file of reports/figures/ that has its texts, if that is not NAME.html.
        folded: Whether a page shows it only when asked to.
    """

    name: str
    draw: Callable[[Path, Experiment, Any], "Drawing"]
    order: int
    section: str | None = None
    over_all: bool = False
    applies: Callable[[Experiment, str | None], bool] = always
    template: str | None = None
    folded: bool = False

    @property
    def texts(self) -> str:
        """The template of its caption, its alternative text and its caption in LaTeX."""
        return f"figures/{self.template or self.name}.html"


MODULES = tuple(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__) if module.name != "__main__")
"""The modules that define figures."""

BY_NAME: dict[str, Figure] = {
    figure.name: figure
    for figure in sorted(
        (figure for module in MODULES for figure in import_module(module).FIGURES), key=lambda figure: figure.order
    )
}
"""All figures, in the order in which a report shows them."""


def figures_of(experiment: Experiment, problem: str | None) -> tuple[str, ...]:
    """Name the figures that a problem has, or with None the whole experiment: none that would have nothing to show."""
    return tuple(
        name
        for name, figure in BY_NAME.items()
        if (figure.over_all if problem is None else figure.section) and figure.applies(experiment, problem)
    )
