"""What a paper of an experiment shows, and what its numbers are called. Importing it loads no pandas."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from thalweg.experiment.errors import suggest
from thalweg.experiment.loading import error_at
from thalweg.experiment.schema import Experiment
from thalweg.experiment.yaml_file import Location
from thalweg.reporting import sizes
from thalweg.reporting.figures import BY_NAME, figures_of

TABLES_OF_PROBLEMS = ("optimizers", "schedules", "batch_sizes")
TABLES_OF_EXPERIMENT = ("claims", "ranks")
TABLES = (*TABLES_OF_PROBLEMS, *TABLES_OF_EXPERIMENT)

DEFAULT_FIGURES = (
    "claims",
    "/improvements",
    "ranks",
    "profile",
    "factors",
    "convergence_test",
    "optimizers",
    "heat_map",
)
"""The figures of a paper whose experiment file names none; what the experiment lacks is left out."""

TEXTS = (
    *("article.tex", "style.tex", "numbers.tex", "numbers_list.tex", "results.tex"),
    *("figures.tex", "tables.tex", "SHA256SUMS"),
)
"""What a paper is made of beside its figures and tables."""

PREFIX = "Thw"
DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
ENDS = ("", "Lower", "Upper")
MEASURES = {False: ("Loss", "Accuracy"), True: ("Examples",)}
"""The numbers of a cell, by whether its runs end at a target: there the loss is only that at which they stopped."""

OF_CELL = (
    *(f"Ratio{end}" for end in ENDS),
    *("AdjustedP", "Rate", "Schedule", "BatchSize", "Seeds", "Diverged", "OutOfTime"),
)
"""Further numbers of an optimizer's best cell on a problem."""

OF_BEST = ("BestOptimizer", "BestSchedule", "BestBatchSize", "BestRate", "BestSeeds")
OF_PROBLEM = ("Measure", *OF_BEST, "Others", "Worse", "Better", "Alike")
OF_REPRODUCTION = (*(f"{name}{end}" for name in ("Loss", "Prediction") for end in ENDS), "Point", "Truth", "Seeds")
OF_CLAIM = ("Verdict", "Effect", "EffectLower", "EffectUpper", "Seeds")
OF_EXPERIMENT = (
    *("Title", "Problems", "Optimizers", "Schedules", "TuningSeeds", "EvaluationSeeds"),
    *("TuningRuns", "EvaluationRuns", "Diverged", "OutOfTime", "Claims", "Holds", "Fails", "Undecided"),
)


class Shown(NamedTuple):
    """A figure or a table, of a problem or with None of the whole experiment."""

    name: str
    problem: str | None

    @property
    def place(self) -> str:
        return f"{self.problem}/{self.name}" if self.problem else self.name

    @property
    def rule(self) -> str:
        """The rule of Snakemake that draws the figure."""
        return f"paper_{self.place.replace('/', '_')}"


def chosen_figures(experiment: Experiment) -> dict[Shown, str]:
    """Return the figures of a paper in their order, each with its style. Of one named twice the later style counts."""
    paper, available = experiment.paper, _available_figures(experiment)
    if paper.figures is None:
        return {shown: paper.style for name in DEFAULT_FIGURES for shown in _matching(name, available)}
    return {
        shown: entry.style or paper.style for entry in paper.figures for shown in _matching(entry.figure, available)
    }


def chosen_tables(experiment: Experiment) -> list[Shown]:
    """Return the tables of a paper in their order."""
    names = TABLES if experiment.paper.tables is None else experiment.paper.tables
    available = _available_tables(experiment)
    return list(dict.fromkeys(shown for name in names for shown in _matching(name, available)))


def check(experiment: Experiment) -> None:
    """Check the section `paper` of an experiment file.

    Raises:
        ExperimentError: A figure, table or style does not exist, or two numbers have one name; it has all mistakes.
    """
    mistakes = [*_unknown_entries(experiment), *_collisions(experiment)]
    if mistakes:
        raise error_at(experiment.file, mistakes)


