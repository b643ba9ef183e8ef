"""Compare runs with their references: with what an experiment has published, or with what its store holds."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from thalweg.analysis import histories
from thalweg.certificate import published_numbers
from thalweg.certificate.differences import (
    ABSENT,
    HARDWARE,
    SOFTWARE,
    Difference,
    content_differences,
    is_identical,
    is_software,
    relative_difference,
    surroundings_differences,
)
from thalweg.certificate.published import (
    Published,
    Setting,
    StagedRun,
    configuration_differences,
    published_path,
    published_records,
    published_settings,
    read_published,
)
from thalweg.certificate.published_numbers import HeadlineValues, Numbers
from thalweg.experiment.schema import Experiment
from thalweg.grid import Cell
from thalweg.identity import COMPUTING_PACKAGES, software
from thalweg.results.layout import check_file

BITS = "bits"
"""The name by which a published file has the digests of runs' histories."""


class Headline(NamedTuple):
    """A headline number as published and as found here. It is infinite if most runs did not live to have it."""

    setting: Setting
    name: str
    published: HeadlineValues
    here: float

    @property
    def verdict(self) -> str:
        """`identical`, `within tolerance` or `different`. Losses below the resolution count as the resolution."""
        value, *ends = self.published
        least = histories.LOSS_RESOLUTION if self.name.endswith("loss") else -math.inf
        lower, upper, here = (max(number, least) for number in (*ends, self.here))
        return "identical" if self.here == value else "within tolerance" if lower <= here <= upper else "different"


class Comparison(NamedTuple):
    """The result of comparing runs with their references.

    Attributes:
        runs: How many runs were to be compared.
        missing: The cells and seeds of those runs that are missing on one side.
        different: The runs of which something differs, with what differs. Of a published run that is each final number
            and `bits`, the digest of its history; of a stored one, each value and column of its record.
        surroundings: What differs in where and by what the runs were trained; in a comparison with stored records, once
            for each run.
        headlines: The headline numbers of the runs' settings.
        configuration: The values in which the experiment is another one than was published.
        inconsistent: The headline numbers of a published file that do not follow from its own runs.
        other_records: How many runs have the published final numbers, but histories that cannot be compared with the
            published digests, since something else was recorded.
    """

    runs: int
    missing: Sequence[tuple[Cell, int]]
    different: dict[StagedRun, list[Difference]]
    surroundings: Sequence[Difference]
    headlines: Sequence[Headline] = ()
    configuration: Sequence[Difference] = ()
    inconsistent: Sequence[Difference] = ()
    other_records: int = 0

    @property
    def identical(self) -> int:
        """How many runs are equal to their references to the last bit."""
        return self.runs - len(self.missing) - len(self.different) - self.other_records

    @property
    def contradictory(self) -> bool:
        """Whether the published file contradicts itself, by its headlines or by a number of an unchanged history."""
        unchanged = (BITS not in {one.name for one in differences} for differences in self.different.values())
        return bool(self.inconsistent) or any(unchanged)

    @property
    def verdict(self) -> str:
        """`identical`; `within tolerance`, which only other surroundings can excuse; or `different`."""
        if self.configuration or self.missing or self.contradictory:
            return "different"
        if not self.different:
            return "identical"
        near = all(headline.verdict != "different" for headline in self.headlines)
        return "within tolerance" if self.surroundings and near else "different"

    @property
    def other_software(self) -> list[str]:
        """The software that is not that of the references: `program`, or a package."""
        return list(dict.fromkeys(one.name for one in self.surroundings if is_software(one)))

    @property
    def reproduced(self) -> bool:
        """Whether the published results were found again: bit for bit by any software, or within tolerance by the
        published software on another processor."""
        return self.verdict == "identical" or (self.verdict == "within tolerance" and not self.other_software)


