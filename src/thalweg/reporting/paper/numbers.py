"""The numbers of a paper's text by the names of their commands, as LaTeX prints them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from thalweg.analysis.choose import CELL
from thalweg.analysis.comparing import LOSS, MEASURE_COLUMNS
from thalweg.experiment.schema import Experiment
from thalweg.reporting.html.findings import find_chosen_cell, records
from thalweg.reporting.paper import ENDS, command, tex
from thalweg.reporting.paper.tex import Tex

UNITS = {"ratio": 1, "value": 1, "difference": 100, "share": 100}
"""What an effect is multiplied by: differences are given in points and shares in %."""

PREDICTION_DIGITS = 5
"""The significant digits of a prediction, which is compared with a true value close to it."""

VERDICTS = {"Holds": "holds", "Fails": "fails", "Undecided": "undecided"}
SUFFIXES = dict(zip(ENDS, ("", "_lower", "_upper"), strict=True))


def numbers(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> dict[str, Tex]:
    """Return each number by the name of its command. Raises ValueError where two have one name."""
    parts = [
        *_of_experiment(experiment, tables),
        *_of_problems(experiment, tables),
        *_of_reproductions(tables["reproductions"]),
        *_of_claims(tables["claims"]),
    ]
    named = [(command(*names), value) for names, value in parts]
    twice = sorted(name for name, count in Counter(name for name, _ in named).items() if count > 1)
    if twice:
        raise ValueError(f"several numbers would be called {', '.join(twice)}; rename a metric")
    return dict(named)


def metrics(cells: pd.DataFrame) -> list[str]:
    """Return the metrics that cells have on the test split, beside the loss."""
    names = [name.removeprefix("final_test_").removesuffix("_lower") for name in cells if name.endswith("_lower")]
    return [name for name in names if name != "loss" and f"final_test_{name}" in cells]


def metrics_of(row: dict[str, Any], names: list[str]) -> list[str]:
    """Return those of some metrics that a cell has: none where its runs end at a target, wherever they then are."""
    return [name for name in names if row["measure"] == LOSS and row[f"final_test_{name}"] is not None]


def verdicts(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the levels of each verdict, in their order."""
    return {
        name: [row["level"] for row in rows if row["verdict"] == name]
        for name in (*VERDICT_NAMES.values(), TOO_FEW_SEEDS)
    }


VERDICT_NAMES = {"Worse": "higher", "Better": "lower", "Alike": "not distinguishable"}
TOO_FEW_SEEDS = "too few seeds"


def best_cells(tables: dict[str, pd.DataFrame], factor: str) -> pd.DataFrame:
    """A row for each problem and level of a factor: its best cell, as in `comparisons`, with the cell's results."""
    compared = tables["comparisons"]
    compared = compared.loc[compared["factor"] == factor, [*CELL, "level", "measure", "ratio", *RATIO_COLUMNS]]
    return compared.rename(columns=RATIO_COLUMNS).merge(tables["cells"], on=CELL)


RATIO_COLUMNS = {"lower": "ratio_lower", "upper": "ratio_upper", "adjusted_p": "adjusted_p", "verdict": "verdict"}

Named = Iterator[tuple[tuple[str, ...], Tex]]


def _of_experiment(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> Named:
    counts, claims = tables["counts"], tables["claims"]
    runs = counts.groupby("stage")[["finished", "diverged", "out_of_time"]].sum().sum(axis=1)
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
        "Claims": len(wholes),
        **{name: (wholes["verdict"] == verdict).sum() for name, verdict in VERDICTS.items()},
    }
    yield from (((name,), _count(count)) for name, count in counted.items())


def _of_problems(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> Named:
    cells = best_cells(tables, "optimizer")
    for row in records(cells):
        of = row["optimizer"], row["problem"]
        yield from ((((*of, name)), value) for name, value in _of_cell(row, metrics(tables["cells"])))
    for problem in experiment.problems:
        best = find_chosen_cell(tables["comparisons"][tables["comparisons"]["problem"] == problem], tables["cells"])
        if best is None:
            continue
        rows = records(cells[cells["problem"] == problem])
        (row,), measure = records(best), rows[0]["measure"]
        yield (problem, "Measure"), tex.escaped(measure)
        yield (problem, "BestOptimizer"), tex.breakable(row["optimizer"])
        yield (problem, "BestSeeds"), _count(row["n"])
        yield from (((problem, f"Best{name}"), value) for name, value in (*_of_choice(row), *_compared(row, measure)))
        levels = verdicts(rows)
        yield (problem, "Others"), _count(len(rows) - 1)
        yield (problem, "Worse"), _count(len(levels[VERDICT_NAMES["Worse"]]))
        for name in ("Better", "Alike"):
            yield (problem, name), tex.listed([tex.breakable(level) for level in levels[VERDICT_NAMES[name]]])


def _of_cell(row: dict[str, Any], others: list[str]) -> Iterator[tuple[str, Tex]]:
    yield from _compared(row, row["measure"])
    for metric in metrics_of(row, others):
        called = command(metric).removeprefix(command())
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


def _compared(row: dict[str, Any], measure: str) -> Iterator[tuple[str, Tex]]:
    """What the runs of a cell are compared by, and no other: where they end at a target, the examples to it."""
    called = "Loss" if measure == LOSS else "Examples"
    return ((f"{called}{end}", value) for end, value in _with_ends(row, MEASURE_COLUMNS[measure]))


def _of_reproductions(reproductions: pd.DataFrame) -> Named:
    """Medians over seeds with their intervals; of several predictions those after the first are counted."""
    for row in records(reproductions):
        kind, _, place = row["quantity"].partition("_")
        predicts = kind == "probe"
        which = f"_{int(place) + 1}" if predicts and int(place) else ""
        called = f"Prediction{which}_" if predicts else "Loss"
        for end, column in zip(ENDS, ("median", "lower", "upper"), strict=True):
            yield (row["reproduction"], f"{called}{end}"), tex.number(row[column], PREDICTION_DIGITS if predicts else 3)
        if predicts:
            yield (row["reproduction"], f"Point{which}"), tex.escaped(row["input"])
            yield (row["reproduction"], f"Truth{which}"), tex.number(row["target"], PREDICTION_DIGITS)
        else:
            yield (row["reproduction"], "Seeds"), _count(row["n"])


def _of_claims(claims: pd.DataFrame) -> Named:
    for row in records(claims[claims["problem"].isna()]):
        of, times = ("Claim", row["claim"]), UNITS[row["unit"]]
        yield (*of, "Verdict"), tex.escaped(row["verdict"])
        yield (*of, "Seeds"), _count(row["n"])
        for name, column in {"Effect": "effect", "EffectLower": "lower", "EffectUpper": "upper"}.items():
            value = None if row[column] is None else times * row[column]
            yield (*of, name), tex.number(value, PREDICTION_DIGITS if row["unit"] == "value" else 3)


def _with_ends(row: dict[str, Any], name: str) -> Iterator[tuple[str, Tex]]:
    return ((end, tex.number(row[f"{name}{suffix}"])) for end, suffix in SUFFIXES.items())


def _count(count: Any) -> Tex:
    return Tex(f"{int(count):,}")
