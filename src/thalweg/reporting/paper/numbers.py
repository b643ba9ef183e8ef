"""The numbers of a paper's text by the names of their commands, as LaTeX prints them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from thalweg.analysis.choose import CELL
from thalweg.grid.experiment import Experiment
from thalweg.reporting.findings import chosen, records
from thalweg.reporting.paper import ENDS, macro, tex
from thalweg.reporting.paper.tex import Tex

UNITS = {"ratio": 1, "value": 1, "difference": 100, "share": 100}
"""What an effect is multiplied by: differences are told in points and shares in %."""

VERDICTS = {"Holds": "holds", "Fails": "fails", "Undecided": "undecided"}
SUFFIXES = dict(zip(ENDS, ("", "_lower", "_upper"), strict=True))


def numbers(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> dict[str, Tex]:
    """Each number by its command's name. Raises ValueError where two have one name."""
    found = [*_of_experiment(experiment, tables), *_of_problems(experiment, tables), *_of_claims(tables["claims"])]
    named = [(macro(*names), value) for names, value in found]
    twice = sorted(name for name, count in Counter(name for name, _ in named).items() if count > 1)
    if twice:
        raise ValueError(f"several numbers would be called {', '.join(twice)}; rename a metric")
    return dict(named)


def metrics(cells: pd.DataFrame) -> list[str]:
    """The metrics that cells have on the test split, beside the loss."""
    names = [name.removeprefix("final_test_").removesuffix("_lower") for name in cells if name.endswith("_lower")]
    return [name for name in names if name != "loss" and f"final_test_{name}" in cells]


def best_cells(tables: dict[str, pd.DataFrame], factor: str) -> pd.DataFrame:
    """A row for each problem and level of a factor: its best cell, as in `comparisons`, with the cell's results."""
    compared = tables["comparisons"]
    compared = compared.loc[compared["factor"] == factor, [*CELL, "level", "measure", "ratio", *COMPARED]]
    return compared.rename(columns=COMPARED).merge(tables["cells"], on=CELL)


COMPARED = {"lower": "ratio_lower", "upper": "ratio_upper", "adjusted_p": "adjusted_p", "verdict": "verdict"}

Named = Iterator[tuple[tuple[str, ...], Tex]]


def _of_experiment(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> Named:
    counts, claims = tables["counts"], tables["claims"]
    runs = counts.groupby("stage")[["finished", "reached_target", "diverged", "out_of_time"]].sum().sum(axis=1)
    wholes = claims[claims["problem"].isna()]
    yield ("Title",), tex.escaped(experiment.title)
    counted = {
        "Problems": len(experiment.problems),
        "Optimizers": len(experiment.optimizers),
        "Schedules": len(experiment.schedules),
        "TuningSeeds": len(experiment.seeds.tuning),
        "EvaluationSeeds": len(experiment.seeds.evaluation),
        "TuningRuns": runs.get("tuning", 0),
        "EvaluationRuns": runs.get("evaluation", 0),
        "Diverged": counts["diverged"].sum(),
        "OutOfTime": counts["out_of_time"].sum(),
        **{name: (wholes["verdict"] == verdict).sum() for name, verdict in VERDICTS.items()},
    }
    yield from (((name,), _count(count)) for name, count in counted.items())


def _of_problems(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> Named:
    cells = best_cells(tables, "optimizer")
    for row in records(cells):
        of = row["optimizer"], row["problem"]
        yield from ((((*of, name)), value) for name, value in _of_cell(row, metrics(tables["cells"])))
    for problem in experiment.problems:
        best = chosen(tables["comparisons"][tables["comparisons"]["problem"] == problem], tables["cells"])
        if best is None:
            continue
        (row,) = records(best)
        yield from (((problem, f"Best{name}"), value) for name, value in _of_choice(row))
        yield (problem, "BestOptimizer"), tex.breakable(row["optimizer"])
        yield from (((problem, f"BestLoss{end}"), value) for end, value in _with_ends(row, "final_test_loss"))


def _of_cell(row: dict[str, Any], others: list[str]) -> Iterator[tuple[str, Tex]]:
    yield from ((f"Loss{end}", value) for end, value in _with_ends(row, "final_test_loss"))
    for metric in others:
        if row[f"final_test_{metric}"] is not None:
            called = macro(metric).removeprefix(macro())
            yield from ((f"{called}{end}", value) for end, value in _with_ends(row, f"final_test_{metric}"))
    yield from ((f"Ratio{end}", value) for end, value in _with_ends(row, "ratio"))
    yield "AdjustedP", tex.number(row["adjusted_p"])
    yield from _of_choice(row)
    yield from ((name, _count(row[column])) for name, column in COUNTS.items())


COUNTS = {"Seeds": "n", "Diverged": "diverged", "OutOfTime": "out_of_time"}


def _of_choice(row: dict[str, Any]) -> Iterator[tuple[str, Tex]]:
    yield "Rate", tex.rate(row["learning_rate"])
    yield "Schedule", tex.breakable(row["schedule"])
    yield "BatchSize", _count(row["batch_size"])


def _of_claims(claims: pd.DataFrame) -> Named:
    for row in records(claims[claims["problem"].isna()]):
        of, times = ("Claim", row["claim"]), UNITS[row["unit"]]
        yield (*of, "Verdict"), tex.escaped(row["verdict"])
        yield (*of, "Seeds"), _count(row["n"])
        for name, column in {"Effect": "effect", "EffectLower": "lower", "EffectUpper": "upper"}.items():
            yield (*of, name), tex.number(None if row[column] is None else times * row[column])


def _with_ends(row: dict[str, Any], name: str) -> Iterator[tuple[str, Tex]]:
    return ((end, tex.number(row[f"{name}{suffix}"])) for end, suffix in SUFFIXES.items())


def _count(count: Any) -> Tex:
    return Tex(f"{int(count):,}")