def compare_with_published(
    published: Published,
    experiment: Experiment,
    results: Path,
    runs: pd.DataFrame,
    environments: pd.DataFrame,
    settings: Iterable[Setting] | None = None,
) -> Comparison:
    """Compare results with what was published.

    Args:
        published: The content of the published file.
        experiment: The experiment as it is here.
        results: The folder of results, for the checks of its problems.
        runs: The table of runs, with their final metrics and `bits`.
        environments: The table of provenance.
        settings: The settings to compare; all published ones if None.
    """
    reference, here = published_settings(published), published_numbers.published_numbers(experiment, runs)
    requested = list(reference if settings is None else settings)
    trained = [setting for setting in requested if setting in here]
    changed = configuration_differences(published, experiment)
    different = {
        run: differences
        for setting in trained
        for run, differences in _run_differences(setting, reference[setting], here[setting])
    }
    other_records = _runs_of_other_records(published, experiment, different)
    return Comparison(
        runs=sum(len(setting.seeds) for setting in requested),
        missing=[(setting.cell, seed) for setting in requested if setting not in here for seed in setting.seeds],
        different={run: differences for run, differences in different.items() if run not in other_records},
        surroundings=surroundings_differences(
            published["surroundings"], surroundings_of(environments), (*HARDWARE, *SOFTWARE)
        ),
        headlines=list(_headlines(published, {setting: here[setting] for setting in trained})),
        configuration=[*changed, *_data_differences(published, data_digests(experiment, results))],
        # If the experiment was changed, it may not even know the published cells.
        inconsistent=[] if changed else list(_inconsistent_headlines(published, experiment, reference)),
        other_records=len(other_records),
    )


def compare_report(experiment: Experiment, tables: dict[str, pd.DataFrame], results: Path) -> dict[str, Any] | None:
    """The comparison of all finished results with the published ones, as JSON; None if nothing is published.

    Raises ExperimentError if the published file cannot be read.
    """
    if not published_path(experiment).is_file():
        return None
    published = read_published(experiment)
    comparison = compare_with_published(published, experiment, results, tables["runs"], tables["provenance"])
    return comparison_to_json(published, comparison)


def comparison_to_json(published: Published, comparison: Comparison) -> dict[str, Any]:
    """A comparison with a published file, with what was published, as JSON. Infinite numbers become null."""
    return {
        "published_runs": sum(len(setting.seeds) for setting in published_settings(published)),
        "published_cells": len(published["cells"]),
        "published_in": published["surroundings"],
        "commits": published["commits"],
        "verdict": comparison.verdict,
        "reproduced": comparison.reproduced,
        "other_software": bool(comparison.other_software),
        "differing_software": comparison.other_software,
        "asked": comparison.runs,
        "identical": comparison.identical,
        "missing": len(comparison.missing),
        "other_records": comparison.other_records,
        "configuration": [_texts(difference) for difference in comparison.configuration],
        "surroundings": [_texts(difference) for difference in comparison.surroundings],
        "inconsistent": [_texts(difference) for difference in comparison.inconsistent],
        "different": [
            row for run, differences in comparison.different.items() for row in _difference_rows(run, differences)
        ],
        "headlines": [_headline_row(headline) for headline in comparison.headlines],
    }


def surroundings_of(environments: pd.DataFrame) -> list[dict[str, str]]:
    """The surroundings in which runs were trained, sorted: the part of the provenance that can change a run's bits."""
    known = [*HARDWARE, *COMPUTING_PACKAGES]
    rows = environments[known].drop_duplicates().sort_values(known).to_dict("records")
    return [{**row, "program": software()["program"]} for row in rows]


def read_checks(experiment: Experiment, results: Path) -> dict[str, dict[str, Any]]:
    """What the checks of those problems found out that were checked."""
    files = {problem: check_file(results, problem) for problem in experiment.problems}
    return {problem: json.loads(file.read_bytes()) for problem, file in files.items() if file.is_file()}


def data_digests(experiment: Experiment, results: Path) -> dict[str, dict[str, str]]:
    """The digests of each problem's data and of its model."""
    checks = read_checks(experiment, results)
    return {problem: {name: check[name] for name in ("data", "model")} for problem, check in checks.items()}