def command(*names: str) -> str:
    """Return the LaTeX command of a number: that of `adam`, `sine`, `Loss` is ThwAdamSineLoss.

    Digits are spelt, since a command has letters alone.
    """
    parts = [part for name in names for part in re.split(r"_|(?<=\d)|(?=\d)", name) if part]
    return PREFIX + "".join(DIGITS[int(part)] if part.isdigit() else part[0].upper() + part[1:] for part in parts)


def command_names(experiment: Experiment) -> Iterator[tuple[str, ...]]:
    """Yield the parts of each number's name.

    Metrics other than the accuracy, and predictions other than the first, are not known before the checks.
    """
    for problem, grid in experiment.problems.items():
        compared = [f"{name}{end}" for name in MEASURES[grid.end_at_target] for end in ENDS]
        yield from ((optimizer, problem, name) for optimizer in experiment.optimizers for name in (*compared, *OF_CELL))
        yield from ((problem, name) for name in OF_PROBLEM)
        yield from ((problem, f"Best{name}") for name in compared[: len(ENDS)])
    yield from ((reproduction, name) for reproduction in experiment.reproductions for name in OF_REPRODUCTION)
    yield from (("Claim", claim, name) for claim in experiment.claims for name in OF_CLAIM)
    yield from ((name,) for name in OF_EXPERIMENT)


def _available_figures(experiment: Experiment) -> list[Shown]:
    problems = (None, *experiment.problems)
    return [Shown(name, problem) for problem in problems for name in figures_of(experiment, problem)]


def _available_tables(experiment: Experiment) -> list[Shown]:
    of_experiment = {"claims": bool(experiment.claims), "ranks": "ranks" in figures_of(experiment, None)}
    return [
        *(Shown(name, None) for name in TABLES_OF_EXPERIMENT if of_experiment[name]),
        *(Shown(name, problem) for problem in experiment.problems for name in TABLES_OF_PROBLEMS),
    ]


def _matching(entry: str, available: list[Shown]) -> list[Shown]:
    """Return what an entry means: `name` wherever there is one, `/name` of the whole experiment alone."""
    problem, slash, name = entry.rpartition("/")
    return [shown for shown in available if shown.name == name and (not slash or (shown.problem or "") == problem)]


def _unknown_entries(experiment: Experiment) -> Iterator[tuple[Location, str]]:
    paper, known = experiment.paper, sizes.read_styles()
    entries = [
        *(("figures", k, entry.figure, tuple(BY_NAME)) for k, entry in enumerate(paper.figures or ())),
        *(("tables", k, entry, TABLES) for k, entry in enumerate(paper.tables or ())),
    ]
    available = {"figures": _available_figures(experiment), "tables": _available_tables(experiment)}
    for section, k, entry, names in entries:
        problem, _, name = entry.rpartition("/")
        if name not in names:
            yield ("paper", section, k), f"{name!r} is no {section[:-1]}{suggest(name, names)}; {', '.join(names)} are"
        elif problem and problem not in experiment.problems:
            problems = list(experiment.problems)
            yield ("paper", section, k), f"{problem!r} is not among the problems{suggest(problem, problems)}"
        elif not _matching(entry, available[section]):
            yield ("paper", section, k), f"{entry!r} would have nothing to show in this experiment; leave it out"
    own = [(("paper", "figures", k, "style"), entry.style) for k, entry in enumerate(paper.figures or ())]
    for where, style in [(("paper", "style"), paper.style), *own]:
        if style is not None and style not in known:
            yield where, f"{style!r} is no style{suggest(style, known)}; {sizes.STYLES.name} has {', '.join(known)}"


def _collisions(experiment: Experiment) -> Iterator[tuple[Location, str]]:
    """Yield numbers that would have one name, the first of each kind."""
    commands = [(command(*names), names) for names in command_names(experiment)]
    counts = Counter(name for name, _ in commands)
    reported: set[tuple[tuple[str, ...], ...]] = set()
    for name in (name for name, count in counts.items() if count > 1):
        both = tuple(names for other, names in commands if other == name)
        kind = tuple(names[:-1] for names in both)
        if kind not in reported:
            reported.add(kind)
            texts = " and ".join(" ".join(names) for names in both)
            yield ("paper",), f"the numbers {texts} would both be called \\{name}; rename one of them"