def _data_differences(published: Published, data: dict[str, dict[str, str]]) -> list[Difference]:
    return [
        difference._replace(name=f"problems.{problem}.{difference.name}")
        for problem, digests in data.items()
        for difference in content_differences(published["data"].get(problem, {}), digests)
    ]


def _run_differences(
    setting: Setting, reference: dict[str, list[Any]], here: dict[str, list[Any]]
) -> Iterator[tuple[StagedRun, list[Difference]]]:
    """Those of a setting's runs that differ, with the numbers in which they do, and the digests of their histories."""
    for place, run in enumerate(setting.runs):
        pairs = {name: (values[place], here[name][place]) for name, values in reference.items() if name in here}
        unlike = {name: pair for name, pair in pairs.items() if not is_identical(*pair)}
        if unlike:
            yield run, [Difference(name, *pair, relative=relative_difference(*pair)) for name, pair in unlike.items()]


def _runs_of_other_records(
    published: Published, experiment: Experiment, different: dict[StagedRun, list[Difference]]
) -> set[StagedRun]:
    """Those of some runs that differ by the digests of their histories alone, which cover other columns."""
    records = published_records(published)
    changed = {name for name, grid in experiment.problems.items() if {*grid.record} != {*records.get(name, [])}}
    return {
        run
        for run, differences in different.items()
        if run.run.problem in changed and [difference.name for difference in differences] == [BITS]
    }


def _published_headlines(published: Published, setting: Setting) -> dict[str, HeadlineValues]:
    """The headline numbers of a setting as the published file has them."""
    if setting.stage == "tuning":
        return {}
    content = published["reproductions" if setting.reproduction else "cells"][setting.path]
    return {
        name: published_numbers.round_headline([math.inf if number is None else number for number in value])
        for name, value in content.items()
        if isinstance(value, list)
    }


def _headlines(published: Published, numbers: Numbers) -> Iterator[Headline]:
    here = published_numbers.headline_numbers(numbers)
    for setting in numbers:
        for name, values in _published_headlines(published, setting).items():
            yield Headline(setting, name, values, here[setting].get(name, values)[0])


def _inconsistent_headlines(published: Published, experiment: Experiment, numbers: Numbers) -> Iterator[Difference]:
    """The headline numbers of a published file that do not follow from the numbers of its own runs."""
    chosen = published_numbers.chosen_trials(experiment, numbers)
    for setting, headlines in published_numbers.headline_numbers(numbers).items():
        if setting.stage == "evaluation" and setting.trial != chosen[setting.cell]:
            there, here = map(published_numbers.trial_to_json, (setting.trial, chosen[setting.cell]))
            yield Difference(f"{setting.path}.chosen", there, here)
        printed = _published_headlines(published, setting)
        for name, values in headlines.items():
            if printed.get(name) != values:
                yield Difference(f"{setting.path}.{name}", printed.get(name, ABSENT), values)


def _texts(difference: Difference) -> dict[str, str]:
    return {"name": difference.name, "published": str(difference.reference), "here": str(difference.here)}


def _difference_rows(run: StagedRun, differences: list[Difference]) -> Iterator[dict[str, Any]]:
    """A row for each number in which a run differs, or for the digest of its history if no number does."""
    numbers = [difference for difference in differences if difference.name != BITS]
    for difference in numbers or differences:
        yield {
            "stage": run.stage,
            "reproduction": run.reproduction,
            **run.run._asdict(),
            "hyperparameters": dict(run.run.hyperparameters),
            "name": difference.name,
            "published": difference.reference,
            "here": difference.here,
            "relative": difference.relative,
            "moved": len(numbers) < len(differences),
        }


def _headline_row(headline: Headline) -> dict[str, Any]:
    setting = headline.setting
    numbers = zip(("published", "lower", "upper", "here"), (*headline.published, headline.here), strict=True)
    return {
        "stage": setting.stage,
        "reproduction": setting.reproduction,
        **setting.cell._asdict(),
        "learning_rate": setting.trial.learning_rate,
        "hyperparameters": dict(setting.trial.hyperparameters),
        "name": headline.name,
        **{name: None if math.isinf(number) else number for name, number in numbers},
        "verdict": headline.verdict,
    }
